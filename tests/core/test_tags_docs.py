"""Each example of `docs/tags.md` is what the code does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.core.tags import compute
from bot.core.tags_context import TagContext
from bot.core.tags_entries import lines_of
from bot.core.tags_lines import PRIORITIES
from bot.core.tags_rules import DEFAULT_TAGS, parse_rules

PAGE = (Path(__file__).parents[2] / "docs" / "tags.md").read_text("utf-8")
NOW = datetime(2020, 1, 10, 0, 30, tzinfo=UTC)
SHA = "860c1904a1ce19322e91ac35af1ab07466440c37"


def rows(heading: str) -> list[list[str]]:
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def context_for(event: str) -> TagContext:
    kind, name = event.replace("`", "").split(" ", 1)
    match kind:
        case "branch":
            return TagContext("branch", f"refs/heads/{name}", SHA, "a/b", "push", NOW, "main")
        case "tag":
            return TagContext("tag", f"refs/tags/{name}", SHA, "a/b", "push", NOW, "main")
        case _:
            ref, number = f"refs/pull/{name}/merge", int(name)
            return TagContext(
                "request", ref, SHA, "a/b", "pull_request", NOW, "main", number, "main"
            )


@pytest.mark.parametrize("row", rows("Examples"), ids=lambda row: f"{row[0]} {row[1]}")
def test_an_example_holds(row: list[str]) -> None:
    event, entries, tags = row
    given = re.findall(r"`([^`]+)`", entries)
    flavor = [entry.removeprefix("flavor:") for entry in given if entry.startswith("flavor:")]
    lines = [entry for entry in given if not entry.startswith("flavor:")]
    found = compute(lines, flavor, (), context_for(event))
    assert found.mistakes == ()
    assert [name.name for name in found.names] == re.findall(r"`([^`]+)`", tags)


def test_the_table_of_types_is_whole() -> None:
    table = {row[0].strip("`"): int(row[3]) for row in rows("Entries")}
    assert table == PRIORITIES


def test_the_first_block_is_read_without_a_mistake() -> None:
    block = PAGE.split("tags: |\n")[1].split("    flavor")[0]
    lines = [line.text for line in lines_of(block)]
    assert len(lines) == 5
    assert parse_rules(lines).mistakes == ()


def test_the_defaults_are_named() -> None:
    named = PAGE.split("Without `tags` these hold:")[1].split("##")[0]
    assert re.findall(r"`([^`]+)`", named) == list(DEFAULT_TAGS)
