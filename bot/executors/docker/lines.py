"""The builder's log file, read from where the last reading ended."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from bot.core.builds import LogLine
from bot.executors.loglines import parse_line

_LONGEST = 1 << 20
"""Bytes of a line; the builder's are at most a tenth. What is longer is passed over."""

_AT_ONCE = 8 << 20
"""Bytes of lines in one answer, about: many long ones must not fill our memory."""


class LogReader:
    """Remembers where in the file a sequence number was; being wrong costs a reading from the
    start. Safe to lose."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}

    def forget(self, name: str) -> None:
        self._known.pop(name, None)

    def read(self, name: str, path: Path, after: int, limit: int) -> list[LogLine]:
        """Whole lines above `after`; what is not a record of the builder's is passed over."""
        known, offset = self._known.get(name, (0, 0))
        if known > after:
            offset = 0
        lines: list[LogLine] = []
        try:
            with path.open("rb") as file:
                if offset > file.seek(0, 2):
                    offset = 0  # the attempt was started afresh
                file.seek(offset)
                offset = _take(file, after, limit, lines)
        except FileNotFoundError:
            return []
        self._known[name] = (lines[-1].n if lines else max(known, after), offset)
        return lines


def _take(file: BinaryIO, after: int, limit: int, lines: list[LogLine]) -> int:
    """Where the last whole line ended that was read."""
    offset, room = file.tell(), _AT_ONCE
    while len(lines) < limit and room > 0:
        raw, whole = _next_line(file)
        if not whole:
            break
        offset = file.tell()
        line = parse_line(raw)
        if line is not None and line.n > after:
            lines.append(line)
            room -= len(raw)
    return offset


def _next_line(file: BinaryIO) -> tuple[bytes, bool]:
    """A line and whether its end was written yet; nothing of one that is too long."""
    raw = file.readline(_LONGEST)
    if len(raw) < _LONGEST or raw.endswith(b"\n"):
        return raw, raw.endswith(b"\n")
    while len(raw) == _LONGEST and not raw.endswith(b"\n"):
        raw = file.readline(_LONGEST)
    return b"", raw.endswith(b"\n")
