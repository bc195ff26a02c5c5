"""What a value of a config file may look like: one description reads, explains and publishes it.

A form reads a node into a value, says in `words` what it wants (the reference table), and gives its
JSON Schema. The tables of keys are `bot.core.repokeys` and `bot.core.centralkeys`; parser, schema
and reference come from the same table and can not drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar, cast

from bot.core import yamltree
from bot.core.fieldtext import Problem
from bot.core.mistakes import Mark, Notes, nearest, show
from bot.core.yamltree import Entry, Node, Scalar, ScalarKind

T = TypeVar("T")
U = TypeVar("U")
Out_co = TypeVar("Out_co", covariant=True)
Schema = dict[str, object]


class Form(Protocol[Out_co]):
    @property
    def words(self) -> str: ...

    def read(self, node: Node, notes: Notes) -> Out_co | None:
        """The value, after mistakes were noted what is left of it, or None."""

    def schema(self) -> Schema: ...


def _shape(node: Node) -> str:
    match node:
        case yamltree.Sequence():
            return "a list"
        case yamltree.Mapping():
            return "a mapping"
        case Scalar(kind="null"):
            return "nothing"
        case Scalar():
            return show(node.text)


def _unexpected(node: Node, words: str, notes: Notes, hint: str | None = None) -> None:
    notes.wrong(node.mark, f"expected {words}, not {_shape(node)}", hint)


def _quoted(node: Node, wanted: Callable[[str], bool]) -> str | None:
    """The hint for a value that would do without its quotes."""
    text = isinstance(node, Scalar) and node.kind == "text" and wanted(node.text)
    return "write it without quotes" if text else None


TEXT_ONLY: frozenset[ScalarKind] = frozenset({"text"})
NUMBERS: frozenset[ScalarKind] = frozenset({"text", "int", "float"})
ANY_SCALAR: frozenset[ScalarKind] = frozenset({"text", "int", "float", "bool"})
_JSON_TYPES: dict[ScalarKind, str] = {"text": "string", "int": "integer", "float": "number",
                                      "bool": "boolean"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Text(Generic[T]):
    """One value that `convert` takes; numbers where allowed stay as they were typed (`1.10`)."""

    words: str
    convert: Callable[[str], T | Problem]
    kinds: frozenset[ScalarKind] = TEXT_ONLY
    pattern: str | None = None
    told: bool = True
    """False where people put secrets by mistake: then a message does not repeat the value."""

    def read(self, node: Node, notes: Notes) -> T | None:
        if not isinstance(node, Scalar) or node.kind == "null":
            _unexpected(node, self.words, notes)
            return None
        if node.kind not in self.kinds:
            quoted = not isinstance(self.convert(node.text), Problem)
            hint = "put it in quotes" if quoted else None
            notes.wrong(node.mark, f"expected {self.words}, not {show(node.text)}", hint)
            return None
        value = self.convert(node.text)
        if isinstance(value, Problem):
            what = f"{show(node.text)}: " if self.told and node.text else ""
            notes.wrong(node.mark, f"{what}{value.message}", value.hint)
            return None
        return value

    def schema(self) -> Schema:
        types = sorted(_JSON_TYPES[kind] for kind in self.kinds)
        schema: Schema = {"type": types[0] if len(types) == 1 else types}
        return schema | ({"pattern": f"^(?:{self.pattern})$"} if self.pattern else {})


@dataclass(frozen=True, slots=True)
class Flag:
    words: str = "true or false"

    def read(self, node: Node, notes: Notes) -> bool | None:
        if isinstance(node, Scalar) and node.kind == "bool":
            return node.text.lower() == "true"
        _unexpected(node, self.words, notes, _quoted(node, ("true", "false").__contains__))
        return None

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer between two bounds, both included."""

    lowest: int
    highest: int

    @property
    def words(self) -> str:
        if self.lowest == self.highest:
            return str(self.lowest)
        return f"a whole number, {self.lowest} to {self.highest}"

    def read(self, node: Node, notes: Notes) -> int | None:
        if isinstance(node, Scalar) and node.kind == "int" and node.text.isdigit():
            short = len(node.text.lstrip("0")) < 20
            if short and self.lowest <= int(node.text) <= self.highest:
                return int(node.text)
        _unexpected(node, self.words, notes, _quoted(node, str.isdigit))
        return None

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.lowest, "maximum": self.highest}


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """One of a few words. `later` are words of other tools that we do not know yet; `otherwise`
    says what to do where no word is near."""

    values: tuple[T, ...]
    later: tuple[str, ...] = ()
    renamed: Mapping[str, str] | None = None
    otherwise: str | None = None

    @property
    def words(self) -> str:
        return ", ".join(f"`{value}`" for value in self.values)

    def read(self, node: Node, notes: Notes) -> T | None:
        if not isinstance(node, Scalar) or node.kind == "null":
            _unexpected(node, f"one of {self.words}", notes)
            return None
        for value in self.values:
            if value == node.text:
                return value
        if node.text in self.later:
            notes.wrong(node.mark, f"{show(node.text)} is not supported yet")
            return None
        ours = (self.renamed or {}).get(node.text)
        near = nearest(node.text, map(str, self.values)) or self.otherwise
        hint = f"here it is {ours}" if ours else near
        notes.wrong(node.mark, f"expected one of {self.words}, not {show(node.text)}", hint)
        return None

    def schema(self) -> Schema:
        return {"enum": list(self.values)}


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list with at least one item; `alone`: one item needs no list.

    No item stands in a list of up to 100 twice; longer ones are not searched.
    """

    item: Form[T]
    alone: bool = False
    most: int = 100

    @property
    def words(self) -> str:
        return f"list of {self.item.words}"

    def read(self, node: Node, notes: Notes) -> tuple[T, ...] | None:
        if self.alone and not isinstance(node, yamltree.Sequence):
            one = self.item.read(node, notes)
            return None if one is None else (one,)
        if not isinstance(node, yamltree.Sequence):
            _unexpected(node, f"a {self.words}", notes)
            return None
        if not node.items or len(node.items) > self.most:
            notes.wrong(node.mark, f"expected 1 to {self.most} items, not {len(node.items)}")
            return None
        found: list[T] = []
        for item in node.items:
            value = self.item.read(item, notes)
            if value is not None and self.most <= 100 and value in found:
                notes.wrong(item.mark, f"{_shape(item)} stands in the list twice")
            elif value is not None:
                found.append(value)
        return tuple(found)

    def schema(self) -> Schema:
        items = self.item.schema()
        several: Schema = {"type": "array", "items": items, "minItems": 1, "maxItems": self.most}
        return {"anyOf": [several, items]} if self.alone else several


@dataclass(frozen=True, slots=True)
class Named(Generic[T]):
    """A mapping whose keys are names that people choose."""

    key: Text[str]
    value: Form[T]
    most: int = 100
    least: int = 0

    @property
    def words(self) -> str:
        return f"mapping of {self.key.words} to {self.value.words}"

    def read(self, node: Node, notes: Notes) -> dict[str, T] | None:
        if not isinstance(node, yamltree.Mapping):
            _unexpected(node, f"a {self.words}", notes)
            return None
        if len(node.entries) > self.most:
            notes.wrong(node.mark, f"at most {self.most} names, not {len(node.entries)}")
            return None
        found: dict[str, T] = {}
        for entry in node.entries:
            name = self.key.read(Scalar(entry.key, "text", entry.mark, entry.mark), notes)
            value = self.value.read(entry.value, notes)
            if isinstance(value, Fields):  # its place is its name's, one line above the first key
                value = cast("T", replace(value, mark=entry.mark))
            if value is not None:
                found[entry.key if name is None else name] = value
        return found

    def schema(self) -> Schema:
        names: Schema = {"pattern": f"^(?:{self.key.pattern})$"} if self.key.pattern else {}
        schema: Schema = {"type": "object", "additionalProperties": self.value.schema()}
        schema |= {"minProperties": self.least, "maxProperties": self.most}
        return schema | ({"propertyNames": names} if names else {})


@dataclass(frozen=True, slots=True)
class Key(Generic[Out_co]):
    """One key of a mapping. `default` is for people; "" where the key must be there."""

    name: str
    form: Form[Out_co]
    about: str
    default: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Fields:
    """What a mapping held, by key; ask with the same `Key` that stands in its table."""

    values: Mapping[str, object]
    marks: Mapping[str, Mark]
    mark: Mark

    def get(self, key: Key[T]) -> T | None:
        return cast("T | None", self.values.get(key.name))

    def has(self, key: Key[T]) -> bool:
        """Whether the key was written, with a mistake or without."""
        return key.name in self.marks

    def place(self, key: Key[T]) -> Mark:
        return self.marks.get(key.name, self.mark)

    def over(self, below: Fields, merged: Iterable[Key[dict[str, str]]]) -> Fields:
        """These fields laid over defaults: `merged` keys name by name, all others as a whole."""
        values = {**below.values, **self.values}
        for key in merged:
            under, own = below.get(key), self.get(key)
            values[key.name] = {**(under or {}), **(own or {})}
        return Fields(values, {**below.marks, **self.marks}, self.mark)


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with keys of ours. `later` come one day; `renamed` are other tools' names."""

    title: str
    keys: tuple[Key[object], ...]
    later: frozenset[str] = frozenset()
    renamed: Mapping[str, str] | None = None

    @property
    def words(self) -> str:
        return "mapping"

    def read(self, node: Node, notes: Notes) -> Fields | None:
        if not isinstance(node, yamltree.Mapping):
            _unexpected(node, "a mapping", notes)
            return None
        known = {key.name: key for key in self.keys}
        values: dict[str, object] = {}
        marks: dict[str, Mark] = {}
        for entry in node.entries:
            key = known.get(entry.key)
            if key is None:
                self._unknown(entry, notes)
                continue
            marks[key.name] = entry.mark
            value = key.form.read(entry.value, notes)
            if value is not None:
                values[key.name] = value
        for key in self.keys:
            if key.required and key.name not in marks:
                notes.wrong(node.mark, f"`{key.name}` is missing")
        return Fields(values, marks, node.mark)

    def _unknown(self, entry: Entry, notes: Notes) -> None:
        name = show(entry.key)
        ours = (self.renamed or {}).get(entry.key)
        if ours is not None:
            notes.wrong(entry.mark, f"unknown key {name}", ours)
        elif entry.key in self.later:
            notes.wrong(entry.mark, f"{name} is not supported yet")
        else:
            hint = None if notes.full else nearest(entry.key, (key.name for key in self.keys))
            notes.wrong(entry.mark, f"unknown key {name}", hint)

    def schema(self) -> Schema:
        properties = {
            key.name: key.form.schema() | {"description": key.about.replace("`", "")}
            for key in self.keys
        }
        schema: Schema = {"type": "object", "properties": properties}
        required = [key.name for key in self.keys if key.required]
        schema |= {"additionalProperties": False}
        return schema | ({"required": required} if required else {})


@dataclass(frozen=True, slots=True)
class ByShape(Generic[T]):
    """Different forms for a single value, a list, a mapping, and for nothing at all."""

    words: str
    scalar: Form[T] | None = None
    sequence: Form[T] | None = None
    mapping: Form[T] | None = None
    nothing: Callable[[Mark], T] | None = None

    def read(self, node: Node, notes: Notes) -> T | None:
        if isinstance(node, Scalar) and node.kind == "null" and self.nothing is not None:
            return self.nothing(node.mark)
        form: Form[T] | None
        match node:
            case Scalar():
                form = self.scalar if node.kind != "null" else None
            case yamltree.Sequence():
                form = self.sequence
            case yamltree.Mapping():
                form = self.mapping
        if form is None:
            _unexpected(node, self.words, notes)
            return None
        return form.read(node, notes)

    def schema(self) -> Schema:
        forms = [form for form in (self.scalar, self.sequence, self.mapping) if form is not None]
        some: list[Schema] = [form.schema() for form in forms]
        some += [{"type": "null"}] if self.nothing is not None else []
        return some[0] if len(some) == 1 else {"anyOf": some}


@dataclass(frozen=True, slots=True)
class Turned(Generic[T, U]):
    """A form whose value is turned into another one; `turn` may note mistakes of its own."""

    form: Form[T]
    turn: Callable[[T, Mark, Notes], U | None]
    said: str = ""

    @property
    def words(self) -> str:
        return self.said or self.form.words

    def read(self, node: Node, notes: Notes) -> U | None:
        value = self.form.read(node, notes)
        return None if value is None else self.turn(value, node.mark, notes)

    def schema(self) -> Schema:
        return self.form.schema()
