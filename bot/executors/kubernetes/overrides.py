"""The administrator's additions laid over a build pod, as `bot.core.podoverrides` allows them."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from bot.core.podoverrides import check
from bot.core.podsettings import PodMistake
from bot.executors.kubernetes.reading import mapping

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
"""Terms of it are alternatives: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/"""


def off_nodes(labels: Mapping[str, str]) -> dict[str, object]:
    """An affinity for nodes that lack at least one of these labels."""
    terms = [
        {"matchExpressions": [{"key": key, "operator": "NotIn", "values": [value]}]}
        for key, value in sorted(labels.items())
    ]
    return {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": terms}}}


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
            case "affinity" if key in spec:
                spec[key] = _both_affinities(spec[key], value)
            case _:
                spec[key] = copy.deepcopy(value)
    return merged


def _both_affinities(ours: object, added: object) -> dict[str, object]:
    """What was added, on nodes that ours allows: each of its terms with each of ours."""
    found = copy.deepcopy(dict(mapping(added)))
    both = []
    for one in _terms(added) or [{}]:
        for other in _terms(ours):
            asked = [*_list(one.get("matchExpressions")), *_list(other.get("matchExpressions"))]
            both.append({**one, "matchExpressions": asked})
    rule = {_REQUIRED: {"nodeSelectorTerms": both}}
    found["nodeAffinity"] = dict(mapping(found.get("nodeAffinity"))) | rule
    return found


def _terms(affinity: object) -> list[Mapping[str, object]]:
    rule = mapping(mapping(mapping(affinity).get("nodeAffinity")).get(_REQUIRED))
    return [mapping(one) for one in _list(rule.get("nodeSelectorTerms"))]


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
