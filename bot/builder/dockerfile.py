"""Which line of a Dockerfile a step of BuildKit's output stands for.

dockerd 20.10 names a failed step `[stage 2/5]` and no line. This reader counts as BuildKit does
(frontend/dockerfile/dockerfile2llb/convert.go: FROM of an image that isn't a stage, and ADD, COPY,
RUN, WORKDIR); where the total differs (ONBUILD of the base adds steps) it answers None, no guess.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_DIRECTIVE = re.compile(r"^#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*$")
_HEREDOC = re.compile(r"^\d*<<(-?)(['\"]?)([^\s<'\"]+)\2$")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?[-+])([^}]*))?\})")
_COUNTED = ("ADD", "COPY", "RUN", "WORKDIR")
_STEP = re.compile(
    r"^\[(?:[a-z0-9]+/[a-z0-9/]+(?:->\S+)? )?(?:(?P<stage>[^\s\]/]+) +)?"
    r" *(?P<index>\d+)/(?P<total>\d+)\] (?P<text>.*)$",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One logical line. `line` is where it begins, counted from 1; `keyword` is upper case."""

    keyword: str
    text: str
    line: int


@dataclass(slots=True)
class Stage:
    """`numbered`: the instructions that BuildKit numbers, FROM first if its base is an image."""

    name: str
    base: str
    line: int
    numbered: list[Instruction] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Step:
    """A step's name: `[app 2/5] RUN make`. `stage` is empty where only one exists."""

    stage: str
    index: int
    total: int
    text: str


def parse_step(name: str) -> Step | None:
    """None for BuildKit's own vertices (`[internal] …`, `exporting to image`)."""
    match = _STEP.match(name)
    if match is None:
        return None
    return Step(match["stage"] or "", int(match["index"]), int(match["total"]), match["text"])


def instruction_of(stages: list[Stage], step: Step) -> Instruction | None:
    """None where this reader and BuildKit do not count alike."""
    if step.stage:
        named = [stage for stage in stages if stage.name == step.stage.lower()]
    else:
        named = stages if len(stages) == 1 else []
    if not named or len(named[-1].numbered) != step.total:
        return None
    if not 1 <= step.index <= step.total:
        return None
    return named[-1].numbered[step.index - 1]


def chain_of(stages: Sequence[Stage], target: str | None) -> frozenset[str]:
    """The stages whose layers are in the image of `target`, by default of the last one: it, and
    what it is `FROM`. What only `COPY --from` reads is not among them."""
    names = [stage.name for stage in stages]
    wanted = (target or "").lower()
    if wanted not in names and wanted.isdecimal() and int(wanted) < len(names):
        wanted = names[int(wanted)]
    at = names.index(wanted) if wanted in names else len(names) - 1
    chain: set[str] = set()
    while at >= 0:
        chain.add(names[at])
        before = [n for n, name in enumerate(names[:at]) if name == stages[at].base.lower()]
        at = before[-1] if before else -1
    return frozenset(chain)


def read_stages(text: str, args: Mapping[str, str] | None = None) -> list[Stage]:
    """Never raises: what can't be read is BuildKit's to report. `args` are the build arguments."""
    stages: list[Stage] = []
    scope: dict[str, str] = {}
    for found in instructions(text):
        if found.keyword == "FROM":
            stages.append(_stage(found, stages, scope))
        elif not stages and found.keyword == "ARG":
            scope |= _declared(found.text, args or {}, scope)
        elif stages and found.keyword in _COUNTED:
            stages[-1].numbered.append(found)
    return stages


def _stage(found: Instruction, stages: list[Stage], scope: Mapping[str, str]) -> Stage:
    words = [word for word in found.text.split() if not word.startswith("--")]
    base = _expand(words[0], scope) if words else ""
    named = len(words) >= 3 and words[1].lower() == "as"
    stage = Stage(words[2].lower() if named else f"stage-{len(stages)}", base, found.line)
    if base != "scratch" and base.lower() not in {other.name for other in stages}:
        stage.numbered.append(found)
    return stage


def instructions(text: str) -> list[Instruction]:
    """The logical lines: continuations joined, comments and here-documents passed over."""
    lines = text.removeprefix("﻿").splitlines()
    escape = _escape(lines)
    more = re.compile(rf"(?:^|[^{re.escape(escape)}]){re.escape(escape)}[ \t]*$")
    found: list[Instruction] = []
    at = 0
    while at < len(lines):
        start, whole, at = _logical_line(lines, at, more)
        if not whole:
            continue
        keyword, _, rest = whole.partition(" ") if " " in whole else (whole, "", "")
        found.append(Instruction(keyword.upper(), rest.strip(), start + 1))
        at = _skip_heredocs(lines, at, found[-1])
    return found


def _logical_line(lines: list[str], at: int, more: re.Pattern[str]) -> tuple[int, str, int]:
    """(index of its first line, the joined text, index of the line after it)."""
    parts: list[str] = []
    start = at
    while at < len(lines):
        line = lines[at]
        at += 1
        stripped = line.strip()
        if stripped.startswith("#") or (parts and not stripped):
            continue  # comments, and empty lines inside a continuation, do not end it
        if not parts:
            start = at - 1
        match = more.search(line)
        if match is None:
            parts.append(stripped)
            break
        parts.append(line[: line.rstrip().rfind(line.rstrip()[-1])].strip())
    return start, re.sub(r"\s+", " ", " ".join(parts)).strip(), at


def _escape(lines: list[str]) -> str:
    for line in lines:
        match = _DIRECTIVE.match(line.strip())
        if match is None:
            return "\\"
        if match[1].lower() == "escape" and match[2] in ("`", "\\"):
            return match[2]
    return "\\"


def _skip_heredocs(lines: list[str], at: int, found: Instruction) -> int:
    text = found.text
    if found.keyword == "ONBUILD":
        text = text.partition(" ")[2]
    elif found.keyword not in ("RUN", "COPY", "ADD"):
        return at
    for word in _words(text):
        match = _HEREDOC.match(word)
        if match is None:
            continue
        while at < len(lines):
            line = lines[at].lstrip("\t") if match[1] else lines[at]
            at += 1
            if line == match[3]:
                break
    return at


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=False, punctuation_chars="")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:  # an open quote: BuildKit sees no here-document there either
        return []


def _declared(text: str, args: Mapping[str, str], scope: Mapping[str, str]) -> dict[str, str]:
    values = {}
    for word in _words(text):
        name, equals, value = word.partition("=")
        if name in args:
            values[name] = args[name]
        elif equals:
            values[name] = _expand(value.strip("'\""), {**scope, **values})
    return values


def _expand(text: str, scope: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        known = scope.get(match[1] or match[2], "")
        if match[3] and match[3].endswith("-"):
            return known or match[4]
        if match[3]:
            return match[4] if known else ""
        return known

    return _VARIABLE.sub(value, text)
