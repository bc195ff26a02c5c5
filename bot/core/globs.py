"""GitHub's filter patterns, matched in linear time.

The language is the one of workflow filters
(https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet):
`*` stops at `/`, `**` does not, `?` and `+` repeat the character before them, `[]` lists
characters, `\\` takes the next character as it is, and `!` in front of a pattern excludes what
earlier ones took. `**/` at the beginning or after a `/` also stands for no folder at all.

Patterns become RE2 programs: RE2 has no backtracking, its time is linear in the text for every
pattern (https://github.com/google/re2/wiki/WhyRE2). The whole text must match, and case counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from bot.core.fieldtext import Problem

if TYPE_CHECKING:
    import re2

LONGEST_PATTERN = 500
_FOLDERS = "(?:.+/)?"


@dataclass(frozen=True, slots=True)
class _Atom:
    """One character class, and how often it may stand: once, with `?` and `+` as said."""

    regex: str
    optional: bool = False
    repeated: bool = False

    def __str__(self) -> str:
        suffix = {(True, True): "*", (True, False): "?", (False, True): "+", (False, False): ""}
        return self.regex + suffix[self.optional, self.repeated]


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern that was found good. `excludes`: a leading `!`, which `text` has no more."""

    text: str
    excludes: bool
    regex: str
    """Empty where the pattern is a plain name."""

    def matches(self, name: str) -> bool:
        if not self.regex:
            return name == self.text
        # Names that are not Unicode come from Git with surrogates; those match only wildcards.
        data = name.encode(errors="replace")
        return _program(self.regex).fullmatch(data) is not None


@lru_cache(maxsize=1024)
def _program(regex: str) -> re2._Regexp:
    """Compiled once: a pattern meets each changed path of a push, and compiling takes longest."""
    import re2  # where a pattern is matched at all: `pushwright tags` has to start fast

    return re2.compile(regex.encode())


def parse_glob(pattern: str) -> Glob | Problem:
    excludes = pattern.startswith("!")
    text = pattern.removeprefix("!")
    if not text:
        return Problem("the pattern is empty")
    if len(text) > LONGEST_PATTERN:
        return Problem(f"the pattern has {len(text)} characters, more than {LONGEST_PATTERN}")
    if any(not c.isprintable() for c in text):
        return Problem("the pattern holds a control character")
    if not set(text) & set("*?+[\\"):
        return Glob(text, excludes, "")
    atoms = _atoms(text)
    if isinstance(atoms, Problem):
        return atoms
    return Glob(text, excludes, "(?s)" + "".join(str(atom) for atom in atoms))


def _atoms(text: str) -> list[_Atom] | Problem:
    atoms: list[_Atom] = []
    at = 0
    while at < len(text):
        found = _next(text, at, atoms[-1] if atoms else None)
        if isinstance(found, Problem):
            return found
        atom, at, repeats = found
        if repeats:
            atoms.pop()
        atoms.append(atom)
    return atoms


def _next(text: str, at: int, last: _Atom | None) -> tuple[_Atom, int, bool] | Problem:
    """The atom at `at`, where the next one begins, and whether it takes the last one's place."""
    if text.startswith("**/", at) and (at == 0 or text[at - 1] == "/"):
        return _Atom(_FOLDERS), at + 3, False
    if text.startswith("**", at):
        return _Atom(".", optional=True, repeated=True), at + 2, False
    here = text[at]
    if here == "*":
        return _Atom("[^/]", optional=True, repeated=True), at + 1, False
    if here in "?+" and last is not None and last.regex != _FOLDERS:
        optional, repeated = last.optional or here == "?", last.repeated or here == "+"
        return _Atom(last.regex, optional=optional, repeated=repeated), at + 1, True
    return _set(text, at) if here == "[" else _character(text, at)


def _character(text: str, at: int) -> tuple[_Atom, int, bool] | Problem:
    if text[at] != "\\":
        return _Atom(_literal(text[at])), at + 1, False
    if at + 1 == len(text):
        return Problem("the pattern ends with a lone \\", "write \\\\ for a backslash")
    return _Atom(_literal(text[at + 1])), at + 2, False


def _literal(character: str) -> str:
    return re.escape(character) if character.isascii() else character


def _set(text: str, at: int) -> tuple[_Atom, int, bool] | Problem:
    end = text.find("]", at + 1)
    if end < 0:
        return Problem("a [ has no ]", "write \\[ for the character itself")
    inside = text[at + 1 : end]
    if not inside:
        return Problem("[] lists no character")
    if inside[0] in "^!":
        return Problem("GitHub's patterns have no negated [ ]", "exclude with a pattern after !")
    for low, high in re.findall(r"(.)-(.)", inside):
        same = any(low in kind and high in kind for kind in _RANGES)
        if not same or low > high:
            return Problem(f"{low}-{high} is no range", "ranges are within a-z, A-Z and 0-9")
    ranges = "".join(c if c == "-" else _literal(c) for c in inside.strip("-"))
    dash = "\\-" if inside.startswith("-") or inside.endswith("-") else ""
    if not ranges and not dash:
        return Problem("[] lists no character")
    return _Atom(f"[{ranges}{dash}]"), end + 1, False


_RANGES = ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789")


def glob(pattern: str) -> Glob:
    """A pattern that a parser took before; anything else is our own error."""
    found = parse_glob(pattern)
    if isinstance(found, Glob):
        return found
    raise ValueError(f"{pattern!r}: {found.message}")


def last_match(patterns: Iterable[Glob], name: str) -> Glob | None:
    """The pattern that lets `name` in, None where none does or a later `!` takes it out again."""
    taken: Glob | None = None
    for one in patterns:
        if one.matches(name):
            taken = None if one.excludes else one
    return taken
