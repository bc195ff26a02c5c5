"""Logs of attempts, read beside the scheduling: one that is slow holds up no other build, and its
own for a bounded time.

Of an attempt one reading at a time. Lines are known by their numbers, so that what is read twice,
or again after a restart, is stored once.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.flow import Ports
from bot.ports import HostError, Temporary
from bot.records import BuildRow, LeaseLost
from bot.telemetry import fields

LOG = logging.getLogger("pushwright.logreading")

OFTEN = 2.0
"""Seconds between two readings while somebody looks at the page; else `_SELDOM`."""
_SELDOM = 20.0
_LINES = 2000
_WAITING = 64
"""Readings of running attempts that may wait for a thread; more are left for the next look."""
_GIVE_UP = 15.0
"""Seconds after which a result does not wait for its log any longer."""
_AGAIN = 1.0
"""Seconds until a last reading that failed for the moment is tried once more: afterwards its pod is
removed, and what was not read is lost."""
_REMEMBERED = 4096


def _nobody() -> None:
    """Nobody has to be woken."""


@dataclass(slots=True, eq=False)
class _Reading:
    """`stored`: the number of the last line that is. `last`: the attempt has ended, and its result
    waits for the end of this."""

    build: BuildRow
    asked: float
    stored: int
    last: bool
    done: bool = False

    @property
    def name(self) -> str:
        return f"{self.build.id}-{self.build.attempt}"


class LogReading:
    """Thread-safe. `threads` 0: each reading is done at once by who asks for it. `wake` is called
    when a last reading ended."""

    def __init__(self, ports: Ports, threads: int = 0, wake: Callable[[], None] = _nobody) -> None:
        self._ports = ports
        self._threads = threads
        self._wake = wake
        self._changed = threading.Condition()
        self._queue: deque[_Reading] = deque()
        self._readings: dict[str, _Reading] = {}
        self._ended: set[str] = set()
        self._read_at: dict[str, float] = {}
        self._running = False

    # -- what scheduling asks ------------------------------------------------------------------

    def glance(self, build: BuildRow) -> None:
        """Read what a running attempt printed, if it is time. Never waits."""
        now, name = self._ports.clock.now(), f"{build.id}-{build.attempt}"
        pause = OFTEN if build.watched_until > now else _SELDOM
        if len(self._read_at) > _REMEMBERED:
            self._read_at.clear()
        # A worker that begins with many builds reads their logs one after another, not at once.
        read_at = self._read_at.setdefault(name, now - random.uniform(0.0, pause))  # noqa: S311
        if now - read_at < pause - 0.5:
            return
        with self._changed:
            if name in self._readings or len(self._queue) >= _WAITING:
                return
            self._read_at[name] = now
            reading = self._put(build, last=False)
        self._begin(reading)

    def last(self, build: BuildRow, patience: float = 0.0) -> bool:
        """Begin the last reading of an attempt that ended, if that is not done. True: all is stored
        or given up, and the result need not wait; `patience`: seconds to wait for it here."""
        now, name = self._ports.clock.monotonic(), f"{build.id}-{build.attempt}"
        with self._changed:
            reading = self._readings.get(name)
            if reading is None:
                reading = self._put(build, last=True)
            elif not reading.last:
                reading.last, reading.asked = True, now  # it reads on, or once more
        self._begin(reading)
        with self._changed:
            self._changed.wait_for(lambda: reading.done, patience)
            late = now - reading.asked > _GIVE_UP
            if not reading.done and not late:
                return False
            self._readings.pop(name, None)
            self._ended.discard(name)
        if not reading.done:
            LOG.warning("a result does not wait for its log any longer", extra=_about(build))
        self._read_at.pop(name, None)
        return True

    def ended(self) -> Sequence[str]:
        """Attempts whose last reading ended since the last call, and that nobody waited for."""
        with self._changed:
            found, self._ended = self._ended, set()
        return sorted(found)

    # -- readings ------------------------------------------------------------------------------

    def _put(self, build: BuildRow, *, last: bool) -> _Reading:
        """With the lock held."""
        reading = _Reading(build, self._ports.clock.monotonic(), build.log_n, last)
        self._readings[reading.name] = reading
        if self._threads and last:
            self._queue.appendleft(reading)  # its result waits for it
        elif self._threads:
            self._queue.append(reading)
        return reading

    def _begin(self, reading: _Reading) -> None:
        if not self._threads:
            self._read(reading)
            return
        with self._changed:
            first, self._running = not self._running, True
            self._changed.notify_all()
        for n in range(1, self._threads + 1) if first else ():
            threading.Thread(target=self._loop, name=f"log-{n}", daemon=True).start()

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                reading = self._queue.popleft()
            self._read(reading)
            if reading.last:
                self._wake()

    def _read(self, reading: _Reading) -> None:
        """Once more where its attempt ended meanwhile; a last one until it is stored or late."""
        while not reading.done:
            last = reading.last
            stored = self._try(reading)
            with self._changed:
                if reading.last and not last:
                    continue
                if last and not stored and self._in_time(reading):
                    self._changed.wait_for(lambda: False, _AGAIN)
                    continue
                reading.done = True
                if last:
                    self._ended.add(reading.name)
                elif self._readings.get(reading.name) is reading:
                    del self._readings[reading.name]
                self._changed.notify_all()

    def _in_time(self, reading: _Reading) -> bool:
        late = self._ports.clock.monotonic() - reading.asked > _GIVE_UP - _AGAIN
        return self._threads > 0 and not late

    def _try(self, reading: _Reading) -> bool:
        """False: it could not be read for the moment."""
        try:
            self._store(reading)
        except Temporary as error:
            LOG.warning("log not read: %s", error, extra=_about(reading.build))
            return False
        except (HostError, LeaseLost, OSError) as error:
            LOG.warning("log not stored: %s", error, extra=_about(reading.build))
        except Exception:
            LOG.exception("a log could not be read", extra=_about(reading.build))
        return True

    def _store(self, reading: _Reading) -> None:
        executor, store = self._ports.executor, self._ports.store
        while lines := list(executor.read_log(reading.name, reading.stored, _LINES)):
            reading.stored = store.append_log(reading.build, lines, self._ports.clock.now())


def _about(build: BuildRow) -> Mapping[str, object]:
    return fields(build=build.id, attempt=build.attempt, sha=build.sha[:12])
