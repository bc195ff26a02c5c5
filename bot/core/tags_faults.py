"""What is wrong inside one entry of `tags`, `flavor` or `image`: values, never exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Field = Literal["tags", "flavor", "image"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault in a text. `offset` counts characters from 0 in that text."""

    offset: int
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class EntryMistake:
    """One thing to mend: `entry` is the index in its list (from 0), `column` counts from 1.

    Who knows the file adds its line: `file_column = entry.column + mistake.column - 1`.
    """

    entry: int
    column: int
    message: str
    hint: str | None = None
    field: Field = "tags"


def placed(fault: Fault, entry: int, field: Field) -> EntryMistake:
    """The fault of an entry's text as a mistake of that entry."""
    return said(entry, fault.message, fault.hint, field, fault.offset + 1)


def said(
    entry: int, message: str, hint: str | None = None, field: Field = "tags", column: int = 1
) -> EntryMistake:
    """A mistake whose words can be printed and stored whatever text they quote."""
    return EntryMistake(entry, column, _printable(message), hint and _printable(hint), field)


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
