"""The corpus of comment shapes: `tests/payloads/comments.txt`, a table of text and what it means.

A shape begins with `=== title` and its comment, escapes (`\\r`, `\\t`, `\\u202e`, `\\\\`) read as
Python reads them. After `---` come the expected lines, one for each command in order
(`do build api --no-cache`: name, images, options as JSON where there are any) and one for each
refusal (`no` and a part of the reason). No line: nothing was meant for the bot. `=== commit: title`
stands on a commit, `=== bare off: title` at a source where bare words belong to others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.core.commands import Command, Orders, Place, Refusal
from bot.core.commands_parsing import Manners, read_comment

FILE = Path(__file__).parents[1] / "payloads" / "comments.txt"
IMAGES = ("api", "web", "api-docs")


@dataclass(frozen=True)
class Shape:
    title: str
    comment: str
    place: Place
    manners: Manners
    expected: tuple[str, ...]

    def read(self) -> Orders:
        return read_comment(self.comment, self.place, self.manners, IMAGES)


def shapes() -> Iterator[Shape]:
    for block in FILE.read_text("utf-8").split("\n=== ")[1:]:
        title, _, rest = block.partition("\n")
        comment, _, expected = rest.rpartition("\n---") if "\n---" in rest else ("", "", rest)
        if rest.startswith("---"):
            comment, expected = "", rest[3:]
        yield Shape(
            title,
            _unescaped(comment),
            Place.COMMIT if title.startswith("commit: ") else Place.REQUEST,
            Manners(bare=not title.startswith("bare off: "), names=frozenset({"pushwright"})),
            tuple(line for line in expected.splitlines() if line.strip()),
        )


def _unescaped(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        return found[0].encode("ascii").decode("unicode_escape")

    return re.sub(r"\\(?:[rt\\]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})", one, text)


def told(orders: Orders) -> tuple[str, ...]:
    """The orders in the words of the table, reasons whole."""
    return tuple(map(_do, orders.commands)) + tuple(map(_no, orders.refused))


def _do(command: Command) -> str:
    options = json.dumps(dict(command.options), sort_keys=True) if command.options else ""
    return " ".join(part for part in ("do", command.name, *command.images, options) if part)


def _no(refusal: Refusal) -> str:
    return f"no {refusal.why}"


def as_expected(orders: Orders, expected: tuple[str, ...]) -> bool:
    got = told(orders)
    return len(got) == len(expected) and all(
        mine == line if line.startswith("do ") else line.removeprefix("no ") in mine
        for mine, line in zip(got, expected, strict=True)
    )
