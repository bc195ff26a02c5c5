"""What a builder printed, read by sequence number. A log is read again and again and never
followed: a line is known by its number, so overlaps cost bytes and nothing else.

The kubelet serves the newest file of a container's log only
(https://kubernetes.io/docs/concepts/cluster-administration/logging/#log-rotation), 10 MiB by
default; the builder prints less than that. Where a node keeps less, a note stands for the lines
that it no longer had.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from bot.core.builds import LogLine
from bot.core.logtext import lost_lines
from bot.executors.loglines import parse_line
from bot.ports import Clock

Open = Callable[[int | None], AbstractContextManager[Iterator[bytes]]]
"""What was printed in so many last seconds, None: all of it."""

_AT_ONCE = 8 << 20
"""Bytes of lines that are kept of one answer; what is beyond them is asked for again."""
_LONGEST = 1 << 20
"""Bytes of a line; the builder's are at most a tenth. What is longer is passed over."""
_OVERLAP = 5
"""Seconds that are read twice. An age, not a time: the node's clock may be set back meanwhile."""
_MOST = 1000
"""Attempts whose place is remembered; being wrong costs a reading from the start."""


@dataclass(slots=True)
class _Place:
    """`unread`: lines above `number` of the last answer. `whole`: it held all there was. `asked`:
    monotonic time of the last answer that did."""

    number: int
    asked: float | None = None
    unread: deque[LogLine] = field(default_factory=deque)
    whole: bool = False


class PodLogs:
    """Safe to lose. Several threads read, each of another attempt; any may forget."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def forget(self, name: str) -> None:
        with self._lock:
            self._places.pop(name, None)

    def read(
        self, name: str, after: int, limit: int, reading: Open, *, ended: bool
    ) -> Sequence[LogLine]:
        """`ended`: nothing more will be printed, so all is read, whatever clocks did. Raises what
        `reading` does."""
        place = self._places.get(name)
        if place is None or place.number != after:
            place = _Place(after)
        elif not place.unread and place.whole:
            # The end was reached by the answer before: said once, without asking again.
            place.whole = False
            return ()
        if not place.unread:
            self._fill(place, reading, ended=ended)
        lines = [place.unread.popleft() for _ in range(min(limit, len(place.unread)))]
        if lines:
            place.number = lines[-1].n
        else:
            place.whole = False
        with self._lock:
            self._places.pop(name, None)
            self._places[name] = place  # last, as the newest
            while len(self._places) > _MOST:
                self._places.popitem(last=False)
        return lines

    def _fill(self, place: _Place, reading: Open, *, ended: bool) -> None:
        now, since = self._clock.monotonic(), None
        if place.asked is not None and not ended:
            since = int(now - place.asked) + _OVERLAP
        with reading(since) as pieces:
            place.unread, place.whole = _above(place.number, pieces)
        if since is not None and place.unread and place.unread[0].n != place.number + 1:
            # The node's clock was set forward: what is between looks older than it is.
            with reading(None) as pieces:
                place.unread, place.whole = _above(place.number, pieces)
        place.unread = _with_gaps(place.number, place.unread)
        if place.whole:
            place.asked = now


def _above(number: int, pieces: Iterator[bytes]) -> tuple[deque[LogLine], bool]:
    """Lines above that number in their order, and whether the log was read to its end. A line
    whose end was not written yet is left for the next time."""
    found: deque[LogLine] = deque()
    room = _AT_ONCE
    for raw in whole_lines(pieces, _LONGEST):
        line = parse_line(raw)
        if line is None or line.n <= number:
            continue
        found.append(line)
        number = line.n
        room -= len(raw)
        if room <= 0:
            return found, False
    return found, True


def _with_gaps(number: int, lines: Iterable[LogLine]) -> deque[LogLine]:
    """With a note wherever a number is missing: the builder leaves none out."""
    found: deque[LogLine] = deque()
    for line in lines:
        if line.n > number + 1:
            found.append(lost_lines(number + 1, line.n - 1))
        found.append(line)
        number = line.n
    return found


def whole_lines(pieces: Iterator[bytes], longest: int) -> Iterator[bytes]:
    """Lines without their ends; nothing of one that is too long or has no end."""
    rest = b""
    passing = False
    for piece in pieces:
        *lines, last = piece.split(b"\n")
        for line in lines:
            whole, rest = rest + line, b""
            if not passing and len(whole) <= longest:
                yield whole
            passing = False
        rest = b"" if passing else rest + last
        if len(rest) > longest:
            rest, passing = b"", True
