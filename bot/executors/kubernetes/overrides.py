"""What the administrator may add to a build pod. Everything that is not listed is refused, so that
a field of a later Kubernetes can't open what this pod keeps closed."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping

from bot.executors.kubernetes.reading import mapping
from bot.executors.kubernetes.settings import PodMistake

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


def merge(pod: Mapping[str, object], override: Mapping[str, object]) -> dict[str, object]:
    """A new pod. Raises PodMistake naming every key that may not be set."""
    mistakes = check(override)
    if mistakes:
        raise PodMistake("the pod's override: " + "; ".join(mistakes))
    merged = copy.deepcopy(dict(pod))
    metadata, spec = _part(merged, "metadata"), _part(merged, "spec")
    for key in ("labels", "annotations"):
        metadata[key] = _joined(mapping(mapping(override.get("metadata")).get(key)), metadata[key])
    for key, value in mapping(override.get("spec")).items():
        match key:
            case "containers" | "initContainers":
                _merge_containers(spec[key], value)
            case "volumes":
                spec[key] = _by_name(spec[key], value)
            case "tolerations" | "imagePullSecrets":
                spec[key] = [*_list(spec.get(key)), *_list(copy.deepcopy(value))]
            case "nodeSelector":  # ours last: an override can't move untrusted builds elsewhere
                spec[key] = _joined(mapping(value), spec.get(key))
            case _:
                spec[key] = copy.deepcopy(value)
    return merged


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
            case "tolerations" | "imagePullSecrets" if not isinstance(value, list):
                found.append(f"spec.{key} must be a list")
            case "nodeSelector" if not isinstance(value, Mapping):
                found.append(f"spec.{key} must be a mapping")
    return found


def check_environment(container: str, env: Mapping[str, str]) -> None:
    """Raises PodMistake for names that decide what runs or what it trusts."""
    wrong = [name for name in env if not _free(name)]
    if wrong:
        raise PodMistake(f"env of {container}: {', '.join(wrong)} can't be set")


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


def _check_containers(containers: object, where: str, ours: str) -> Iterator[str]:
    for one in _list(containers):
        name = mapping(one).get("name")
        if name != ours:
            yield f"{where}: there is no container {name!r}, only {ours!r}"
            continue
        for key, value in mapping(one).items():
            if key not in _CONTAINER:
                yield f"{where}.{ours}.{key} can't be set"
            elif key == "env":
                for variable in _list(value):
                    if not _free(mapping(variable).get("name")) or set(mapping(variable)) != {
                        "name",
                        "value",
                    }:
                        yield f"{where}.{ours}.env: {mapping(variable).get('name')!r} can't be set"
            elif key == "volumeMounts":
                yield from _check_mounts(value, f"{where}.{ours}")
            elif key == "resources" and not isinstance(value, Mapping):
                yield f"{where}.{ours}.resources must be a mapping"


_PLACES = (
    "/run", "/var/run", "/work", "/dev", "/proc", "/sys", "/tmp", "/etc", "/usr", "/bin", "/sbin",  # noqa: S108 (places, not files)
    "/lib", "/lib64", "/opt", "/var/lib/docker",
)  # fmt: skip


def _check_mounts(mounts: object, where: str) -> Iterator[str]:
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


def _merge_containers(existing: object, changes: object) -> None:
    by_name = {mapping(one).get("name"): one for one in _list(existing)}
    for change in _list(changes):
        target = by_name[mapping(change).get("name")]
        if not isinstance(target, dict):
            raise TypeError("a container is no object")
        for key, value in mapping(change).items():
            match key:
                case "env" | "volumeMounts":
                    target[key] = _by_name(
                        target[key], value, "name" if key == "env" else "mountPath"
                    )
                case "resources":
                    target[key] = _deep(mapping(target[key]), mapping(value))
                case _:
                    target[key] = copy.deepcopy(value)


def _by_name(existing: object, changes: object, key: str = "name") -> list[object]:
    found = {mapping(one).get(key): one for one in _list(existing)}
    found |= {mapping(one).get(key): copy.deepcopy(one) for one in _list(changes)}
    return list(found.values())


def _deep(one: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object]:
    merged = dict(one)
    for key, value in other.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _deep(below, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _joined(added: Mapping[str, object], ours: object) -> dict[str, object]:
    return {str(key): value for key, value in added.items()} | dict(mapping(ours))


def _part(document: dict[str, object], key: str) -> dict[str, object]:
    part = document[key]
    if not isinstance(part, dict):
        raise TypeError(f"{key} is no object")
    return part


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
