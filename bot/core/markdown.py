"""Markdown of which no part that others wrote can become anything but text: names, messages and
logs stand in code spans and fenced blocks, where hosts look for no links, mentions or HTML.

https://github.github.com/gfm/#code-spans and https://github.github.com/gfm/#tables-extension-
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

from bot.core.logtext import plain

_TICKS: Final = re.compile(r"`+")
_SAFE: Final = "/:?&=#%@+,;~-._!$'*"
"""What stays as it is in an address: neither brackets, blanks nor what ends a cell or a span."""
CELL: Final = 300
"""Characters of one span; what is longer stands whole on the page that is linked."""


def code(text: str, limit: int = CELL) -> str:
    """A code span, fit for a table's cell. Empty for an empty text."""
    line = " ".join(plain(text.replace("\n", " ")).split())
    if not line:
        return ""
    shown = line if len(line) <= limit else f"{line[: limit - 1]}…"
    ticks = "`" * (1 + max((len(run) for run in _TICKS.findall(shown)), default=0))
    room = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{room}{shown}{room}{ticks}"


def codes(texts: Iterable[str], most: int = 5) -> str:
    """Several spans with commas between; how many more there are."""
    spans = [span for text in texts if (span := code(text))]
    more = [f"and {len(spans) - most} more"] if len(spans) > most else []
    return ", ".join([*spans[:most], *more])


def link(label: str, url: str | None) -> str:
    """`label` is Markdown of ours. Only addresses of the web become links."""
    if not url or not url.startswith(("https://", "http://")):
        return label
    return f"[{label}]({quote(url, safe=_SAFE)})"


def fence(lines: Sequence[str], language: str = "text") -> str:
    """A block that no line in it can end. None begins with a slash: GitLab before 17.1 finds its
    quick actions by regular expressions, for which a line of three backticks ends every block, and
    would do what a log says with the rights of who wrote the comment (lib/gitlab/quick_actions/
    extractor.rb of https://gitlab.com/gitlab-org/gitlab)."""
    texts = [plain(line) for line in lines]
    shown = [f" {text}" if text.startswith("/") else text for text in texts]
    longest = max((len(run) for line in shown for run in _TICKS.findall(line)), default=0)
    ticks = "`" * max(3, longest + 1)
    return "\n".join([f"{ticks}{language}", *shown, ticks])


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are Markdown of ours. `heads` that begin with `#` are numbers, set to the right."""
    marks = ["---:" if head.startswith("#") else "---" for head in heads]
    lines = [[head.removeprefix("#") for head in heads], marks, *rows]
    # A row is cut into cells before spans are read: a bar is escaped in there, too.
    return "\n".join(f"| {' | '.join(_cell(one) for one in cells)} |" for cells in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def fitting(parts: Sequence[str], limit: int, cut: str) -> str:
    """The parts with empty lines between, the last ones left out where all are more than `limit`
    bytes; then `cut` says so. A part is never divided, so that no block stays open."""
    kept: list[str] = []
    room = limit - len(cut.encode()) - 2
    for part in parts:
        if not part:
            continue
        room -= len(part.encode()) + 2
        if room < 0:
            return "\n\n".join([*kept, cut])
        kept.append(part)
    return "\n\n".join(kept)


def tail(lines: Sequence[str], most: int, room: int) -> list[str]:
    """The last lines that fit into `room` bytes, at most `most` of them, long ones cut."""
    found: list[str] = []
    for line in reversed(lines[-most:]):
        short = line if len(line) <= CELL else f"{line[: CELL - 1]}…"
        room -= len(short.encode()) + 1
        if room < 0:
            break
        found.append(short)
    return found[::-1]
