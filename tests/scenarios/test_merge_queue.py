"""GitHub's merge queue: its commits are checked, reported under the same names, never pushed."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.ids import HostKind, Sha
from tests.fakes.executor_memory import Ending, Hold, Succeed
from tests.scenarios.apps import send
from tests.scenarios.world import FILES, World


@pytest.fixture
def kind() -> HostKind:
    """GitLab's merge trains are pipelines of merge requests."""
    return HostKind.GITHUB


def queue(world: World, action: str, ref: str, sha: str, **more: Any) -> None:
    group = {
        "head_sha": sha,
        "head_ref": ref,
        "base_ref": "refs/heads/main",
        "base_sha": world.repository.git.resolve("refs/heads/main"),
        "head_commit": {"id": sha, "tree_id": sha, "message": "Merge"},
    }
    send(world, "merge_group", {"action": action, **more, "merge_group": group})


def queued(world: World) -> tuple[str, Sha]:
    """A commit of the queue, as GitHub makes it: on a branch of its own."""
    branch = "gh-readonly-queue/main/pr-1-abc"
    sha = world.push("services/api/x", branch)
    return f"refs/heads/{branch}", sha


def asked(world: World, ending: Ending) -> tuple[str, Sha]:
    """A commit of the queue whose checks are wanted; its builds end so."""
    world.push(FILES)
    world.run()
    world.executor.usual = ending
    ref, sha = queued(world)
    queue(world, "checks_requested", ref, sha)
    world.run(20)
    return ref, sha


def test_a_commit_of_the_queue_is_checked_and_reported(world: World) -> None:
    _, sha = asked(world, Succeed())
    world.run()
    assert world.state(sha) == world.state(sha, "/api") == "success"
    assert "built, not pushed" in world.status(sha, "/api")[1]
    assert set(world.tags("api")) == {"main"}, "and no name is moved"


def test_what_leaves_the_queue_is_stopped(world: World) -> None:
    ref, sha = asked(world, Hold())
    assert world.state(sha) == "pending"
    queue(world, "destroyed", ref, sha, reason="dequeued")
    world.run()
    state, text = world.status(sha)
    assert (state, "left the merge queue" in text) == ("error", True)
