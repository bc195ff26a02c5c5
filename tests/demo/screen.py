"""What the demo prints: lines as things happen, a table at the end; colour on a terminal only."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Sequence
from typing import TextIO

WIDTH = 100
_COLOURS = {"green": "32", "red": "31", "blue": "34", "dim": "2", "bold": "1"}
_INDENT = 21


class Screen:
    """Lines are `seconds  topic  text`, wrapped at words to 100 columns."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._began = time.monotonic()
        self._colour = self._out.isatty() and not os.environ.get("NO_COLOR")

    def colour(self, text: str, name: str) -> str:
        return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m" if self._colour and name else text

    def title(self, text: str) -> None:
        self._print(f"\n{self.colour(text, 'bold')}")

    def line(self, topic: str, text: str, colour: str = "", *, whole: bool = True) -> None:
        """Not `whole`: what has no room is left out."""
        if not whole and len(text) > WIDTH - _INDENT:
            text = text[: WIDTH - _INDENT - 1].rstrip() + "…"
        seconds = time.monotonic() - self._began
        # Addresses and digests stay whole, to be clicked and pasted.
        parts = textwrap.wrap(
            text, WIDTH - _INDENT, break_long_words=False, break_on_hyphens=False
        ) or [""]
        self._print(f"{seconds:7.1f} s  {topic:<8}  {self.colour(parts[0], colour)}")
        for part in parts[1:]:
            self._print(f"{'':{_INDENT}}{self.colour(part, colour)}")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """The first two columns are words, the others numbers."""
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        for number, row in enumerate([head, *rows]):
            cells = "  ".join(
                cell.ljust(width) if place < 2 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            self._print("  " + (self.colour(cells, "bold") if number == 0 else cells).rstrip())

    def _print(self, text: str) -> None:
        print(text, file=self._out, flush=True)
