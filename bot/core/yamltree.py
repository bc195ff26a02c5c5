"""YAML with places: bytes become a tree of frozen nodes that know their line and column.

The tree is built from the parser's events on a stack of our own, so that no nesting reaches the C
stack, and aliases are counted as what they would grow to before anything is copied. Plain scalars
follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): `on`, `yes` and
`1.10` stay what was typed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

import yaml

from bot.core.mistakes import Mark, Notes, show

ScalarKind = Literal["text", "int", "float", "bool", "null"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value, `text` as it was typed (quotes and escapes undone)."""

    text: str
    kind: ScalarKind
    mark: Mark
    start: Mark
    """Where the text itself begins: behind the quote, in the first line of a block."""
    block: bool = False
    """A literal block (`|`), whose lines are lines of the file."""


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Entry:
    key: str
    mark: Mark
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    entries: tuple[Entry, ...]
    mark: Mark


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of the file, levels of nesting, and nodes once every alias is written out."""

    size: int
    depth: int = 32
    nodes: int = 20_000


REPOSITORY_LIMITS = Limits(size=64 * 1024)
CENTRAL_LIMITS = Limits(size=1024 * 1024, nodes=200_000)

_NULL = re.compile(r"(?:~|null|Null|NULL|)")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
    # C1 controls hold NEL; like U+2028 and U+2029 it breaks lines for YAML 1.1 and for no editor.
)


class _Unreadable(Exception):
    """The rest of the file can not be read; the mistake is noted already."""


def read_tree(data: bytes, notes: Notes, limits: Limits) -> Node | None:
    """The document's root. None where it is empty or beyond reading; mistakes go to `notes`.

    A root may come back beside mistakes, so that those of the content are found in the same run.
    """
    text = _text(data, notes, limits)
    if text is None:
        return None
    builder = _Builder(text.splitlines(), notes, limits)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except _Unreadable:
        return None
    except yaml.MarkedYAMLError as error:
        _syntax(error, builder.lines, notes)
        return None
    except yaml.YAMLError as error:
        notes.wrong(Mark(1, 1), f"this is not YAML: {error}")
        return None
    notes.seal()
    return builder.root


def _text(data: bytes, notes: Notes, limits: Limits) -> str | None:
    if len(data) > limits.size:
        message = f"the file has {len(data)} bytes; at most {limits.size} are read"
        notes.wrong(Mark(1, 1), message)
        return None
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        hint = "save it as UTF-8 without a byte order mark"
        notes.wrong(Mark(1, 1), "the file begins with a byte order mark", hint)
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        mark = _mark_at(data[: error.start].decode(errors="replace"))
        byte = data[error.start]
        notes.wrong(mark, f"byte 0x{byte:02x} is not UTF-8", "save the file as UTF-8")
        return None
    if bad := _FORBIDDEN.search(text):
        code = ord(bad.group())
        notes.wrong(_mark_at(text[: bad.start()]), f"character U+{code:04X} is not allowed")
        return None
    return text


def _mark_at(before: str) -> Mark:
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Mark(len(lines), len(lines[-1]) + 1)


def _syntax(error: yaml.MarkedYAMLError, lines: list[str], notes: Notes) -> None:
    """libyaml's words, and what people mostly did where it says them."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        notes.wrong(Mark(1, 1), f"this is not YAML: {error.problem}")
        return
    line = lines[mark.line] if mark.line < len(lines) else ""
    rest = line[mark.column :]
    what = error.problem or "it can not be read"
    hint = None
    if rest.startswith("\t") or line[: mark.column].endswith("\t"):
        what, hint = "a tab stands where only spaces may", "indent with spaces"
    elif "alias" in (error.context or "") or rest.startswith("*"):
        hint = "put a value that begins with * in quotes"
    elif "mapping values are not allowed" in what:
        hint = "put a value with a colon and a space in quotes, and check the indentation"
    elif rest[:1] in ("@", "`", "%") and mark.column:
        hint = f"put a value that begins with {rest[0]} in quotes"
    elif "{{" in line:
        hint = "put a value with {{ }} in quotes"
    elif "flow" in (error.context or "") and error.context_mark is not None:
        hint = f"what was opened in line {error.context_mark.line + 1} is not closed"
    notes.wrong(Mark(mark.line + 1, mark.column + 1), f"this is not YAML: {what}", hint)


@dataclass(slots=True)
class _Open:
    """A sequence or mapping whose end was not seen yet."""

    mapping: bool
    mark: Mark
    anchor: str | None
    items: list[Node] = field(default_factory=list)
    size: int = 1
    height: int = 1


@dataclass(frozen=True, slots=True)
class _Anchored:
    node: Node
    size: int
    height: int


class _Builder:
    """Takes events, keeps the open nodes on a stack and counts what aliases stand for."""

    def __init__(self, lines: list[str], notes: Notes, limits: Limits) -> None:
        self.lines = lines
        self.root: Node | None = None
        self._notes = notes
        self._limits = limits
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Anchored] = {}
        self._total = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        start = event.start_mark
        mark = Mark(start.line + 1, start.column + 1) if start else Mark(1, 1)
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._stop(mark, "a second document begins here; the file is one document")
            case yaml.ScalarEvent():
                self._refuse_tag(event.tag, mark)
                self._add(self._scalar(event, mark), 1, 0, event.anchor)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._refuse_tag(event.tag, mark)
                mapping = isinstance(event, yaml.MappingStartEvent)
                self._stack.append(_Open(mapping, mark, event.anchor))
                self._check_depth(len(self._stack), mark)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                done = self._stack.pop()
                node = self._mapping(done) if done.mapping else Sequence((*done.items,), done.mark)
                self._add(node, done.size, done.height, done.anchor)
            case yaml.AliasEvent():
                self._alias(str(event.anchor), mark)
            case _:
                pass

    def _stop(self, mark: Mark, message: str, hint: str | None = None) -> None:
        self._notes.wrong(mark, message, hint)
        raise _Unreadable

    def _check_depth(self, depth: int, mark: Mark) -> None:
        if depth > self._limits.depth:
            self._stop(mark, f"nested deeper than {self._limits.depth} levels")

    def _refuse_tag(self, tag: str | None, mark: Mark) -> None:
        if tag is not None:
            hint = "put a value that begins with ! in quotes"
            self._notes.wrong(mark, f"the YAML tag {show(tag)} is not allowed", hint)

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> Scalar:
        text = event.value
        kind = _kind(text) if not event.style else "text"
        if event.style == "|":
            return Scalar(text, kind, mark, self._block(text, mark), block=True)
        inside = Mark(mark.line, mark.column + 1) if event.style in ("'", '"') else mark
        return Scalar(text, kind, mark, inside)

    def _block(self, text: str, mark: Mark) -> Mark:
        """Where a literal block begins: its indentation is what the source has and the text not."""
        for offset, content in enumerate(text.split("\n")):
            number = mark.line + offset
            if content and number < len(self.lines):
                return Mark(mark.line + 1, len(self.lines[number]) - len(content) + 1)
        return mark

    def _alias(self, name: str, mark: Mark) -> None:
        if any(one.anchor == name for one in self._stack):
            self._stop(mark, f"*{name} stands inside of what it refers to")
        target = self._anchors.get(name)
        if target is None:
            hint = "put a value that begins with * in quotes"
            self._notes.wrong(mark, f"nothing above is named &{name}", hint)
            self._add(Scalar("", "null", mark, mark), 1, 0, None)
            return
        self._check_depth(len(self._stack) + target.height, mark)
        self._add(target.node, target.size, target.height, None)

    def _add(self, node: Node, size: int, height: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = _Anchored(node, size, height)
        self._total = size if not self._stack else self._stack[-1].size + size
        if self._total > self._limits.nodes:
            self._stop(
                node.mark, f"more than {self._limits.nodes} values, with every alias written out"
            )
        if not self._stack:
            self.root = None if isinstance(node, Scalar) and node.kind == "null" else node
            return
        top = self._stack[-1]
        top.items.append(node)
        top.size += size
        top.height = max(top.height, height + 1)

    def _mapping(self, done: _Open) -> Mapping:
        entries: dict[str, Entry] = {}
        for key, value in zip(done.items[::2], done.items[1::2], strict=True):
            if not isinstance(key, Scalar):
                hint = "put a value with {{ }} in quotes"
                self._notes.wrong(done.mark, "a list or mapping can not be a key", hint)
                continue
            if key.kind != "text":
                hint = "put the key in quotes"
                self._notes.wrong(key.mark, f"a key must be text, not {show(key.text)}", hint)
                continue
            if key.text == "<<":
                hint = "`defaults` holds what images share; an alias can stand for a whole value"
                self._notes.wrong(key.mark, "merge keys are not supported", hint)
                continue
            if first := entries.get(key.text):
                message = f"{show(key.text)} is given twice, first in line {first.mark.line}"
                self._notes.wrong(key.mark, message)
                continue
            entries[key.text] = Entry(key.text, key.mark, value)
        return Mapping((*entries.values(),), done.mark)


def _kind(text: str) -> ScalarKind:
    if _NULL.fullmatch(text):
        return "null"
    if _BOOL.fullmatch(text):
        return "bool"
    if _INT.fullmatch(text):
        return "int"
    if _FLOAT.fullmatch(text):
        return "float"
    return "text"
