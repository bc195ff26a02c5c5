"""The build pod as plain data. docs/build-pod.md says why each line is there.

No text is put into a template: values are values, and what the kubelet would expand is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.core.podoverrides import check_environment
from bot.core.podsettings import (
    PodSettings,
    Resources,
    bytes_of,
    kept_off,
    smaller_cpu,
    smaller_size,
)
from bot.executors.kubernetes import dockerd
from bot.executors.kubernetes.dockerd import literal
from bot.executors.kubernetes.inputs import (
    CA_FILE,
    FOLDER,
    RESULT,
    WORK,
    build_secret,
    check_trust,
    external_sources,
    hosts_key,
    namespace,
    owner_patch,
)
from bot.executors.kubernetes.names import Identity, labels, notes, object_name
from bot.executors.kubernetes.overrides import merge, off_nodes
from bot.executors.kubernetes.reading import mapping
from bot.ports import AttemptSpec

__all__ = ["BUILDER", "DOCKERD", "build_pod", "build_secret", "owner_patch"]

BUILDER = "docker"
"""The container whose end is the attempt's end."""
DOCKERD = "dind"
STEP_MEMORY = "PUSHWRIGHT_BUILD_MEMORY"
"""The variable of dockerd's container that says how many bytes the steps may use."""
CA_VOLUME = "ca"
"""With what builds trust, where the config names it."""
_USER = 65532
_GRACE = 15
"""Seconds for the builder to write that it was cancelled; dockerd has nothing to save."""
_MARGIN = 120


def build_pod(spec: AttemptSpec, settings: PodSettings, identity: Identity) -> dict[str, object]:
    """Raises PodMistake. Holds no secret value: they are in `build_secret`'s object alone."""
    check_trust(spec, settings, identity)
    check_environment(BUILDER, settings.builder_env)
    check_environment(DOCKERD, settings.dockerd_env)
    name = object_name(spec.name)
    resources = _resources(spec, settings)
    pod: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace(settings, trusted=spec.trusted),
            "labels": labels(identity),
            "annotations": notes(identity, spec.name),
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": _deadline(spec, settings),
            "terminationGracePeriodSeconds": _GRACE,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            # 0: files of a Secret are root's, and only a group lets another user read them. Never
            # fsGroup: it sets the setgid bit on every emptyDir, which images would inherit.
            "securityContext": {"supplementalGroups": [0, dockerd.SOCKET_GROUP]},
            "initContainers": [_dockerd(settings, resources)],
            "containers": [_builder(settings, resources)],
            "volumes": _volumes(name, spec, settings, resources),
            **_placement(settings, trusted=spec.trusted),
        },
    }
    return merge(pod, settings.override)


def _dockerd(settings: PodSettings, resources: Resources) -> dict[str, object]:
    network = settings.network
    memory = bytes_of(resources.memory)
    env = {
        STEP_MEMORY: str(memory),
        "BUILDKIT_STEP_LOG_MAX_SIZE": dockerd.STEP_LOG,
        "BUILDKIT_STEP_LOG_MAX_SPEED": dockerd.STEP_LOG,
        **_surroundings(settings),
    }
    mounts: list[dict[str, object]] = [
        {"name": "socket", "mountPath": "/run/dind"},
        {"name": "docker", "mountPath": dockerd.DATA},
    ]
    if network.mirrors:
        mounts.append({"name": "registries", "mountPath": "/etc/docker/certs.d", "readOnly": True})
    return {
        "name": DOCKERD,
        "image": settings.dockerd_image,
        "restartPolicy": "Always",  # a native sidecar: starts before, ends after `docker`
        "command": dockerd.command(dockerd.flags(network.mirrors, network.insecure)),
        "workingDir": "/",
        "env": _env(env | dict(settings.dockerd_env)),
        "securityContext": {"privileged": True, "runAsUser": 0, "runAsGroup": 0},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {
            "requests": {
                "cpu": resources.cpu,
                "memory": str(memory + bytes_of(settings.dockerd_memory)),
                "ephemeral-storage": resources.disk,
            },
            "limits": {
                "memory": str(memory + bytes_of(settings.dockerd_memory)),
                "ephemeral-storage": resources.disk,
            },
        },
        "volumeMounts": [*mounts, *_ca_mount(settings)],
    }


def _builder(settings: PodSettings, resources: Resources) -> dict[str, object]:
    env = {"HOME": "/nonexistent", "LANG": "C.UTF-8", "TZ": "UTC", **_surroundings(settings)}
    mounts: list[dict[str, object]] = [
        {"name": "socket", "mountPath": "/run/dind"},
        {"name": "input", "mountPath": FOLDER, "readOnly": True},
        {"name": "work", "mountPath": WORK},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 (an emptyDir of this pod)
    ]
    return {
        "name": BUILDER,
        "image": settings.builder_image,
        # -I and /: a repository that holds bot/builder.py or json.py must not have them imported.
        "command": ["python", "-I", "-m", "bot.builder", f"{FOLDER}/recipe.json"],
        "workingDir": "/",
        "env": _env(env | dict(settings.builder_env)),
        "securityContext": {
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePath": RESULT,
        # Never from the log: what a build prints must not be taken for a result.
        "terminationMessagePolicy": "File",
        "resources": {
            "requests": {
                "cpu": "100m",
                "memory": "256Mi",
                "ephemeral-storage": resources.source_disk,
            },
            "limits": {
                "memory": settings.builder_memory,
                "ephemeral-storage": resources.source_disk,
            },
        },
        "volumeMounts": [*mounts, *_ca_mount(settings)],
    }


def _volumes(
    name: str, spec: AttemptSpec, settings: PodSettings, resources: Resources
) -> list[dict[str, object]]:
    sources: list[dict[str, object]] = [{"secret": {"name": name}}]
    sources += external_sources(spec, settings)
    found: list[dict[str, object]] = [
        {"name": "socket", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "docker", "emptyDir": {"sizeLimit": resources.disk}},
        {"name": "work", "emptyDir": {"sizeLimit": resources.source_disk}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
        {"name": "input", "projected": {"defaultMode": 0o440, "sources": sources}},
    ]
    hosts = sorted(settings.network.mirrors)
    if hosts:
        items = [{"key": hosts_key(host), "path": f"{host}/hosts.toml"} for host in hosts]
        found.append({"name": "registries", "secret": {"secretName": name, "items": items}})
    if settings.network.ca_config_map:
        found.append({"name": CA_VOLUME, "configMap": {"name": settings.network.ca_config_map}})
    return found


def _placement(settings: PodSettings, *, trusted: bool) -> dict[str, object]:
    """Untrusted pods take nothing of the trusted ones' place, nor these of theirs: a node for both
    would be shared."""
    untrusted = None if trusted else settings.untrusted
    chosen = untrusted.node_selector if untrusted else settings.node_selector
    tolerations = untrusted.tolerations if untrusted else settings.tolerations
    found: dict[str, object] = {}
    if chosen:
        found["nodeSelector"] = dict(chosen)
    if trusted and (others := kept_off(settings)):
        found["affinity"] = off_nodes(others)
    if tolerations:
        found["tolerations"] = [dict(one) for one in tolerations]
    if settings.runtime_class:
        found["runtimeClassName"] = settings.runtime_class
    if settings.priority_class:
        found["priorityClassName"] = settings.priority_class
    if settings.image_pull_secrets:
        found["imagePullSecrets"] = [{"name": one} for one in settings.image_pull_secrets]
    return found


def _resources(spec: AttemptSpec, settings: PodSettings) -> Resources:
    """A repository may ask for processors and memory, up to what the administrator allows."""
    build = mapping(spec.recipe.get("build"))
    default, most = settings.default, settings.most
    return Resources(
        cpu=smaller_cpu(build.get("cpu"), default.cpu, most.cpu),
        memory=smaller_size(build.get("memory"), default.memory, most.memory),
        disk=default.disk,
        source_disk=default.source_disk,
    )


def _deadline(spec: AttemptSpec, settings: PodSettings) -> int:
    """Ends the pod should nobody be left to do so; the builder keeps its own timeout and says
    more. It counts from when the kubelet took the pod, pulling included."""
    seconds = mapping(spec.recipe.get("limits")).get("timeout_seconds")
    timeout = int(seconds) if isinstance(seconds, int | float) and seconds > 0 else 1800
    return timeout + settings.start_seconds + _MARGIN


def _surroundings(settings: PodSettings) -> dict[str, str]:
    """Both spellings of the proxies: curl reads http_proxy in small letters only."""
    found: dict[str, str] = {}
    for name, value in settings.network.proxies.items():
        found |= {name.upper(): value, name.lower(): value}
    if settings.network.ca_config_map:
        found["SSL_CERT_FILE"] = CA_FILE
    return found


def _ca_mount(settings: PodSettings) -> list[dict[str, object]]:
    if not settings.network.ca_config_map:
        return []
    return [{"name": CA_VOLUME, "mountPath": CA_FILE.rpartition("/")[0], "readOnly": True}]


def _env(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": literal(value)} for name, value in sorted(values.items())]
