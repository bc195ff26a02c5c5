"""What a measurement is, and how all of them are printed: one line each, under the machine."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
KINDS = {"": "", "at least": "≥ ", "at most": "≤ "}


@dataclass(frozen=True, slots=True)
class Target:
    """`kind`: "at least" or "at most" `value`, in the row's own unit."""

    kind: str
    value: float

    def met(self, value: float) -> bool:
        return value >= self.value if self.kind == "at least" else value <= self.value


@dataclass(frozen=True, slots=True)
class Row:
    """`value` None: it could not be measured, `note` says why."""

    what: str
    value: float | None
    unit: str
    target: Target | None = None
    note: str = ""

    def cells(self) -> tuple[str, str, str, str, str]:
        measured = "-" if self.value is None else f"{shown(self.value)} {self.unit}"
        if self.target is None:
            return self.what, measured, "", "", self.note
        wanted = f"{KINDS[self.target.kind]}{shown(self.target.value)} {self.unit}"
        if self.value is None:
            return self.what, measured, wanted, "", self.note
        return (
            self.what,
            measured,
            wanted,
            "yes" if self.target.met(self.value) else "no",
            self.note,
        )


def shown(value: float) -> str:
    """Three digits that count, and no more."""
    if value >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def lines(rows: Sequence[Row]) -> list[str]:
    head = ("what", "measured", "target", "met", "note")
    cells = [head, *(row.cells() for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def machine() -> str:
    """One line: processor, cores that this process may use, memory, kernel, Python, load."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return (
        f"{processor()}, {cores} cores, {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {load:.1f} before"
    )


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
