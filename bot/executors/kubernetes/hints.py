"""Events of a pod that takes long to start, asked for at most twice: its status says least then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.executors.kubernetes.reading import mapping, mappings, seconds_of, text_of

Json = Mapping[str, object]
_AFTER = (15.0, 90.0)
"""Seconds after the pod was made: pulling is told by then, and mounts give up after a minute."""


@dataclass(slots=True)
class _Asked:
    times: int = 0
    events: Sequence[Json] = ()


class Hints:
    """Safe to lose. For one thread."""

    def __init__(self, after: Sequence[float] = _AFTER) -> None:
        self._after = after
        self._asked: dict[str, _Asked] = {}

    def forget(self, name: str) -> None:
        self._asked.pop(name, None)

    def of(
        self, pod: Json, name: str, now: float, ask: Callable[[Json], Sequence[Json]]
    ) -> Sequence[Json]:
        """Oldest first, none where the status tells all that there is. `now`: by the clock of the
        API server, which made the pod's times."""
        if not _silent(pod):
            return ()
        made = seconds_of(mapping(pod.get("metadata")).get("creationTimestamp"))
        asked = self._asked.setdefault(name, _Asked())
        if made is None or asked.times >= len(self._after):
            return asked.events
        if now - made >= self._after[asked.times]:
            asked.times += 1
            asked.events = sorted(ask(pod), key=_when)
        return asked.events


def _silent(pod: Json) -> bool:
    """On a node, with no container that says more than that it is being made."""
    status = mapping(pod.get("status"))
    states = [
        mapping(one.get("state"))
        for key in ("initContainerStatuses", "containerStatuses")
        for one in mappings(status.get(key))
    ]
    reasons = {text_of(mapping(one.get("waiting")).get("reason")) for one in states}
    on_node = bool(mapping(pod.get("spec")).get("nodeName"))
    making = reasons <= {"", "ContainerCreating", "PodInitializing"}
    return on_node and making and text_of(status.get("phase")) in ("", "Pending")


def _when(event: Json) -> str:
    return text_of(event.get("lastTimestamp")) or text_of(event.get("eventTime"))
