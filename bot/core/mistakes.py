"""What is wrong with a file that a person wrote: said with its place, all at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing to mend. `line` and `column` count from 1; 0 where there is no place."""

    file: str
    line: int
    column: int
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else f"{self.file}: "
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{hint}"


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file, both counted from 1, columns in characters."""

    line: int
    column: int


def counted(number: int) -> str:
    return "1 mistake" if number == 1 else f"{number} mistakes"


MOST_SHOWN = 100


class Notes:
    """Collects what is wrong with one file while it is read; warnings do not fail it."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._mistakes: dict[Mistake, None] = {}
        self._warnings: dict[Mistake, None] = {}
        self._sealed: frozenset[Mark] = frozenset()

    def seal(self) -> None:
        """From here on a place that has a mistake gets no other: it would only repeat the first."""
        self._sealed = frozenset(Mark(one.line, one.column) for one in self._mistakes)

    def wrong(self, mark: Mark, message: str, hint: str | None = None) -> None:
        if mark in self._sealed:
            return
        self._mistakes[Mistake(self.file, mark.line, mark.column, message, hint)] = None

    def warn(self, mark: Mark, message: str, hint: str | None = None) -> None:
        self._warnings[Mistake(self.file, mark.line, mark.column, message, hint)] = None

    @property
    def full(self) -> bool:
        """Whether there is more than people are shown: then hints are not worth their time."""
        return len(self._mistakes) > 10 * MOST_SHOWN

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """In the order of the file; beyond the first hundred only their number."""
        found = in_order(self._mistakes)
        if len(found) <= MOST_SHOWN:
            return found
        last = found[MOST_SHOWN]
        more = f"{len(found) - MOST_SHOWN} more mistakes follow"
        return (*found[:MOST_SHOWN], Mistake(self.file, last.line, last.column, more))

    @property
    def warnings(self) -> tuple[Mistake, ...]:
        return in_order(self._warnings)[:MOST_SHOWN]


def in_order(mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    def place(one: Mistake) -> tuple[str, int, int, str, str]:
        return (one.file, one.line, one.column, one.message, one.hint or "")

    return tuple(sorted(mistakes, key=place))


def nearest(name: str, names: Iterable[str]) -> str | None:
    """A hint with the valid name that looks most like what was typed, where one does."""
    import difflib  # late: only mistakes need it, and `pushwright tags` has to start fast

    valid = {one.lower(): one for one in names}
    close = difflib.get_close_matches(name[:80].lower(), list(valid), n=1, cutoff=0.6)
    return f"did you mean {valid[close[0]]}?" if close else None


def show(text: str) -> str:
    """What somebody typed, for a message: quoted, on one line, printable, cut to 40 characters."""
    cut = text if len(text) <= 40 else f"{text[:39]}…"
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return f"`{safe}`"
