"""A clock that tests turn by hand."""

from __future__ import annotations

import time


class HandClock:
    """Satisfies `bot.ports.Clock`. Begins at the real time, so that dates which real servers put
    into their answers are near; each look at it takes a tenth of a millisecond, so that what
    happens later has a later time."""

    def __init__(self) -> None:
        self._began = float(int(time.time()))
        self._turned = 0.0

    def now(self) -> float:
        self._turned += 0.0001
        return self._began + self._turned

    def monotonic(self) -> float:
        return self._turned

    def turn(self, seconds: float) -> None:
        self._turned += seconds
