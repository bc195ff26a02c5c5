"""Reading of JSON that others wrote: whatever is there, there is an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from bot.core.podoverrides import mapping

__all__ = ["line_of", "mapping", "mappings", "number_of", "seconds_of", "text_of"]


def mappings(value: object) -> Sequence[Mapping[str, object]]:
    """Those items of a list that are objects."""
    if not isinstance(value, list | tuple):
        return ()
    return [item for item in value if isinstance(item, Mapping)]


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def number_of(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def line_of(value: object, limit: int = 300) -> str:
    """A text on one line, without control characters, cut in its middle."""
    words = " ".join(text_of(value)[:10_000].split())
    clean = "".join(c for c in words if c.isprintable())
    if len(clean) <= limit:
        return clean
    head = limit * 2 // 3
    return f"{clean[:head]} … {clean[len(clean) - (limit - head - 3) :]}"


def seconds_of(value: object) -> float | None:
    """Seconds since the epoch of an RFC 3339 time; None for anything else."""
    try:
        moment = datetime.fromisoformat(text_of(value))
        found = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return found if math.isfinite(found) else None
