"""Why a pod does not run yet, in words for the status; and when that is final."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.core.builds import Ended, OutcomeClass, Pending
from bot.executors.kubernetes.podstatus import Container, Pod
from bot.executors.kubernetes.reading import line_of, mapping, text_of

_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"})
_MAKE = frozenset({"CreateContainerError", "RunContainerError", "CrashLoopBackOff"})
_NEVER = frozenset({"InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
_STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})
_ITEM = re.compile(r"^(\d+) (.+)$")
_MOUNT = re.compile(r'^MountVolume\.\w+ failed for volume "[^"]*"(?: \(.*?\))? ?: ')
_FILTERS = (
    (re.compile(r"Insufficient (\S+)"), r"insufficient \1"),
    (re.compile(r".*node affinity/selector.*"), "no node has the labels that builds need"),
    (re.compile(r".*untolerated taint \{([^}]*)\}.*"), r"taint \1"),
    (re.compile(r".*Too many pods.*"), "too many pods"),
    (re.compile(r".*unschedulable.*"), "nodes that are closed (cordoned)"),
    (re.compile(r".*volume node affinity conflict.*"), "a volume that lies elsewhere"),
)


def waiting(
    pod: Pod, now: float, events: Sequence[Mapping[str, object]], pull: float
) -> Pending | Ended:
    """A pod whose builder neither runs nor has ended."""
    if pod.deleted is not None:
        return Pending("the pod is being removed")
    scheduled = pod.conditions.get("PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return Pending(_unscheduled(scheduled.reason, scheduled.message))
    told = [one for one in (pod.dockerd, pod.builder, *pod.others) if one.waiting]
    if not told and not pod.node:
        return Pending("waiting for a node")
    since = scheduled.since if scheduled is not None else pod.started
    late = since is not None and now - since > pull
    for one in told:
        if one.waiting not in _STARTING:
            return _blocked(one, late=late)
    return Pending(_event(events) or _starting(pod))


def _blocked(one: Container, *, late: bool) -> Pending | Ended:
    name, said = _called(one), f": {one.waiting_message}" if one.waiting_message else ""
    if one.waiting in _NEVER:
        cause = f"{name} can't be used ({one.waiting}){said}"
        return Ended(None, cause, OutcomeClass.ADMISSION_DENIED)
    if one.waiting in _PULL:
        cause = f"{name} can't be pulled{said}"
    elif one.waiting == "CreateContainerConfigError":
        # A Secret or ConfigMap is missing: it may still come, the queue deadline ends the wait.
        return Pending(f"waiting for configuration of {name}{said}")
    elif one.waiting in _MAKE:
        cause = f"{name} does not start{said or _crash(one)}"
    else:
        return Pending(f"{name} waits ({one.waiting}){said}")
    return Ended(None, cause, OutcomeClass.BUILDER_LOST) if late else Pending(cause)


def _called(one: Container) -> str:
    names = {"docker": "the builder image", "dind": "the dockerd image"}
    if one.waiting in _PULL | _NEVER:
        return names.get(one.name, f"the image of {line_of(one.name, 60)}")
    return f"container {line_of(one.name, 60)}"


def _crash(one: Container) -> str:
    return f": {line_of(one.before.message)}" if one.before and one.before.message else ""


def _unscheduled(reason: str, message: str) -> str:
    if reason == "SchedulingGated":
        return "held back by a scheduling gate"
    listed = message.partition(" available: ")[2].partition(". ")[0].rstrip(".")
    found = [_filter(part) for part in re.split(r", (?=\d+ )", listed) if part]
    if found:
        return line_of("waiting for a node: " + ", ".join(dict.fromkeys(found)))
    return line_of(f"waiting for a node: {message}" if message else "waiting for a node")


def _filter(part: str) -> str:
    numbered = _ITEM.match(part.strip())
    text = numbered[2] if numbered else part.strip()
    for pattern, words in _FILTERS:
        found = pattern.fullmatch(text)
        if found:
            return found.expand(words).rstrip(": ")
    return text


def _starting(pod: Pod) -> str:
    """By what runs already: images are pulled one container after the other."""
    where = f" on {pod.node}" if pod.node else ""
    if pod.dockerd.running:
        return f"pulling the builder image{where}"
    if pod.dockerd.waiting in ("ContainerCreating", ""):
        return f"starting{where}: images are pulled, volumes mounted"
    return f"starting{where}"


def _event(events: Sequence[Mapping[str, object]]) -> str:
    """The newest event that tells more than the status does; `events` oldest first."""
    for event in reversed([one for one in events if isinstance(one, Mapping)]):
        said = line_of(event.get("message"))
        field = text_of(mapping(event.get("involvedObject")).get("fieldPath"))
        match text_of(event.get("reason")):
            case "Pulling":
                which = "the builder image" if "{docker}" in field else "the dockerd image"
                return f"pulling {which}"
            case "FailedMount" | "FailedAttachVolume":
                # What is missing stands at its end, and a status holds 140 characters.
                return f"waiting for a volume: {_MOUNT.sub('', said)}"
            case "FailedCreatePodSandBox" | "NetworkNotReady":
                return f"the node can't start the pod: {said}"
    return ""
