"""Why a pod ended, from all of its containers and conditions; in words, with whose fault it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.core.builds import OutcomeClass
from bot.executors.kubernetes.podstatus import Container, Pod, Termination
from bot.executors.kubernetes.reading import line_of


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: OutcomeClass
    cause: str


# Texts of the kubelet's eviction manager (pkg/kubelet/eviction/helpers.go, eviction_manager.go).
_OWN_DISK = re.compile(
    r"ephemeral local storage usage exceeds|exceeded its local ephemeral storage limit|"
    r"Usage of EmptyDir volume",
    re.IGNORECASE,
)
_DISRUPTIONS = {
    "PreemptionByScheduler": (OutcomeClass.EVICTED, "a pod of higher priority took its place"),
    "EvictionByEvictionAPI": (OutcomeClass.EVICTED, "it was evicted, as when a node is drained"),
    "TerminationByKubelet": (OutcomeClass.EVICTED, "its node ended it"),
    "DeletionByTaintManager": (OutcomeClass.NODE_LOST, "its node was tainted or lost"),
    "DeletionByPodGC": (OutcomeClass.NODE_LOST, "its node is gone"),
    "DeletionByDeviceTaintManager": (OutcomeClass.EVICTED, "a device of its node was tainted"),
}
"""Reasons of the condition DisruptionTarget."""
_REFUSED_BY_NODE = re.compile(
    r"OutOf\w+|UnexpectedAdmissionError|NodeAffinity|NodePorts|Preempting|Terminated|"
    r"NodeShutdown|Shutdown|TopologyAffinityError|UnknownNode|PodOSNotSupported"
)
"""Pod reasons of kubelets that did not take, or did not keep, the pod: another node may."""
_FORBIDDEN_BY_NODE = frozenset({"AppArmor", "SysctlForbidden", "ProcMount", "HostUsersForbidden"})


def disruption(pod: Pod) -> Verdict | None:
    """That the platform ended the pod, or the pod itself went over its own disk or time."""
    return _by_reason(pod) or _by_condition(pod)


def memory(pod: Pod) -> Verdict | None:
    """Out of memory in dockerd's container, where the steps are, or in the builder's."""
    for one in (pod.dockerd, pod.builder):
        if any(end is not None and end.out_of_memory for end in (one.ended, one.before)):
            what = "the build" if one is pod.dockerd else "the builder itself"
            limit = f" (limit {one.memory_limit})" if one.memory_limit else ""
            return Verdict(OutcomeClass.OUT_OF_MEMORY, f"{what} ran out of memory{limit}")
    return None


def silence(pod: Pod, now: float, seconds: float) -> Verdict | None:
    """That a kubelet says nothing where it should have: the builder's container has no end yet."""
    if pod.phase == "Unknown":
        return Verdict(OutcomeClass.NODE_LOST, f"{_node(pod)} does not answer")
    if pod.deleted is not None and now - pod.deleted > seconds:
        return Verdict(
            OutcomeClass.NODE_LOST, f"{_node(pod)} does not confirm that the pod has ended"
        )
    since = [one.since for one in pod.conditions.values() if one.since is not None]
    if pod.finished and (not since or now - max(since) > seconds):
        what = f"the pod is {pod.phase} and its status has no result"
        return Verdict(OutcomeClass.BUILDER_LOST, what)
    return None


def silent_end(pod: Pod) -> Verdict:
    """The builder's container ended and told no result."""
    end = pod.builder.ended or Termination("", "", None)
    if end.reason == "ContainerStatusUnknown":
        return Verdict(OutcomeClass.NODE_LOST, f"{_node(pod)} lost sight of the container")
    if end.reason in ("StartError", "ContainerCannotRun"):
        return Verdict(
            OutcomeClass.BUILDER_LOST, f"the builder could not be started: {line_of(end.message)}"
        )
    code = "" if end.code is None else f" (exit code {end.code})"
    cause = f"the builder ended without a result{code}"
    details = [text for text in (end.reason, last_words(pod)) if text not in ("", "Completed")]
    if details:
        cause += ": " + "; ".join(details)
    for one in pod.others:
        if any(e is not None and e.out_of_memory for e in (one.ended, one.before)):
            cause += f"; container {line_of(one.name, 60)} ran out of memory"
    return Verdict(OutcomeClass.BUILDER_LOST, cause)


def last_words(pod: Pod) -> str:
    """Of a dockerd that ended before the builder did, once or more often."""
    end = pod.dockerd.before or (pod.dockerd.ended if _failed(pod.dockerd) else None)
    if end is None:
        return ""
    said = line_of("\n".join(end.message.splitlines()[-3:]))
    code = "" if end.code is None else f"exit code {end.code}"
    return ": ".join(text for text in (code, said) if text) or "it was restarted"


def _failed(one: Container) -> bool:
    """By itself: 0 and the exits by SIGTERM and SIGKILL are how the kubelet ends a sidecar."""
    return one.ended is not None and one.ended.code not in (None, 0, 137, 143)


def _by_reason(pod: Pod) -> Verdict | None:
    target = pod.conditions.get("DisruptionTarget")
    text = pod.message or (line_of(target.message) if target else "")
    said = f": {text}" if text else ""
    match pod.reason:
        case "Evicted" if _OWN_DISK.search(pod.message):
            return Verdict(OutcomeClass.OUT_OF_DISK, f"the build ran out of disk{said}")
        case "Evicted":
            return Verdict(OutcomeClass.EVICTED, f"{_node(pod)} evicted the pod{said}")
        case "NodeLost":
            return Verdict(OutcomeClass.NODE_LOST, f"{_node(pod)} was lost{said}")
        case "DeadlineExceeded":
            return _deadline(pod)
    if pod.reason in _FORBIDDEN_BY_NODE:
        outcome, verb = OutcomeClass.ADMISSION_DENIED, "refused"
    elif _REFUSED_BY_NODE.fullmatch(pod.reason):
        outcome, verb = OutcomeClass.EVICTED, "ended"
    else:
        return None
    return Verdict(outcome, f"{_node(pod)} {verb} the pod ({pod.reason}){said}")


def _deadline(pod: Pod) -> Verdict:
    if pod.builder.ended is None and not pod.builder.running:
        return Verdict(
            OutcomeClass.BUILDER_LOST, "the builder did not start before the pod's deadline"
        )
    return Verdict(OutcomeClass.TIMEOUT, "the pod ran into its deadline and was ended")


def _by_condition(pod: Pod) -> Verdict | None:
    """DisruptionTarget counts once the pod is ending: a preemption may be called off."""
    found = pod.conditions.get("DisruptionTarget")
    ending = pod.finished or pod.builder.ended is not None
    if found is None or found.status != "True" or not ending:
        return None
    if _OWN_DISK.search(found.message):
        return Verdict(OutcomeClass.OUT_OF_DISK, f"the build ran out of disk: {found.message}")
    outcome, what = _DISRUPTIONS.get(found.reason, (OutcomeClass.EVICTED, found.reason))
    said = f" ({line_of(found.message)})" if found.message else ""
    return Verdict(outcome, f"the pod was ended: {what}{said}")


def _node(pod: Pod) -> str:
    return f"node {pod.node}" if pod.node else "the node"
