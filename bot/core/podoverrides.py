"""What an administrator may add to a build pod. Everything that is not listed is refused, so that
a field of a later Kubernetes can't open what this pod keeps closed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from bot.core.podsettings import PodMistake

_SPEC = frozenset(
    {
        "affinity", "dnsConfig", "dnsPolicy", "hostAliases", "hostUsers", "imagePullSecrets",
        "nodeSelector", "overhead", "preemptionPolicy", "priorityClassName", "runtimeClassName",
        "schedulerName", "terminationGracePeriodSeconds", "tolerations",
        "topologySpreadConstraints",
    }
)  # fmt: skip
_CONTAINER = frozenset({"name", "resources", "env", "volumeMounts", "imagePullPolicy"})
_VOLUMES = frozenset({"configMap", "emptyDir", "ephemeral", "persistentVolumeClaim"})
"""Kinds of volume. Not hostPath (the node's disk), not secret (it would bring credentials in)."""
_REPLACED = ("docker",)
"""Volumes of ours whose kind may change: a fast disk for dockerd's data."""
_RESERVED = re.compile(
    r"PUSHWRIGHT_.*|PYTHON.*|LD_.*|GIT_.*|DOCKER_.*|BUILDX_.*|BUILDKIT_STEP_LOG_.*|PATH|HOME|"
    r"SSL_CERT_FILE|IFS|ENV|BASH_ENV"
)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = ("pushwright.dev/", "app.kubernetes.io/", "cluster-autoscaler.kubernetes.io/")


def check(override: Mapping[str, object]) -> list[str]:
    """Every mistake, each with its key's path."""
    found = [f"{key} can't be set" for key in override if key not in ("metadata", "spec")]
    found += _check_metadata(override.get("metadata", {}))
    spec = override.get("spec", {})
    if not isinstance(spec, Mapping):
        return [*found, "spec must be a mapping"]
    for key, value in spec.items():
        match key:
            case "containers":
                found += _check_containers(value, "spec.containers", "docker")
            case "initContainers":
                found += _check_containers(value, "spec.initContainers", "dind")
            case "volumes":
                found += _check_volumes(value)
            case _ if key not in _SPEC:
                found.append(f"spec.{key} can't be set")
            case "tolerations" | "imagePullSecrets":
                found += _unlisted(value, f"spec.{key}")
            case "nodeSelector" if not isinstance(value, Mapping):
                found.append(f"spec.{key} must be a mapping")
            case "nodeSelector":
                found += _check_texts(mapping(value), f"spec.{key}")
    return found


def check_environment(container: str, env: Mapping[str, str]) -> None:
    """Raises PodMistake for names that decide what runs or what it trusts."""
    wrong = unsettable(env)
    if wrong:
        raise PodMistake(f"env of {container}: {', '.join(wrong)} can't be set")


def unsettable(names: Iterable[str]) -> list[str]:
    """Those of these variables that nobody but us may set in a build pod."""
    return [name for name in names if not _free(name)]


def _free(name: object) -> bool:
    """DOCKER_DRIVER among them: it turns off the lazy way of BuildKit in dockerd."""
    return (
        isinstance(name, str)
        and _ENV_NAME.fullmatch(name) is not None
        and not _RESERVED.fullmatch(name.upper())
    )


def _check_metadata(metadata: object) -> Iterator[str]:
    if not isinstance(metadata, Mapping):
        yield "metadata must be a mapping"
        return
    for key, values in metadata.items():
        if key not in ("labels", "annotations"):
            yield f"metadata.{key} can't be set"
        elif not isinstance(values, Mapping):
            yield f"metadata.{key} must be a mapping"
        else:
            for name in values:
                if str(name).startswith(_OURS):
                    yield f"metadata.{key}.{name} can't be set"
            yield from _check_texts(values, f"metadata.{key}")


def _check_texts(values: Mapping[str, object], where: str) -> Iterator[str]:
    """The API server takes no number and no truth value for a text, and would refuse every pod."""
    for name, value in values.items():
        if not isinstance(value, str):
            yield f"{where}.{name} must be a text: write it in quotes"


def _unlisted(value: object, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where} must be a list"


def _check_containers(containers: object, where: str, ours: str) -> Iterator[str]:
    yield from _unlisted(containers, where)
    for one in _list(containers):
        name = mapping(one).get("name")
        if name != ours:
            yield f"{where}: there is no container {name!r}, only {ours!r}"
            continue
        for key, value in mapping(one).items():
            if key not in _CONTAINER:
                yield f"{where}.{ours}.{key} can't be set"
            elif key == "env":
                yield from _check_env(value, f"{where}.{ours}.env")
            elif key == "volumeMounts":
                yield from _check_mounts(value, f"{where}.{ours}")
            elif key == "resources" and not isinstance(value, Mapping):
                yield f"{where}.{ours}.resources must be a mapping"


def _check_env(env: object, where: str) -> Iterator[str]:
    yield from _unlisted(env, where)
    for one in _list(env):
        variable = mapping(one)
        name = variable.get("name")
        if not _free(name) or set(variable) != {"name", "value"}:
            yield f"{where}: {name!r} can't be set"
        elif not isinstance(variable["value"], str):
            yield f"{where}: {name!r} must be a text: write it in quotes"


_PLACES = (
    "/run", "/var/run", "/work", "/dev", "/proc", "/sys", "/tmp", "/etc", "/usr", "/bin", "/sbin",  # noqa: S108 (places, not files)
    "/lib", "/lib64", "/opt", "/var/lib/docker",
)  # fmt: skip


def _check_mounts(mounts: object, where: str) -> Iterator[str]:
    yield from _unlisted(mounts, f"{where}.volumeMounts")
    for one in _list(mounts):
        path = mapping(one).get("mountPath")
        text = path if isinstance(path, str) else ""
        parts = [part for part in text.split("/") if part not in ("", ".")]
        clean = "/" + "/".join(parts)
        inside = any(clean == place or clean.startswith(place + "/") for place in _PLACES)
        around = any(place.startswith(clean.rstrip("/") + "/") for place in _PLACES)
        if not text.startswith("/") or ".." in parts or ":" in text or inside or around:
            yield f"{where}.volumeMounts: nothing can be mounted at {path!r}"


def _check_volumes(volumes: object) -> Iterator[str]:
    ours = ("socket", "work", "tmp", "input", "registries", "ca")
    yield from _unlisted(volumes, "spec.volumes")
    for one in _list(volumes):
        name = mapping(one).get("name")
        kinds = set(mapping(one)) - {"name"}
        if not isinstance(name, str) or name in ours:
            yield f"spec.volumes: {name!r} can't be replaced"
        elif len(kinds) != 1 or not kinds <= _VOLUMES:
            yield f"spec.volumes.{name}: only {', '.join(sorted(_VOLUMES))}"
        elif name in _REPLACED and not kinds <= {"emptyDir", "ephemeral"}:
            # A claim that outlives the pod would be one cache for every trust level.
            yield f"spec.volumes.{name}: only emptyDir or ephemeral, which go with the pod"


def mapping(value: object) -> Mapping[str, object]:
    """Empty for anything else."""
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
