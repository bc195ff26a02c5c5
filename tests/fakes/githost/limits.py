"""Rate limits as the hosts have them; off until a test sets numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exceeded:
    """`primary`: the hourly quota; else the one on bursts. `reset`: seconds since the epoch."""

    primary: bool
    reset: float


class Limits:
    """`quota` requests per window of `window` seconds, `writes` writes per minute; None: no limit.
    Counted for all credentials together: a test uses one."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self.quota: int | None = None
        self.window = 3600.0
        self.writes: int | None = None
        self._used = 0
        self._since = now()
        self._written: list[float] = []

    def count(self, method: str) -> Exceeded | None:
        now = self._now()
        with self._lock:
            if now - self._since >= self.window:
                self._used, self._since = 0, now
            self._used += 1
            if self.quota is not None and self._used > self.quota:
                return Exceeded(primary=True, reset=self._since + self.window)
            if method not in ("GET", "HEAD") and self.writes is not None:
                self._written = [at for at in self._written if now - at < 60]
                if len(self._written) >= self.writes:
                    return Exceeded(primary=False, reset=self._written[0] + 60)
                self._written.append(now)
        return None

    def headers(self) -> list[tuple[str, str]]:
        """GitHub's own headers on every answer."""
        quota = self.quota or 5000
        with self._lock:
            left = max(0, quota - self._used)
            reset = int(self._since + self.window)
        return [
            ("X-RateLimit-Limit", str(quota)),
            ("X-RateLimit-Remaining", str(left)),
            ("X-RateLimit-Reset", str(reset)),
        ]
