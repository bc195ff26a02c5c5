"""The machine's own clock."""

from __future__ import annotations

import time


class SystemClock:
    """Satisfies `bot.ports.Clock`."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
