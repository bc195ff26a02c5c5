"""Records that a builder printed (`docs/builder.md`), read by every executor in one way."""

from __future__ import annotations

import json

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
