"""docker/metadata-action's documented behaviour as facts: event and lines in, references out.

Truth from https://github.com/docker/metadata-action#readme and that action's own test table.
On pull requests our documented difference applies; `expected_here` works it out on its own.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.core.tags import compute
from bot.core.tags_context import TagContext
from bot.core.tags_rules import ACTION_DEFAULT_TAGS

NOW = datetime(2020, 1, 10, 0, 30, tzinfo=UTC)
DEV = "860c1904a1ce19322e91ac35af1ab07466440c37"
MASTER = "266574110acf203503badf966df2ea24b5d732d7"
REQUEST = TagContext(
    "request",
    "refs/pull/15/merge",
    "a9c8c5828b91be19d9728548b24759e352367ef1",
    "docker/test-docker-action",
    "pull_request",
    NOW,
    "master",
    number=15,
    base_ref="master",
    head_ref="test-pr",
)


def branch(name: str, sha: str, event: str = "push") -> TagContext:
    return TagContext(
        "branch", f"refs/heads/{name}", sha, "docker/test-docker-action", event, NOW, "master"
    )


def tag(name: str, event: str = "push", base: str | None = None) -> TagContext:
    ref, repository = f"refs/tags/{name}", "docker/test-docker-action"
    return TagContext("tag", ref, DEV, repository, event, NOW, "master", base_ref=base)


EVENTS = {
    "null": TagContext("other", "", "", "docker/repo", "", NOW, "master"),
    "empty": TagContext("other", "", "", "docker/repo", "", NOW, "master"),
    "push_dev": branch("dev", DEV),
    "push_master": branch("master", MASTER),
    "push_invalidchars": branch("my/feature#1245", "983315b5e8d46e46fc4c49869e85e7ee5fb289ba"),
    "workflow_dispatch": branch("master", DEV, "workflow_dispatch"),
    "schedule": branch("master", DEV, "schedule"),
    "release_created": tag("v1.1.1", "release"),
    "pull_request": REQUEST,
    "pull_request_target": replace(REQUEST, sha=MASTER, event_name="pull_request_target"),
    "pull_request_head": replace(REQUEST, sha="3370e228f2209994d57af4427fe64e71bb79ac96"),
    "pull_request_target_head": replace(
        REQUEST,
        sha="3370e228f2209994d57af4427fe64e71bb79ac96",
        event_name="pull_request_target",
    ),
    "tag_v1.1.1": tag("v1.1.1", base="refs/heads/master"),
    "tag_p1-v1.0.0": tag("p1/v1.0.0"),
    **{
        f"tag_{name}": tag(name)
        for name in (
            "1.0dev4",
            "1.1beta2",
            "1.2.3rc2",
            "1.2",
            "1.2post1",
            "20200110-RC2",
            "release1",
            "sometag",
            "v1.2.3rc2",
            "v2.0.8-beta.67",
        )
    },
}

Row = tuple[str, str, list[str], list[str] | None, list[str], list[str]]

ROWS: list[Row] = [
    (name, event, images, tags, flavor, references)
    for name, event, images, tags, flavor, references in json.loads(
        Path(__file__).with_suffix(".json").read_text("utf-8")
    )
]
"""Name, event, images, tags (None: none given), flavor, references as the action gives them."""


def expected_here(references: list[str], event: str) -> list[str]:
    """The action's references under our rule for pull requests."""
    if not event.startswith("pull_request"):
        return references
    own = []
    for reference in references:
        image, _, name = reference.rpartition(":")
        fine = name == "pr-15" or name.startswith("pr-15-")
        own.append(reference if fine else f"{image}:pr-15-{name}")
    return own


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_gives_the_references_that_the_action_gives(row: Row) -> None:
    _, event, images, tags, flavor, references = row
    entries = ACTION_DEFAULT_TAGS if tags is None else tags
    found = compute(entries, flavor, images, EVENTS[event])
    assert found.mistakes == ()
    given = list(found.references) if images else [name.name for name in found.names]
    assert given == expected_here(references, event)


def test_the_table_is_whole() -> None:
    assert len(ROWS) == 114
