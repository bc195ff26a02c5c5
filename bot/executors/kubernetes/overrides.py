"""The administrator's additions laid over a build pod, as `bot.core.podoverrides` allows them."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from bot.core.podoverrides import check
from bot.core.podsettings import PodMistake
from bot.executors.kubernetes.reading import mapping


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
