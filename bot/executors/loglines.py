"""Records that a builder printed (`docs/builder.md`), read by every executor in one way."""

from __future__ import annotations

import json
import math

from bot.core.builds import LogLine

_HIGHEST = 2**53


def parse_line(raw: bytes) -> LogLine | None:
    """None for what the builder can not have written."""
    try:
        text = raw.decode().rstrip("\n")
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    number = document.get("n") if isinstance(document, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < _HIGHEST:
        return None
    return LogLine(number, text)


def record_time(line: LogLine) -> float | None:
    """When the builder printed it, by its own clock; None where the record does not tell."""
    document = json.loads(line.text)
    told = document.get("t") if isinstance(document, dict) else None
    if isinstance(told, bool) or not isinstance(told, int | float) or not math.isfinite(told):
        return None
    return float(told) if 0 < told < _HIGHEST else None
