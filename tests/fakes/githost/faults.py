"""Switches that make a fake host misbehave on purpose."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Literal

Kind = Literal["answer", "drop before", "drop after", "slow", "not stored"]


@dataclass(slots=True)
class Fault:
    """What happens to the next `count` requests that match.

    `drop after`: the request takes effect and the connection closes without an answer.
    `not stored`: the host answers as if it had, and keeps nothing.
    """

    kind: Kind
    count: int = 1
    status: int = 502
    headers: tuple[tuple[str, str], ...] = ()
    message: str = "fault"
    seconds: float = 0.0
    method: str | None = None
    path: str = ""

    def matches(self, method: str, path: str) -> bool:
        if self.method is not None and self.method != method:
            return False
        return re.search(self.path, path) is not None


class Faults:
    """Thread-safe list of pending faults, and the whole outage."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[Fault] = []
        self.outage = False

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._pending.append(fault)

    def pending(self) -> int:
        """How many have not happened yet, or not often enough."""
        with self._lock:
            return len(self._pending)

    def clear(self) -> None:
        with self._lock:
            self._pending.clear()
        self.outage = False

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, counted down."""
        if self.outage:
            return Fault("answer", status=503, message="Service Unavailable")
        with self._lock:
            for fault in self._pending:
                if fault.matches(method, path):
                    fault.count -= 1
                    if fault.count <= 0:
                        self._pending.remove(fault)
                    return fault
        return None
