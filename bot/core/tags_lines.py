"""One entry of `tags` as a value, checked once: docker/metadata-action's types and attributes.

Facts: https://github.com/docker/metadata-action#tags-input.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from bot.core.handlebars import compile_template
from bot.core.mistakes import nearest
from bot.core.tags_entries import Attribute, Entry, parse_entry
from bot.core.tags_faults import Fault
from bot.core.tags_templates import DATES, Template

LineType = Literal["schedule", "semver", "pep440", "match", "edge", "ref", "raw", "sha"]
TYPES: tuple[LineType, ...] = get_args(LineType)

PRIORITIES: dict[LineType, int] = {
    "schedule": 1000,
    "semver": 900,
    "pep440": 900,
    "match": 800,
    "edge": 700,
    "ref": 600,
    "raw": 200,
    "sha": 100,
}
ATTRIBUTES = (
    "type enable priority prefix suffix pattern value match group branch event format".split()  # noqa: SIM905
)
GLOBALS = frozenset(
    {"branch", "tag", "sha", "base_ref", "is_default_branch", "is_not_default_branch", *DATES}
)
SEMVER = frozenset({"raw", "version", "major", "minor", "patch", "prerelease", "build"})
PEP440 = frozenset({"raw", "version", "major", "minor", "patch"})
VERSIONED: frozenset[LineType] = frozenset({"semver", "pep440", "match"})
EVERYWHERE = GLOBALS | SEMVER

_NUMBER = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?")
_SLASHED = re.compile(r"/(.+)/([a-z]*)")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression on RE2. `find` gives the groups of the first match, and its start;
    with the flag `g` all matches in place of the groups, as JavaScript does."""

    text: str
    every: bool
    compiled: Any

    def find(self, text: str) -> tuple[tuple[str | None, ...], tuple[int, ...]] | None:
        # A lone surrogate, which JSON can carry, has no UTF-8; one character stays one character.
        text = text.encode("utf-8", "replace").decode("utf-8")
        if self.every:
            every = [(m.group(0), m.start()) for m in self.compiled.finditer(text)]
            if not every:
                return None
            return tuple(m[0] for m in every), tuple(m[1] for m in every)
        found = self.compiled.search(text)
        if found is None:
            return None
        count = self.compiled.groups + 1
        return (found.group(0), *found.groups()), tuple(found.start(i) for i in range(count))


@dataclass(frozen=True, slots=True)
class TagLine:
    """One line. `entry` is its index as written; None means that an attribute was not given."""

    entry: int
    type: LineType
    priority: float
    enable: Template
    prefix: Template | None = None
    suffix: Template | None = None
    pattern: Template | None = None
    value: Template | None = None
    match: Pattern | None = None
    """`match=` of semver and pep440, `pattern=` of match."""
    group: int = 0
    branch: Template | None = None
    event: Literal["branch", "tag", "pr"] = "branch"
    long: bool = False
    warnings: tuple[str, ...] = ()


class _Stop(Exception):
    def __init__(self, offset: int, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.fault = Fault(offset, message, hint)


def parse_line(text: str, index: int) -> TagLine | Fault:
    """The entry at that index of the list as a line."""
    entry = parse_entry(text)
    if isinstance(entry, Fault):
        return entry
    try:
        return _Reader(entry, index).line()
    except _Stop as stop:
        hint = "a comment stands on a line of its own" if " #" in text else stop.fault.hint
        return replace(stop.fault, hint=hint)


def compile_pattern(text: str, offset: int = 0) -> Pattern | Fault:
    """A pattern, bare or `/pattern/flags`, with JavaScript's flags d g i m s u v y."""
    import re2

    text = text.encode("utf-8", "replace").decode("utf-8")
    slashed = _SLASHED.fullmatch(text)
    body, flags = (slashed[1], slashed[2]) if slashed else (text, "")
    if set(flags) - set("dgimsuvy") or len(set(flags)) != len(flags):
        return Fault(offset, f"`{flags}` are no flags of a pattern", "there are g, i, m and s")
    options = re2.Options()
    options.case_sensitive = "i" not in flags
    options.log_errors = False
    options.max_mem = 1 << 20
    inline = "".join(flag for flag in "ms" if flag in flags)
    start = r"\A" if "y" in flags else ""
    try:
        compiled = re2.compile((f"(?{inline})" if inline else "") + (f"{start}(?:{body})"), options)
    except re2.error as error:
        why = error.args[0] if error.args else "?"
        why = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        return Fault(
            offset,
            f"the pattern can't be read: {why[:120]}",
            "patterns run on RE2: no look-around and no back-references",
        )
    return Pattern(text, "g" in flags, compiled)


class _Reader:
    def __init__(self, entry: Entry, index: int) -> None:
        self.entry = entry
        self.index = index
        self.given: dict[str, Attribute] = {}
        self.warnings: list[str] = []
        for attribute in entry.attributes:
            key = "value" if attribute.key is None else attribute.key
            if key not in ATTRIBUTES:
                hint = nearest(key, ATTRIBUTES) or f"there are {', '.join(ATTRIBUTES)}"
                raise _Stop(attribute.key_offset, f"unknown attribute `{key[:80]}`", hint)
            if attribute.key is None and attribute.dynamic and len(entry.attributes) == 1:
                self.whole_line(attribute)
            self.given[key] = attribute

    def whole_line(self, attribute: Attribute) -> None:
        if len(attribute.value) == 1:
            hint = "write type=raw,value=${{ … }}, and enable=${{ … }} where it depends"
            raise _Stop(attribute.value_offset, "an expression gives a value, no whole line", hint)

    def line(self) -> TagLine:
        kind = self.type()
        readers: dict[LineType, Callable[[], dict[str, Any]]] = {
            "schedule": lambda: {
                "pattern": self.template("pattern", frozenset(DATES)) or Template(("nightly",))
            },
            "semver": lambda: self.versioned(SEMVER),
            "pep440": lambda: self.versioned(PEP440),
            "match": self.matched,
            "edge": lambda: {"branch": self.plain("branch")},
            "ref": self.ref,
            "raw": self.raw,
            "sha": self.sha,
        }
        attributes = readers[kind]()
        attributes.setdefault("prefix", self.template("prefix"))
        return TagLine(
            entry=self.index,
            type=kind,
            priority=self.priority(kind),
            enable=self.enable(),
            suffix=self.template("suffix"),
            warnings=tuple(self.warnings),
            **attributes,
        )

    def type(self) -> LineType:
        attribute = self.given.get("type")
        if attribute is None:
            return "raw"
        value = self.static("type", "")
        if value not in TYPES:
            hint = nearest(value, TYPES) or f"there are {', '.join(TYPES)}"
            raise _Stop(attribute.value_offset, f"unknown tag type `{value[:80]}`", hint)
        return value

    def static(self, key: str, default: str) -> str:
        attribute = self.given.get(key)
        if attribute is None:
            return default
        if attribute.dynamic:
            raise _Stop(attribute.value_offset, f"`{key}` can not be an expression")
        return attribute.value

    def missing(self, key: str, hint: str) -> _Stop:
        attribute = self.given.get("type")
        at = attribute.key_offset if attribute else 0
        return _Stop(at, f"the attribute `{key}` is missing", hint)

    def template(self, key: str, known: frozenset[str] = GLOBALS) -> Template | None:
        attribute = self.given.get(key)
        if attribute is None:
            return None
        found = compile_template(attribute.value, known, EVERYWHERE, self.entry.expressions)
        if isinstance(found, Fault):
            offset = self.entry.original(attribute.compact_offset + found.offset)
            raise _Stop(offset, found.message, found.hint)
        self.warnings += (f"`{name}` gives nothing in `{key}`" for name in found.ignored)
        return found

    def plain(self, key: str) -> Template | None:
        attribute = self.given.get(key)
        if attribute is None or not attribute.value:
            return None
        return self.entry.template(attribute.value)

    def enable(self) -> Template:
        found = self.template("enable") if "enable" in self.given else Template(("true",))
        if found is None or found.constant not in (None, "true", "false"):
            attribute = self.given["enable"]
            raise _Stop(
                attribute.value_offset, f"`enable` is true or false, not `{attribute.value[:80]}`"
            )
        return found

    def priority(self, kind: LineType) -> float:
        value = self.static("priority", str(PRIORITIES[kind]))
        if not _NUMBER.fullmatch(value):
            raise _Stop(self.given["priority"].value_offset, "`priority` is a number")
        return float(value)

    def pattern(self, key: str) -> Pattern | None:
        text = self.static(key, "")
        if not text and key == "match":
            return None
        offset = self.given[key].value_offset
        found = compile_pattern(text, offset)
        if isinstance(found, Fault):
            raise _Stop(found.offset, found.message, found.hint)
        return found

    def versioned(self, known: frozenset[str]) -> dict[str, Any]:
        if "pattern" not in self.given:
            raise self.missing("pattern", "write pattern={{version}}")
        match = self.pattern("match")
        if match is not None and (match.every or match.compiled.groups < 1):
            offset = self.given["match"].value_offset
            raise _Stop(offset, "`match` needs a group: the version is what it holds")
        return {
            "pattern": self.template("pattern", known),
            "value": self.optional_value(),
            "match": match,
        }

    def matched(self) -> dict[str, Any]:
        if "pattern" not in self.given:
            raise self.missing("pattern", r"write pattern=v(\d.*),group=1")
        group = self.static("group", "0")
        if not group.isascii() or not group.isdecimal() or len(group) > 3:
            raise _Stop(self.given["group"].value_offset, "`group` is the number of a group")
        return {
            "match": self.pattern("pattern"),
            "group": int(group),
            "value": self.optional_value(),
        }

    def optional_value(self) -> Template | None:
        return (
            self.template("value") if "value" in self.given and self.given["value"].value else None
        )

    def ref(self) -> dict[str, Any]:
        event = self.static("event", "")
        if event not in ("branch", "tag", "pr"):
            if "event" not in self.given:
                raise self.missing("event", "event=branch, event=tag or event=pr")
            hint = nearest(event, ("branch", "tag", "pr")) or "there are branch, tag and pr"
            raise _Stop(self.given["event"].value_offset, f"unknown event `{event[:80]}`", hint)
        found: dict[str, Any] = {"event": event}
        if event == "pr" and "prefix" not in self.given:
            found["prefix"] = Template(("pr-",))
        return found

    def raw(self) -> dict[str, Any]:
        if "value" not in self.given:
            hint = next((nearest(key, ("value",)) for key in self.given), None)
            raise self.missing("value", hint or "write type=raw,value=NAME")
        return {"value": self.template("value")}

    def sha(self) -> dict[str, Any]:
        form = self.static("format", "short")
        if form not in ("short", "long"):
            raise _Stop(self.given["format"].value_offset, "`format` is short or long")
        found: dict[str, Any] = {"long": form == "long"}
        if "prefix" not in self.given:
            found["prefix"] = Template(("sha-",))
        return found
