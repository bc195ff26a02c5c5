"""Values with `{{ }}` and `${{ … }}` inside: checked where the file is read, at their column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.core import fieldtext
from bot.core.fieldtext import Problem
from bot.core.forms import ANY_SCALAR, Schema, Text
from bot.core.mistakes import Mark, Notes
from bot.core.tags import parse_value
from bot.core.tags_faults import Fault
from bot.core.yamltree import Node, Scalar


@dataclass(frozen=True, slots=True)
class Templated:
    """A text that `bot.core.tags.fill` fills in for each event. It is kept as written."""

    words: str = "text"
    convert: Callable[[str], str | Problem] = fieldtext.value

    def read(self, node: Node, notes: Notes) -> str | None:
        text = self._text().read(node, notes)
        if text is None or not isinstance(node, Scalar):
            return None
        fault = parse_value(text)
        if not isinstance(fault, Fault):
            return text
        place = Mark(node.start.line, node.start.column + fault.offset)
        notes.wrong(place, fault.message, fault.hint)
        return None

    def schema(self) -> Schema:
        return self._text().schema()

    def _text(self) -> Text[str]:
        return Text(self.words, self.convert, ANY_SCALAR)
