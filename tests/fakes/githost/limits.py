"""Rate limits as the hosts have them; off until a test sets numbers.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class Exceeded:
    """`primary`: the hourly quota; else the one on bursts. `reset`: seconds since the epoch."""

    primary: bool
    reset: float


@dataclass(slots=True)
class _Spent:
    """What was spent in the last `seconds`: (when, how much), oldest first."""

    seconds: float
    kept: list[tuple[float, int]] = field(default_factory=list)

    def full(self, now: float, cost: int, most: int | None) -> float | None:
        """When the oldest of it counts no more, where `cost` would be too much."""
        self.kept = [(at, spent) for at, spent in self.kept if now - at < self.seconds]
        if most is None or sum(spent for _, spent in self.kept) + cost <= most:
            return None
        return self.kept[0][0] + self.seconds if self.kept else now + self.seconds


class Limits:
    """`quota` requests per window of `window` seconds; `writes` a minute, `hourly` writes an hour,
    `points` a minute, of which a write costs five and anything else one; None: no limit.
    Counted for all credentials together: a test uses one."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self.quota: int | None = None
        self.window = HOUR
        self.writes: int | None = None
        self.hourly: int | None = None
        self.points: int | None = None
        self._used = 0
        self._since = now()
        self._written, self._written_hourly = _Spent(MINUTE), _Spent(HOUR)
        self._points = _Spent(MINUTE)

    def count(self, method: str) -> Exceeded | None:
        now = self._now()
        with self._lock:
            if now - self._since >= self.window:
                self._used, self._since = 0, now
            self._used += 1
            if self.quota is not None and self._used > self.quota:
                return Exceeded(primary=True, reset=self._since + self.window)
            return self._burst(now, writes=method not in ("GET", "HEAD"))

    def _burst(self, now: float, *, writes: bool) -> Exceeded | None:
        """What is refused costs nothing."""
        bounds = [(self._points, 5 if writes else 1, self.points)]
        if writes:
            bounds += [(self._written, 1, self.writes), (self._written_hourly, 1, self.hourly)]
        full = [spent.full(now, cost, most) for spent, cost, most in bounds]
        resets = [reset for reset in full if reset is not None]
        if resets:
            return Exceeded(primary=False, reset=max(resets))
        for spent, cost, most in bounds:
            if most is not None:
                spent.kept.append((now, cost))
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
