"""What the demo prints: lines as things happen, a table at the end; colour on a terminal only."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

_COLOURS = {"green": "32", "red": "31", "blue": "34", "dim": "2", "bold": "1"}


class Screen:
    def __init__(self) -> None:
        self._began = time.monotonic()
        self._colour = sys.stdout.isatty()

    def colour(self, text: str, name: str) -> str:
        return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m" if self._colour else text

    def title(self, text: str) -> None:
        print(f"\n{self.colour(text, 'bold')}", flush=True)

    def line(self, text: str, colour: str = "") -> None:
        seconds = time.monotonic() - self._began
        said = self.colour(text, colour) if colour else text
        print(f"{seconds:7.1f} s  {said}", flush=True)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        for number, row in enumerate([head, *rows]):
            cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print("  " + (self.colour(cells, "bold") if number == 0 else cells).rstrip())
        print(flush=True)
