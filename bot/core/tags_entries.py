"""Entries as people write them: one line of CSV `key=value` each, in a list or a block of text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.core import expressions
from bot.core.expressions import Expression
from bot.core.tags_faults import Fault
from bot.core.tags_templates import INSERTS, Template, plain_template

ENTRY_LENGTH = 4096
ENTRIES = 50
"""Of one list: with every git tag of a repository asked for every line, more would be a load."""

_KEY = re.compile(r"[^=]+?=")


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of a block: its text and its place in the block, both from 0."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Attribute:
    """`key=value`, or a bare word (key None). Offsets are in the entry as written."""

    key: str | None
    value: str
    """`${{ … }}` stand in it as private characters, by their index in `Entry.expressions`."""
    key_offset: int
    value_offset: int
    compact_offset: int
    """Of the value in the compacted text."""

    @property
    def dynamic(self) -> bool:
        return any(ord(char) in INSERTS for char in self.value)


@dataclass(frozen=True, slots=True)
class Compact:
    """A text in which each `${{ … }}` is one private character, its index in `expressions`."""

    text: str
    expressions: tuple[Expression, ...]
    places: tuple[tuple[int, int], ...]
    """Of each expression: where it stands in the compacted text, and by how much it was longer."""

    def original(self, offset: int) -> int:
        """The offset in the text as written, for one in the compacted text."""
        return offset + sum(longer for at, longer in self.places if at < offset)


@dataclass(frozen=True, slots=True)
class Entry:
    attributes: tuple[Attribute, ...]
    compact: Compact

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return self.compact.expressions

    def original(self, offset: int) -> int:
        return self.compact.original(offset)

    def template(self, value: str) -> Template:
        """The value as it stands, with its `${{ … }}` and without any `{{ }}`."""
        return plain_template(value, self.expressions)


def lines_of(block: str) -> tuple[Line, ...]:
    """The entries of a block of text: no blank lines, no lines that begin with `#`."""
    found = []
    for number, line in enumerate(block.splitlines()):
        text = line.strip()
        if text and not text.startswith("#"):
            found.append(Line(text, number, len(line) - len(line.lstrip())))
    return tuple(found)


def parse_entry(text: str) -> Entry | Fault:
    """One entry in its attributes, quotes and expressions understood. Linear in its length."""
    if len(text) > ENTRY_LENGTH:
        return Fault(0, f"an entry has at most {ENTRY_LENGTH} characters")
    short = compact(text)
    if isinstance(short, Fault):
        return short
    fields = _fields(short.text)
    if isinstance(fields, Fault):
        return Fault(short.original(fields.offset), fields.message, fields.hint)
    return Entry(tuple(_attribute(value, at, short) for value, at in fields), short)


def compact(text: str) -> Compact | Fault:
    """One line with its expressions read."""
    for at, char in enumerate(text):
        if ord(char) in INSERTS or char in "\r\n\x00":
            return Fault(at, "this is one line of plain text")
    parts: list[str] = []
    found: list[Expression] = []
    places: list[tuple[int, int]] = []
    offset = length = 0
    while (start := text.find("${{", offset)) >= 0:
        result = expressions.parse(text, start + 3)
        if isinstance(result, Fault):
            return result
        if len(found) == len(INSERTS):
            return Fault(start, f"at most {len(INSERTS)} expressions stand in one line")
        parts += (text[offset:start], chr(INSERTS.start + len(found)))
        length += start - offset + 1
        places.append((length - 1, result.end - start - 1))
        found.append(result.expression)
        offset = result.end
    parts.append(text[offset:])
    return Compact("".join(parts), tuple(found), tuple(places))


def _fields(text: str) -> list[tuple[str, int]] | Fault:
    """RFC 4180 as csv-parse reads one record: a quote opens a field or is a fault."""
    fields: list[tuple[str, int]] = []
    offset = 0
    while True:
        if text.startswith('"', offset):
            end = _closing(text, offset + 1)
            if end < 0:
                return Fault(offset, "the quoted field has no end")
            fields.append((text[offset + 1 : end].replace('""', '"'), offset + 1))
            end += 1
            if end < len(text) and text[end] != ",":
                return Fault(end, "after a closing quote there is a comma or the end")
        else:
            end = text.find(",", offset)
            end = len(text) if end < 0 else end
            quote = text.find('"', offset, end)
            if quote >= 0:
                hint = 'put the whole field in quotes: "pattern=…"'
                return Fault(
                    quote, "a quote stands inside a field that did not begin with one", hint
                )
            fields.append((text[offset:end], offset))
        if end >= len(text):
            return fields
        offset = end + 1


def _closing(text: str, offset: int) -> int:
    while (quote := text.find('"', offset)) >= 0:
        if not text.startswith('"', quote + 1):
            return quote
        offset = quote + 2
    return -1


def _attribute(field: str, at: int, short: Compact) -> Attribute:
    found = _KEY.match(field)
    lead = len(field) - len(field.lstrip())
    if found is None:
        start = short.original(at + lead)
        return Attribute(None, field.strip(), start, start, at + lead)
    value = field[found.end() :]
    inside = at + found.end() + len(value) - len(value.lstrip())
    return Attribute(
        found[0][:-1].strip().lower(),
        value.strip(),
        short.original(at + lead),
        short.original(inside),
        inside,
    )
