"""Every kind of mistake, with its place and words: a folder of files and what is said of them.

`python -m tests.core.config_reference` writes what the parser says now; read the difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.core.repoconfig import RepoConfig
from bot.core.repofile import parse_repo_file
from tests.core.config_reference import golden


@pytest.mark.parametrize(
    ("path", "said"),
    [pytest.param(*one, id=f"{one[0].parent.name}-{one[0].stem}") for one in golden()],
)
def test_mistakes_of_a_file_are_said_all_at_once(path: Path, said: str) -> None:
    assert said
    assert said == path.with_suffix(".txt").read_text()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xef\xbb\xbfversion: 1\n", "f:1:1: the file begins with a byte order mark"),
        (b"\xff\xfev\x00", "f:1:1: the file begins with a byte order mark"),
        (b"version: 1\n# \xff\n", "f:2:3: byte 0xff is not UTF-8"),
        (b"version: 1\r\n\xc3(", "f:2:1: byte 0xc3 is not UTF-8"),
        (b"version: 1\x00\n", "f:1:11: character U+0000 is not allowed"),
        ("a: b\n\u2028c: d".encode(), "f:2:1: character U+2028 is not allowed"),
        (b"version: 1\n" + b" " * 65536, "f:1:1: the file has 65547 bytes; at most 65536 are read"),
    ],
)
def test_bytes_that_are_no_text(data: bytes, said: str) -> None:
    found = parse_repo_file(data, "f")
    assert not isinstance(found, RepoConfig)
    assert [str(one).split(" (")[0] for one in found] == [said]


def test_nesting_does_not_reach_the_stack() -> None:
    for data in (b"[" * 60_000, b"{a: " * 15_000, b"- " * 30_000, b"? " * 30_000):
        found = parse_repo_file(data, "f")
        assert not isinstance(found, RepoConfig)
        assert "nested deeper than 32 levels" in found[-1].message


def test_many_mistakes_are_counted_not_listed() -> None:
    keys = "\n".join(f"x{n}: 1" for n in range(500))
    found = parse_repo_file(f"version: 1\nimages: {{a: }}\n{keys}\n".encode(), "f")
    assert not isinstance(found, RepoConfig)
    assert len(found) == 101
    assert str(found[-1]) == "f:103:1: 400 more mistakes follow"


def test_what_was_typed_comes_back_printable_and_cut() -> None:
    found = parse_repo_file(b'"\\e[31m\\n' + b"y" * 100 + b'": 1\n', "f")
    assert not isinstance(found, RepoConfig)
    said = next(one.message for one in found if "unknown" in one.message)
    assert said == "unknown key `\\x1b[31m\\n" + "y" * 33 + "…`"
