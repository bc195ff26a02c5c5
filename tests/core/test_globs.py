"""GitHub's filter patterns: its own examples, a second matcher, and time that stays linear."""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.core.fieldtext import Problem
from bot.core.globs import Glob, glob, last_match, parse_glob

# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet
CHEAT_SHEET = [
    (
        "feature/*",
        ["feature/my-branch", "feature/your-branch"],
        ["feature/beta-a/my-branch", "main"],
    ),
    (
        "feature/**",
        ["feature/beta-a/my-branch", "feature/your-branch", "feature/mona/the/octocat"],
        [],
    ),
    ("main", ["main"], ["main2", "xmain"]),
    ("*", ["main", "releases"], ["all/the/branches"]),
    ("**", ["all/the/branches", "every/tag"], []),
    ("*feature", ["mona-feature", "feature", "ver-10-feature"], ["a/feature"]),
    ("v2*", ["v2", "v2.0", "v2.9"], ["v1"]),
    ("v[12].[0-9]+.[0-9]+", ["v1.10.1", "v2.0.0"], ["v3.0.0", "v1.10", "v1x10x1"]),
    ("*.jsx?", ["page.js", "page.jsx"], ["page.jsxx", "a/page.js"]),
    ("**.js", ["index.js", "js/index.js", "src/js/app.js"], ["index.jsx"]),
    ("docs/*", ["docs/README.md", "docs/file.txt"], ["docs/a/b.md"]),
    ("docs/**", ["docs/README.md", "docs/mona/octocat.txt"], ["docs", "mydocs/a"]),
    ("docs/**/*.md", ["docs/README.md", "docs/mona/hello-world.md", "docs/a/markdown/file.md"], []),
    (
        "**/docs/**",
        ["docs/hello.md", "dir/docs/my-file.txt", "space/docs/plan/space.doc"],
        ["xdocs/a"],
    ),
    ("**/README.md", ["README.md", "js/README.md"], ["js/xREADME.md"]),
    ("**/*src/**", ["a/src/app.js", "my-src/code/js/app.js"], []),
    ("**/*-post.md", ["my-post.md", "path/their-post.md"], []),
    (
        "**/migrate-*.sql",
        ["migrate-10909.sql", "db/migrate-v1.0.sql", "db/sept/migrate-v1.sql"],
        [],
    ),
]


@pytest.mark.parametrize(("pattern", "yes", "no"), CHEAT_SHEET)
def test_githubs_own_examples(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [name for name in yes if not glob(pattern).matches(name)] == []
    assert [name for name in no if glob(pattern).matches(name)] == []


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        (r"\!a", "!a", True),
        ("a+", "aaa", True),
        ("a+?", "", True),
        ("+a", "+a", True),
        ("[a-c]?x", "x", True),
        ("[a.]", ".", True),
        ("[a-]", "-", True),
        ("*?", "anything", True),
        ("a.b", "axb", False),
        ("(a|b)", "(a|b)", True),
        ("^a$", "^a$", True),
        ("**a", "\n/a", True),
        ("ü?", "", True),
        ("Main", "main", False),
        ("**", "\udcff", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a**/b", "ab", False),
    ],
)
def test_corners(pattern: str, name: str, matches: bool) -> None:
    assert glob(pattern).matches(name) is matches


def test_later_patterns_exclude_and_include_again() -> None:
    patterns = [glob(one) for one in ("releases/**", "!releases/**-alpha", "releases/9-alpha")]
    assert last_match(patterns, "releases/1")
    assert not last_match(patterns, "releases/1-alpha")
    assert last_match(patterns, "releases/9-alpha")
    assert not last_match(patterns, "main")


PATTERNS = st.text(alphabet=r"ab/*?+[]-\!.", min_size=1, max_size=12)
NAMES = st.text(alphabet="ab/-.!*", max_size=10)


def by_hand(pattern: str, name: str) -> bool:
    """The cheat sheet once more, as a search over both texts that knows no regex."""
    atoms = _atoms(pattern)

    @cache
    def search(atom: int, at: int) -> bool:
        if atom == len(atoms):
            return at == len(name)
        kind, least, many = atoms[atom]
        if kind == "folders":
            return search(atom + 1, at) or any(
                name[end] == "/" and end > at and search(atom + 1, end + 1)
                for end in range(at, len(name))
            )
        if least == 0 and search(atom + 1, at):
            return True
        if at == len(name) or not _fits(kind, name[at]):
            return False
        return search(atom + 1, at + 1) or (many and search_more(atom, at + 1))

    @cache
    def search_more(atom: int, at: int) -> bool:
        if search(atom + 1, at):
            return True
        kind = atoms[atom][0]
        return at < len(name) and _fits(kind, name[at]) and search_more(atom, at + 1)

    return search(0, 0)


def _fits(kind: str, character: str) -> bool:
    if kind == "any":
        return True
    if kind == "segment":
        return character != "/"
    return character in kind[1:]


def _atoms(text: str) -> list[tuple[str, int, bool]]:
    atoms: list[tuple[str, int, bool]] = []
    at = 0
    while at < len(text):
        if text[at : at + 3] == "**/" and (at == 0 or text[at - 1] == "/"):
            atoms.append(("folders", 1, False))
            at += 3
        elif text[at : at + 2] == "**":
            atoms.append(("any", 0, True))
            at += 2
        elif text[at] == "*":
            atoms.append(("segment", 0, True))
            at += 1
        elif text[at] in "?+" and atoms and atoms[-1][0] != "folders":
            kind, least, many = atoms.pop()
            atoms.append((kind, 0 if text[at] == "?" else least, many or text[at] == "+"))
            at += 1
        elif text[at] == "[":
            end = text.index("]", at + 1)
            atoms.append(("=" + _members(text[at + 1 : end]), 1, False))
            at = end + 1
        else:
            at += text[at] == "\\"
            atoms.append(("=" + text[at], 1, False))
            at += 1
    return atoms


def _members(inside: str) -> str:
    """`a-b` is the only range that these alphabets can write."""
    return inside.replace("a-b", "ab")


@settings(max_examples=500)
@given(PATTERNS, NAMES)
@example("[a-b]", "-")
@example("[a-a-b]", "-")
@example("**/", "a/")
@example("a/**/", "a/")
@example("\\\\", "\\")
def test_a_second_reading_of_the_cheat_sheet_agrees(pattern: str, name: str) -> None:
    found = parse_glob(pattern)
    if isinstance(found, Problem) or "-" in pattern.replace("[a-b]", ""):
        return
    assert found.matches(name) == by_hand(found.text, name), found.regex


@settings(max_examples=300)
@given(st.text(max_size=600), st.text(max_size=100))
def test_nothing_raises(pattern: str, name: str) -> None:
    found = parse_glob(pattern)
    if isinstance(found, Glob):
        found.matches(name)


@pytest.mark.parametrize(
    ("pattern", "piece"),
    [("*a" * 120 + "b", "a"), ("a?" * 120 + "a+" * 60, "a"), ("**/" * 80 + "b", "a/")],
)
def test_time_is_linear_in_the_name(pattern: str, piece: str) -> None:
    """Sixteen times the name costs about sixteen times the time; backtracking would never end."""
    one = glob(pattern)

    def cost(repeats: int) -> float:
        name = piece * repeats
        runs = []
        for _ in range(5):
            begin = time.perf_counter()
            assert not one.matches(name + "!")
            runs.append(time.perf_counter() - begin)
        return min(runs)

    cost(100)
    assert cost(16_000) < 16 * 10 * max(cost(1_000), 1e-5)
