"""A pod's JSON as the few values that matter, each absent where it can't be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.executors.kubernetes.manifest import BUILDER, DOCKERD, STEP_MEMORY
from bot.executors.kubernetes.reading import (
    line_of,
    mapping,
    mappings,
    number_of,
    seconds_of,
    text_of,
)


@dataclass(frozen=True, slots=True)
class Termination:
    """How a container ended. `message` is the raw text of its termination message."""

    reason: str
    message: str
    code: int | None

    @property
    def out_of_memory(self) -> bool:
        return self.reason == "OOMKilled"


@dataclass(frozen=True, slots=True)
class Container:
    """`ended`: how it ended for good; `before`: how an earlier run of it ended. Times are seconds
    since the epoch."""

    name: str
    running: bool = False
    started: float | None = None
    waiting: str = ""
    waiting_message: str = ""
    ended: Termination | None = None
    before: Termination | None = None
    restarts: int = 0
    memory_limit: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    kind: str
    status: str
    reason: str
    message: str
    since: float | None


@dataclass(frozen=True, slots=True)
class Pod:
    """`deleted`: when it should be gone, grace included, if somebody deleted it."""

    phase: str
    reason: str
    message: str
    node: str
    started: float | None
    deleted: float | None
    builder: Container
    dockerd: Container
    others: tuple[Container, ...]
    conditions: Mapping[str, Condition]

    @property
    def finished(self) -> bool:
        return self.phase in ("Succeeded", "Failed")


def read_pod(pod: Mapping[str, object]) -> Pod:
    """Never raises."""
    metadata, spec = mapping(pod.get("metadata")), mapping(pod.get("spec"))
    status = mapping(pod.get("status"))
    limits = _memory_limits(spec)
    containers = {
        one.name: one
        for key in ("initContainerStatuses", "containerStatuses")
        for one in (_container(raw, limits) for raw in mappings(status.get(key)))
    }
    conditions = [_condition(raw) for raw in mappings(status.get("conditions"))]
    return Pod(
        phase=text_of(status.get("phase")),
        reason=line_of(status.get("reason"), 60),
        message=line_of(status.get("message")),
        node=line_of(spec.get("nodeName"), 80),
        started=seconds_of(status.get("startTime")),
        deleted=seconds_of(metadata.get("deletionTimestamp")),
        builder=containers.get(BUILDER, Container(BUILDER)),
        dockerd=containers.get(DOCKERD, Container(DOCKERD)),
        others=tuple(one for name, one in containers.items() if name not in (BUILDER, DOCKERD)),
        conditions={one.kind: one for one in conditions},
    )


def _container(raw: Mapping[str, object], limits: Mapping[str, str]) -> Container:
    state = mapping(raw.get("state"))
    running, waiting = state.get("running"), mapping(state.get("waiting"))
    name = text_of(raw.get("name"))
    return Container(
        name=name,
        running=isinstance(running, Mapping),
        started=seconds_of(mapping(running).get("startedAt")),
        waiting=line_of(waiting.get("reason"), 60),
        waiting_message=line_of(waiting.get("message")),
        ended=_termination(state.get("terminated")),
        before=_termination(mapping(raw.get("lastState")).get("terminated")),
        restarts=number_of(raw.get("restartCount")) or 0,
        memory_limit=limits.get(name, ""),
    )


def _termination(raw: object) -> Termination | None:
    if not isinstance(raw, Mapping):
        return None
    return Termination(
        reason=line_of(raw.get("reason"), 60),
        message=text_of(raw.get("message"))[:65536],
        code=number_of(raw.get("exitCode")),
    )


def _condition(raw: Mapping[str, object]) -> Condition:
    return Condition(
        kind=text_of(raw.get("type")),
        status=text_of(raw.get("status")),
        reason=line_of(raw.get("reason"), 60),
        message=line_of(raw.get("message"), 1000),
        since=seconds_of(raw.get("lastTransitionTime")),
    )


def _memory_limits(spec: Mapping[str, object]) -> dict[str, str]:
    return {
        text_of(one.get("name")): _memory_limit(one)
        for key in ("initContainers", "containers")
        for one in mappings(spec.get(key))
    }


def _memory_limit(container: Mapping[str, object]) -> str:
    """As people write it. Of dockerd's container what the steps may use, the build's own."""
    of_steps = (
        text_of(one.get("value"))
        for one in mappings(container.get("env"))
        if one.get("name") == STEP_MEMORY
    )
    limits = mapping(mapping(container.get("resources")).get("limits"))
    return _size(next(of_steps, text_of(limits.get("memory"))))


def _size(text: str) -> str:
    """ "2147483648" → "2Gi"."""
    if re.fullmatch(r"[0-9]{1,18}", text):
        for unit, size in (("Gi", 1 << 30), ("Mi", 1 << 20)):
            number, rest = divmod(int(text), size)
            if number and not rest:
                return f"{number}{unit}"
    return text
