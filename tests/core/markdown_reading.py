"""Markdown as a host reads it, as far as code is concerned (GFM 4.5 and 6.3)."""

from __future__ import annotations

import re

_FENCE = re.compile(r" {0,3}(`{3,})([^`]*)")


def outside_of_code(markdown: str) -> str:
    """What is no code, and so could be a link, a mention or HTML. Fails where code stays open."""
    kept, fence = [], ""
    for line in markdown.split("\n"):
        found = _FENCE.fullmatch(line)
        if fence:
            ends = found is not None and not found[2].strip() and len(found[1]) >= len(fence)
            fence = "" if ends else fence
        elif found is not None:
            fence = found[1]
        else:
            kept.append(line)
    assert not fence, "a block stays open"
    return _outside_of_spans("\n".join(kept))


def _outside_of_spans(text: str) -> str:
    """A span ends at the next run of exactly as many ticks."""
    outside = ""
    while (start := text.find("`")) >= 0:
        ticks = _run(text, start)
        end = start + len(ticks)
        while (end := text.find("`", end)) >= 0 and _run(text, end) != ticks:
            end += len(_run(text, end))
        assert end >= 0, f"a span stays open: {text[start : start + 80]}"
        outside += text[:start]
        text = text[end + len(ticks) :]
    return outside + text


def _run(text: str, start: int) -> str:
    rest = text[start:]
    return rest[: len(rest) - len(rest.lstrip("`"))]
