"""Lines as docker/metadata-action takes them: a list, or a block of text with comments."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core import yamltree
from bot.core.forms import Schema
from bot.core.mistakes import Mark, Notes
from bot.core.repoconfig import TagEntry
from bot.core.yamltree import Node, Scalar

MOST_LINES = 200
LONGEST_LINE = 2000


@dataclass(frozen=True, slots=True)
class Lines:
    """Entries with their place. What they mean is read by `bot.core.tags`."""

    words: str = "lines, as a list or a block of text"

    def read(self, node: Node, notes: Notes) -> tuple[TagEntry, ...] | None:
        match node:
            case Scalar(kind="null") | yamltree.Mapping():
                notes.wrong(node.mark, f"expected {self.words}")
                return None
            case Scalar():
                entries = _split(node)
            case yamltree.Sequence():
                entries = []
                for item in node.items:
                    if not isinstance(item, Scalar) or item.kind == "null":
                        notes.wrong(item.mark, "expected one line of text")
                    else:
                        entries += _split(item)
        for entry in entries:
            if len(entry.text) > LONGEST_LINE or not entry.text.isprintable():
                mark = Mark(entry.line, entry.column)
                notes.wrong(mark, f"a line is printable, at most {LONGEST_LINE} characters")
        if isinstance(node, yamltree.Sequence) and node.items and not entries:
            return None
        if not entries or len(entries) > MOST_LINES:
            notes.wrong(node.mark, f"expected 1 to {MOST_LINES} lines, not {len(entries)}")
            return None
        return tuple(entries)

    def schema(self) -> Schema:
        text: Schema = {"type": "string"}
        return {"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]}


def _split(node: Scalar) -> list[TagEntry]:
    """One entry per line, in a block without the lines that are comments: as the action has it, a
    `#` further behind is part of the entry."""
    several = "\n" in node.text or node.block
    found = []
    for offset, line in enumerate(node.text.split("\n")):
        text = line.strip()
        if not text or (several and text.startswith("#")):
            continue
        column = node.start.column + (len(line) - len(line.lstrip()) if node.block else 0)
        number = node.start.line + offset if node.block else node.start.line
        found.append(TagEntry(text, number, column))
    return found
