"""Threads that do one thing over and over, woken when anything was committed.

A loop that ends by an error ends the process: a silent half of a worker is worse than a restart.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bot.ports import Clock, Temporary
from bot.telemetry import fields

LOG = logging.getLogger("pushwright.loops")

_ALL = ""
_STOP_WITHIN = 8.0
"""Seconds that all loops together have to end their steps; what is left is leased, and resumed."""


@dataclass(frozen=True, slots=True)
class Loop:
    """`step` says whether it did something; then it is asked again at once. Else it waits for the
    bell, at most `pause` seconds, or the fewer that `due` says. `stuck`: seconds that one step may
    take. `awaited` False: its step only listens, so that nobody has to wait for its end. `rung`
    False: commits do not wake it; what it does has time, and would take that of the others."""

    name: str
    step: Callable[[], bool]
    pause: float
    stuck: float = 900.0
    awaited: bool = True
    rung: bool = True
    due: Callable[[], float] = lambda: math.inf


class Bell:
    """Rung when there is something to do: for all loops when the store changed, or for the one of
    that name. A listener that was busy meanwhile hears it afterwards."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rung: Counter[str] = Counter()
        self._ended = False

    def ring(self, name: str = _ALL) -> None:
        with self._condition:
            self._rung[name] += 1
            self._condition.notify_all()

    def wait(self, name: str, heard: int, seconds: float, *, every: bool = True) -> int:
        """`every` False: only for what rings by this name, or for the end."""
        with self._condition:
            self._condition.wait_for(
                lambda: self._ended or self._count(name, every) != heard, seconds
            )
            return self._count(name, every)

    def end(self) -> None:
        """Nobody waits any longer."""
        with self._condition:
            self._ended = True
            self._condition.notify_all()

    def _count(self, name: str, every: bool) -> int:
        return self._rung[name] + (self._rung[_ALL] if every else 0)


class Worker:
    """Runs loops until told to stop or until one of them breaks."""

    def __init__(
        self,
        loops: Sequence[Loop],
        wait: Callable[[float], bool],
        clock: Clock,
        beat: Callable[[], None] | None = None,
        bell: Bell | None = None,
    ) -> None:
        """`beat` is called every second while no loop hangs, for whoever watches the process;
        `bell` is for those who have news for a loop that the store does not tell."""
        self._beat = beat
        self._loops = loops
        self._wait = wait
        self._clock = clock
        self._bell = bell or Bell()
        self._told: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._broken: list[str] = []
        self._beats: dict[str, float] = {}

    def stop(self) -> None:
        """Every loop ends after its step; builders go on without us. A signal's handler may call
        it: no lock is taken that the thread which it interrupts may hold, as an event's."""
        self._told.put(None)

    def run(self) -> bool:
        """Blocks; False when a loop broke or hung."""
        threads = [
            threading.Thread(target=self._turn, args=(loop,), name=loop.name, daemon=True)
            for loop in self._loops
        ]
        threads.append(threading.Thread(target=self._ring, name="bell", daemon=True))
        for thread in threads:
            thread.start()
        while not self._told_within(1.0) and not self._hanging():
            if self._beat is not None:
                self._beat()
        self._stop.set()
        self._bell.end()
        until = self._clock.monotonic() + _STOP_WITHIN
        awaited = {loop.name for loop in self._loops if loop.awaited}
        for thread in (one for one in threads if one.name in awaited | {"bell"}):
            thread.join(timeout=max(0.0, until - self._clock.monotonic()))
        return not self._broken

    def _told_within(self, seconds: float) -> bool:
        try:
            self._told.get(timeout=seconds)
        except queue.Empty:
            return False
        return True

    def _hanging(self) -> bool:
        now, before = self._clock.monotonic(), len(self._broken)
        for loop in self._loops:
            since = now - self._beats.get(loop.name, now)
            if since > loop.stuck:
                LOG.error("loop %s hangs for %.0f s", loop.name, since)
                self._broken.append(loop.name)
        return len(self._broken) > before

    def _turn(self, loop: Loop) -> None:
        heard = 0
        with self._ending_by(loop.name):
            while not self._stop.is_set():
                self._beats[loop.name] = self._clock.monotonic()
                if not self._once(loop):
                    seconds = min(loop.pause, loop.due())
                    heard = self._bell.wait(loop.name, heard, seconds, every=loop.rung)

    @contextlib.contextmanager
    def _ending_by(self, name: str) -> Iterator[None]:
        """What breaks a thread ends the process."""
        try:
            yield
        except Exception:
            LOG.exception("a loop broke", extra=fields(loop=name))
            self._broken.append(name)
            self.stop()

    def _once(self, loop: Loop) -> bool:
        try:
            return loop.step()
        except Temporary as error:
            LOG.warning("%s", error, extra=fields(loop=loop.name))
            self._stop.wait(min(error.after or 2.0, 30.0))
            return False

    def _ring(self) -> None:
        with self._ending_by("bell"):
            while not self._stop.is_set():
                try:
                    if self._wait(0.5):
                        self._bell.ring()
                except Temporary:
                    self._stop.wait(1.0)
