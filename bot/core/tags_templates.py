"""Compiled texts: what `bot.core.handlebars` makes of a `{{ }}` text, and how it is rendered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Protocol

from bot.core import tags_dates
from bot.core.expressions import Expression

DATES = ("date", "commit_date")
INSERTS = range(0xE000, 0xE100)
"""Private characters that stand for `${{ … }}` expressions, by their index in the entry."""


class Scope(Protocol):
    """What a template may read."""

    def variable(self, name: str) -> str: ...

    def holds(self, name: str) -> bool:
        """What `{{#if name}}` asks: whether it is there and, where it is a number, not 0."""

    def moment(self, name: str) -> datetime: ...

    def inserted(self, expression: Expression) -> str: ...


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    escape: bool


@dataclass(frozen=True, slots=True)
class Date:
    name: str
    pattern: str | None
    zone: tzinfo
    escape: bool


@dataclass(frozen=True, slots=True)
class Insert:
    expression: Expression


@dataclass(frozen=True, slots=True)
class Choice:
    name: str
    filled: tuple[Node, ...]
    empty: tuple[Node, ...]


Node = str | Variable | Date | Insert | Choice


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text. `ignored` are names that mean nothing here and give nothing."""

    nodes: tuple[Node, ...]
    ignored: tuple[str, ...] = ()

    @property
    def constant(self) -> str | None:
        """The text where it depends on nothing, else None."""
        if not self.nodes:
            return ""
        only = self.nodes[0]
        return only if len(self.nodes) == 1 and isinstance(only, str) else None

    @property
    def is_raw(self) -> bool:
        """Whether it is `{{raw}}` and nothing else, which keeps pre-releases as written."""
        only = self.nodes[0] if len(self.nodes) == 1 else None
        return isinstance(only, Variable) and only.name == "raw"

    def render(self, scope: Scope) -> str:
        return _render(self.nodes, scope)


def plain_template(text: str, inserts: tuple[Expression, ...]) -> Template:
    """The text as it stands, without any `{{ }}`, but with its `${{ … }}`."""
    nodes: list[Node] = []
    plain = 0
    for at, char in enumerate(text):
        if ord(char) in INSERTS:
            nodes += (text[plain:at], Insert(inserts[ord(char) - INSERTS.start]))
            plain = at + 1
    nodes.append(text[plain:])
    return Template(joined(nodes))


def unescaped(template: Template) -> Template:
    """The same template without HTML's escapes, for values that are no tags."""
    return replace(template, nodes=tuple(_unescaped(node) for node in template.nodes))


def _unescaped(node: Node) -> Node:
    match node:
        case Variable() | Date():
            return replace(node, escape=False)
        case Choice(name, filled, empty):
            return Choice(name, tuple(map(_unescaped, filled)), tuple(map(_unescaped, empty)))
        case _:
            return node


def escape_html(text: str) -> str:
    return text.translate(_ESCAPES)


_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "'": "&#x27;",
        "`": "&#x60;",
        "=": "&#x3D;",
    }
)


def _render(nodes: tuple[Node, ...], scope: Scope) -> str:
    parts = []
    for node in nodes:
        match node:
            case str():
                parts.append(node)
            case Variable(name, escape):
                value = scope.variable(name)
                parts.append(escape_html(value) if escape else value)
            case Date(name, pattern, where, escape):
                value = tags_dates.write(scope.moment(name), pattern, where)
                parts.append(escape_html(value) if escape else value)
            case Insert(expression):
                parts.append(scope.inserted(expression))
            case Choice(name, filled, empty):
                parts.append(_render(filled if scope.holds(name) else empty, scope))
    return "".join(parts)


def joined(nodes: list[Node]) -> tuple[Node, ...]:
    whole: list[Node] = []
    for node in nodes:
        if isinstance(node, str) and whole and isinstance(whole[-1], str):
            whole[-1] += node
        elif node != "":
            whole.append(node)
    return tuple(whole)
