"""The part of Handlebars that tag lines use (https://handlebarsjs.com/guide/expressions.html).

`{{name}}`, `{{{name}}}`, `{{date 'FORMAT' tz='ZONE'}}`, comments, `{{#if}}` and `{{#unless}}`.
Compiling is linear in the text; rendering is a walk over the nodes. `{{name}}` escapes HTML as
Handlebars does: a branch `a&b` is `a&amp;b` before the tag is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Literal

from bot.core import tags_dates
from bot.core.expressions import Expression
from bot.core.mistakes import nearest
from bot.core.tags_faults import Fault
from bot.core.tags_templates import (
    DATES,
    INSERTS,
    Choice,
    Date,
    Node,
    Template,
    Variable,
    joined,
    plain_template,
)

DEPTH = 16
"""How deep blocks nest at most."""


def compile_template(
    text: str,
    known: Iterable[str],
    elsewhere: Iterable[str] = (),
    inserts: tuple[Expression, ...] = (),
) -> Template | Fault:
    """The text as a template over the `known` names.

    A name that is only known `elsewhere` gives nothing, as with Handlebars; any other is a fault.
    """
    try:
        return _Compiler(text, frozenset(known), frozenset(elsewhere), inserts).whole()
    except _Stop as stop:
        return stop.fault


class _Stop(Exception):
    def __init__(self, offset: int, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.fault = Fault(offset, message, hint)


_ID = r"[^\s!\"#%&'()*+,./;<=>@\[\\\]^`{|}~]+"
_OPEN = re.compile(r"\{\{(?:(?P<bare>\{)|~?(?P<sign>[#/^>&*!{]?))(?P<dashes>(?<=!)--)?")
_PIECE = re.compile(
    rf"\s*(?:(?P<close>~?\}}\}}\}}?)|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    rf"|(?P<path>(?:this\.|\./)?{_ID})(?P<is>=)?)"
)


@dataclass(slots=True)
class _Block:
    kind: Literal["if", "unless"]
    name: str
    offset: int
    filled: list[Node]
    otherwise: list[Node] | None = None


@dataclass(frozen=True, slots=True)
class _Mustache:
    sign: str
    words: tuple[tuple[str, str, int], ...]
    """Kind (`text` or `path`), value, offset."""
    named: tuple[tuple[str, str, str, int], ...]
    """Key, kind, value, offset."""
    strip_left: bool
    strip_right: bool
    end: int


class _Compiler:
    def __init__(
        self,
        text: str,
        known: frozenset[str],
        elsewhere: frozenset[str],
        inserts: tuple[Expression, ...],
    ) -> None:
        self.text = text
        self.known = known
        self.elsewhere = elsewhere
        self.inserts = inserts
        self.ignored: list[str] = []
        self.nodes: list[Node] = []
        self.blocks: list[_Block] = []
        self.strip = False

    def whole(self) -> Template:
        offset = 0
        while (start := self.text.find("{{", offset)) >= 0:
            before = self.text[offset:start]
            if before.endswith("\\") and not before.endswith("\\\\"):
                following = self.text.find("{{", start + 2)
                end = following if following >= 0 else len(self.text)
                self.literal(before[:-1] + self.text[start:end])
                offset = end
                continue
            if before.endswith("\\\\"):
                before = before[:-1]
            offset = self.mustache(before, start)
        self.literal(self.text[offset:])
        if self.blocks:
            block = self.blocks[-1]
            raise _Stop(block.offset, f"`{{{{#{block.kind}}}}}` has no `{{{{/{block.kind}}}}}`")
        return Template(joined(self.nodes), tuple(self.ignored))

    def into(self) -> list[Node]:
        if not self.blocks:
            return self.nodes
        block = self.blocks[-1]
        return block.filled if block.otherwise is None else block.otherwise

    def literal(self, text: str, strip_right: bool = False) -> None:
        if self.strip:
            text = text.lstrip()
        if strip_right:
            text = text.rstrip()
        self.into().extend(plain_template(text, self.inserts).nodes)
        self.strip = False

    def mustache(self, before: str, start: int) -> int:
        found = _OPEN.match(self.text, start)
        sign = (found["bare"] or found["sign"]) if found else ""
        if found and sign == "!":
            strip_left = self.text.startswith("{{~", start)
            self.literal(before, strip_right=strip_left)
            mark = "--" if found["dashes"] else ""
            end = self.text.find(f"{mark}}}}}", found.end())
            if end < 0:
                raise _Stop(start, "the comment has no end")
            return end + len(mark) + 2
        if found is None or sign in (">", "*") or self.text.startswith("{{{{", start):
            raise _Stop(start, f"`{self.text[start : start + 4]}` is not supported in a tag line")
        part = self.inside(start, found.end(), sign)
        self.literal(before, strip_right=part.strip_left)
        self.strip = part.strip_right
        self.put(part, start)
        return part.end

    def inside(self, start: int, offset: int, sign: str) -> _Mustache:
        words: list[tuple[str, str, int]] = []
        named: list[tuple[str, str, str, int]] = []
        key = ""
        while True:
            found = _PIECE.match(self.text, offset)
            if found is None:
                raise _Stop(
                    start, "the `{{` has no matching `}}`, or holds what is no name or text"
                )
            offset = found.end()
            close = found["close"] or ""
            if close:
                break
            kind = "text" if found["text"] else "path"
            value = str(found[kind])
            if kind == "text":
                value = value[1:-1].replace(f"\\{value[0]}", value[0])
            if any(ord(char) in INSERTS for char in value):
                raise _Stop(found.start(kind), "`${{ }}` can not stand inside `{{ }}`")
            if key:
                named.append((key, kind, value, found.start(kind)))
                key = ""
            elif found["is"]:
                key = value
            else:
                words.append((kind, value, found.start(kind)))
        triple = close.endswith("}}}")
        if triple and sign != "{":
            close, offset = close[:-1], offset - 1
        if key or (sign == "{" and not triple):
            raise _Stop(start, "the `{{` has no matching `}}`")
        left = self.text.startswith("{{~", start)
        return _Mustache(sign, tuple(words), tuple(named), left, close[0] == "~", offset)

    def put(self, part: _Mustache, start: int) -> None:
        first = part.words[0][1] if part.words else ""
        if part.sign == "#":
            self.open_block(part, start)
        elif part.sign == "/":
            if not self.blocks or first != self.blocks[-1].kind:
                raise _Stop(start, f"`{{{{/{first[:40]}}}}}` closes nothing")
            block = self.blocks.pop()
            filled, other = joined(block.filled), joined(block.otherwise or [])
            swap = block.kind == "unless"
            self.into().append(
                Choice(block.name, other if swap else filled, filled if swap else other)
            )
        elif (part.sign == "^" and not first) or (first == "else" and not part.sign):
            if not self.blocks or self.blocks[-1].otherwise is not None or len(part.words) > 1:
                raise _Stop(start, "this `{{else}}` belongs to no `{{#if}}`")
            self.blocks[-1].otherwise = []
        elif part.sign == "^" or not part.words:
            raise _Stop(start, "a name is expected between `{{` and `}}`")
        else:
            node = self.value(part, escape=part.sign == "")
            if node is not None:
                self.into().append(node)

    def open_block(self, part: _Mustache, start: int) -> None:
        kind = part.words[0][1] if part.words else ""
        if kind not in ("if", "unless") or len(part.words) != 2 or part.named:
            raise _Stop(start, "of the blocks there are `{{#if name}}` and `{{#unless name}}`")
        if len(self.blocks) >= DEPTH:
            raise _Stop(start, f"blocks nest at most {DEPTH} deep")
        name, offset = self.name(part.words[1]), part.words[1][2]
        if name.startswith("is_"):
            raise _Stop(
                offset,
                f"`{{{{#if {name}}}}}` would always hold: its value is the text true or false",
                f"write enable={{{{{name}}}}}",
            )
        if name in DATES:
            raise _Stop(offset, f"`{name}` is no condition")
        self.blocks.append(_Block("if" if kind == "if" else "unless", name, start, []))

    def name(self, word: tuple[str, str, int]) -> str:
        kind, value, offset = word
        name = value.removeprefix("this.").removeprefix("./")
        if kind == "text" or (name not in self.known and name not in self.elsewhere):
            hint = nearest(name, self.known) or f"there are {', '.join(sorted(self.known))}"
            raise _Stop(offset, f"`{name[:80]}` is not known here", hint)
        if name not in self.known:
            self.ignored.append(name)
        return name

    def value(self, part: _Mustache, escape: bool) -> Node | None:
        name = self.name(part.words[0])
        if name not in self.known:
            return None
        if name in DATES:
            return self.date(part, Date(name, None, UTC, escape))
        if len(part.words) > 1 or part.named:
            raise _Stop(part.words[0][2], f"`{name}` takes nothing after its name")
        return Variable(name, escape)

    def date(self, part: _Mustache, date: Date) -> Date:
        if len(part.words) != 2:
            example = f"write {{{{{date.name} 'YYYYMMDD'}}}}"
            raise _Stop(part.words[0][2], f"`{date.name}` takes one format in quotes", example)
        kind, value, _ = part.words[1]
        where: tzinfo = UTC
        for key, of, name, offset in part.named:
            if key != "tz" or of != "text":
                raise _Stop(offset, f"`{date.name}` knows tz='Area/City' and no `{key[:40]}`")
            known = tags_dates.zone(name)
            if known is None:
                hint = nearest(name, tags_dates.zones())
                raise _Stop(offset, f"the time zone `{name[:64]}` is not known", hint)
            where = known
        # A format without quotes is a variable that does not exist: moment then writes ISO 8601.
        return replace(date, pattern=value if kind == "text" else None, zone=where)
