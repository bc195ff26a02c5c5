"""One evaluation of all tag lines for one event. Facts: see `bot.core.tags`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from bot.core import naming
from bot.core.expressions import Expression, evaluate, text_of
from bot.core.tags_context import TagContext
from bot.core.tags_faults import EntryMistake, said
from bot.core.tags_lines import LineType, TagLine
from bot.core.tags_rules import Flavor, Rules
from bot.core.tags_templates import Template
from bot.core.versions import Parsed as ParsedVersion
from bot.core.versions import Version, parse_loose, parse_pep440, parse_semver

Origin = LineType | Literal["latest"]


@dataclass(frozen=True, slots=True)
class TagName:
    """One name that an event gives, and where it comes from.

    `line` is the index of the entry as written; for `latest` that of the entry that decided it.
    With a `version` the name belongs to the highest one among the repository's git tags that give
    it by the same line (`highest_rivals`); without one it follows the order of arrival.
    """

    name: str
    origin: Origin
    line: int
    version: Version | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """All names of one event, the version first and `latest` last; bare, without an image.

    `renamed` holds what the action would have written where one of the two differences applied.
    """

    names: tuple[TagName, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[EntryMistake, ...] = ()
    mistakes: tuple[EntryMistake, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    """What a line gave that no registry takes as a name, and why."""

    @property
    def version(self) -> str:
        """What the label `org.opencontainers.image.version` holds; empty without names."""
        return self.names[0].name if self.names else ""


def names_of(rules: Rules, context: TagContext) -> Names:
    """The names of one event, without images."""
    return _Pass(rules, context).names()


_EVENT: Mapping[str, Callable[[TagContext], str]] = {
    "branch": lambda context: context.branch or "",
    "tag": lambda context: context.tag or "",
    "sha": lambda context: context.sha[: context.short_sha],
    "base_ref": lambda context: (context.base_ref or "").removeprefix("refs/heads/"),
    "is_default_branch": lambda context: "true" if context.is_default_branch else "false",
    "is_not_default_branch": lambda context: "false" if context.is_default_branch else "true",
}
_VERSION: Mapping[str, Callable[[ParsedVersion], str]] = {
    "raw": lambda version: version.raw,
    "version": lambda version: version.text,
    "major": lambda version: str(version.major),
    "minor": lambda version: str(version.minor),
    "patch": lambda version: str(version.patch),
    "prerelease": lambda version: version.prerelease,
    "build": lambda version: version.build,
}

_NUMBERS = ("major", "minor", "patch")


class Scope:
    """What templates read: an event, and for a pattern one version."""

    __slots__ = ("context", "inserts", "version")

    def __init__(self, context: TagContext) -> None:
        self.context = context
        self.version: ParsedVersion | None = None
        self.inserts: Mapping[str, str] | None = None

    def variable(self, name: str) -> str:
        reader = _EVENT.get(name) if self.version is None else None
        if reader is not None:
            return reader(self.context)
        return _VERSION[name](self.version) if self.version is not None else ""

    def holds(self, name: str) -> bool:
        value = self.variable(name)
        return bool(value) and not (name in _NUMBERS and value == "0")

    def moment(self, name: str) -> datetime:
        context = self.context
        return context.commit_date or context.now if name == "commit_date" else context.now

    def inserted(self, expression: Expression) -> str:
        if self.inserts is None:
            self.inserts = self.context.names()
        return text_of(evaluate(expression, self.inserts))


@dataclass(frozen=True, slots=True)
class _Yield:
    """What a line gives before prefix and suffix, and what `latest: auto` makes of it."""

    text: str
    latest: bool = False
    version: Version | None = None


class _Pass:
    """One evaluation of all lines for one event."""

    def __init__(self, rules: Rules, context: TagContext) -> None:
        self.rules = rules
        self.context = context
        self.scope = Scope(context)
        self.found: dict[str, TagName] = {}
        self.renamed: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self.warnings: list[EntryMistake] = []
        self.mistakes: list[EntryMistake] = []

    def names(self) -> Names:
        first: tuple[TagLine, _Yield] | None = None
        for line in self.rules.lines:
            given = self.given(line)
            if given is None:
                continue
            text = self.decorated(given.text, line)
            if text and self.add(text, line.type, line.entry, given.version) and first is None:
                first = line, given
        if first is not None:
            self.add_latest(*first)
        return Names(
            tuple(self.found.values()),
            self.renamed,
            tuple(self.warnings),
            tuple(self.mistakes),
            self.left_out,
        )

    def given(self, line: TagLine) -> _Yield | None:
        enable = self.text(line.enable)
        if enable not in ("true", "false"):
            message = f"`enable` gives `{enable[:80]}`, which is neither true nor false"
            self.mistakes.append(said(line.entry, message))
        if enable != "true":
            return None
        for warning in line.warnings:
            self.warn(line, warning)
        match line.type:
            case "semver" | "pep440":
                return self.versioned(line)
            case "match":
                return self.matched(line)
            case _:
                text = self.plain(line)
                latest = line.type == "ref" and line.event == "tag"
                return None if text is None else _Yield(text, latest)

    def plain(self, line: TagLine) -> str | None:
        context = self.context
        match line.type:
            case "schedule":
                return self.text(line.pattern) if "schedule" in context.event_name else None
            case "edge":
                wanted = self.text(line.branch) if line.branch else context.default_branch
                return "edge" if context.branch is not None and context.branch == wanted else None
            case "ref":
                refs = {"branch": context.branch, "tag": context.tag, "pr": context.request}
                return refs[line.event]
            case "raw":
                return self.text(line.value)
            case _:
                return (context.sha if line.long else context.sha[: context.short_sha]) or None

    def source(self, line: TagLine) -> str | None:
        """What versions are read from: `value`, else the git tag."""
        return self.text(line.value) if line.value is not None else self.context.tag

    def versioned(self, line: TagLine) -> _Yield | None:
        text = self.source(line)
        if text is None:
            return None
        if line.match is not None:
            found = line.match.find(text)
            if found is None:
                self.warn(line, f"`{line.match.text[:80]}` does not match `{text[:80]}`")
            elif found[0][1] is None:
                self.warn(line, f"the group of `{line.match.text[:80]}` holds nothing")
                return None
            else:
                text = found[0][1]
        text = text.replace("/", "-").strip()
        parsed = parse_semver(text) if line.type == "semver" else parse_pep440(text)
        if parsed is None:
            kind = "semantic version" if line.type == "semver" else "version by PEP 440"
            self.warn(line, f"`{text[:80]}` is no {kind}")
            return None
        pattern = line.pattern
        if pattern is None or (not parsed.final and not pattern.is_raw):
            return _Yield(parsed.text, latest=False, version=parsed.version)
        self.scope.version = parsed
        given = pattern.render(self.scope)
        self.scope.version = None
        return _Yield(given, parsed.final, parsed.version)

    def matched(self, line: TagLine) -> _Yield | None:
        text = self.source(line)
        if text is None or line.match is None:
            return None
        found = line.match.find(text)
        if found is None:
            self.warn(line, f"`{line.match.text[:80]}` does not match `{text[:80]}`")
            return None
        groups, starts = found
        given = groups[line.group] if line.group < len(groups) else None
        if given is None:
            self.warn(line, f"`{line.match.text[:80]}` has no group {line.group} here")
            return None
        # The name `2.0` of v2.0.8 is ordered as 2.0.8: from where the match begins to the end.
        version = None
        if given.lstrip("v")[:1].isdigit():
            version = parse_loose(text[starts[line.group] :]) or parse_loose(given)
        return _Yield(given, latest=True, version=version)

    def decorated(self, text: str, line: TagLine) -> str:
        flavor = self.rules.flavor
        prefix = flavor.prefix if line.prefix is None else line.prefix
        suffix = flavor.suffix if line.suffix is None else line.suffix
        return f"{self.text(prefix)}{text}{self.text(suffix)}"

    def text(self, template: Template | None) -> str:
        if template is None:
            return ""
        constant = template.constant
        return template.render(self.scope) if constant is None else constant

    def add(self, text: str, origin: Origin, line: int, version: Version | None) -> bool:
        """Whether the text gave a name. The first line that gives a name is its origin."""
        raw = naming.sanitize_tag(text)
        name, request = raw, self.context.kind == "request"
        if request:
            name = naming.request_tag(raw, self.context.number or 0)
        name = naming.shorten_tag(name)
        if not naming.is_tag(name):
            message = f"`{raw[:80]}` is no tag: it begins with `{raw[:1]}`"
            self.warnings.append(said(line, message, "give the line a prefix"))
            self.left_out[name] = message
            return False
        if not request and naming.is_reserved_tag(name):
            message = f"the name `{name[:80]}` is reserved"
            hint = (
                "pr-<number> is for pull requests, git-<commit> for builds, "
                "cache-<trust> for caches: give it a prefix"
            )
            self.mistakes.append(said(line, message, hint))
            return False
        if name != raw:
            self.renamed[raw] = name
        self.found.setdefault(name, TagName(name, origin, line, version))
        return True

    def add_latest(self, line: TagLine, given: _Yield) -> None:
        flavor = self.rules.flavor
        wanted = self.text(flavor.latest)
        if wanted not in ("auto", "true", "false"):
            message = f"`latest` gives `{wanted[:80]}`, which is none of auto, true and false"
            self.mistakes.append(said(flavor.latest_entry, message, None, "flavor"))
        if wanted == "true" or (wanted == "auto" and given.latest):
            text = self.latest_text(flavor)
            self.add(text, "latest", line.entry, given.version if given.latest else None)

    def latest_text(self, flavor: Flavor) -> str:
        prefix = self.text(flavor.prefix) if flavor.prefix_on_latest else ""
        suffix = self.text(flavor.suffix) if flavor.suffix_on_latest else ""
        return f"{prefix}latest{suffix}"

    def warn(self, line: TagLine, message: str) -> None:
        self.warnings.append(said(line.entry, message))
