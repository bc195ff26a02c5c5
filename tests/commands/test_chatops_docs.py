"""`docs/chatops.md`: what it says to write is understood, and every command has its place there."""

from __future__ import annotations

import re

import pytest

from bot.core.commands import TABLE, Place
from bot.core.commands_parsing import read_comment
from tests.commands.running import ROOT

PAGE = (ROOT / "docs" / "chatops.md").read_text("utf-8")
EXAMPLES = re.findall(r"^\| `(/[^`]+)` \|", PAGE.partition("| you write |")[2], re.MULTILINE)
IMAGES = ("api", "web", "api-docs")


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_understood(example: str) -> None:
    orders = read_comment(example, images=IMAGES)
    assert orders.refused == ()
    assert [f"/{one.name}" for one in orders.commands] == [example.split(maxsplit=1)[0]]


def test_every_command_has_an_example() -> None:
    shown = {example.split()[0].removeprefix("/") for example in EXAMPLES}
    assert {spec.name for spec in TABLE} == shown


def test_the_page_itself_commands_only_what_it_shows() -> None:
    """Somebody pastes it into a comment: all in it is code, a table or a list."""
    assert read_comment(PAGE).commands == ()


def test_refs_of_commits_are_understood() -> None:
    for ref in ("branch:main", "tag:v1.2.3"):
        assert ref in PAGE
        assert read_comment(f"/build {ref}", Place.COMMIT).refused == ()
