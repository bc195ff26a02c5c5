"""Pushes to a real Gitea are found without webhooks, also where there are no pull requests, and so
are comments."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gitea.process import GiteaProcess
from tests.gitea.world import GiteaWorld, opened_gitea
from tests.scenarios.talk import Talk
from tests.scenarios.world import ONE_IMAGE

pytestmark = pytest.mark.xdist_group("gitea")


@pytest.fixture
def world(gitea: GiteaProcess, tmp_path: Path) -> Iterator[GiteaWorld]:
    """Its repository is empty, and its webhook is gone."""
    with opened_gitea(gitea, tmp_path) as made:
        for hook in made.api("GET", "/hooks"):
            made.api("DELETE", f"/hooks/{hook['id']}")
        yield made


def test_pushes_without_webhooks_are_built(
    world: GiteaWorld, caplog: pytest.LogCaptureFixture
) -> None:
    sha = world.push(ONE_IMAGE)
    world.run(900)
    assert world.ran() == [sha]
    assert world.state(sha) == "success"
    # Nobody may ask a Gitea for the pull requests of such a repository.
    world.api("PATCH", "", {"has_pull_requests": False})
    later = world.push("README.md")
    world.run(900)
    assert world.ran() == [sha, later]
    assert world.state(later) == "success"
    assert "not swept" not in caplog.text


def test_commands_without_webhooks_are_obeyed_as_they_were_written(world: GiteaWorld) -> None:
    world.push(ONE_IMAGE)
    world.push("a.txt", "topic")
    request, talk = world.request("topic"), Talk(world).people()
    edited = talk.send("nothing yet", request)
    asked = talk.send("/status", request)
    refused = talk.send("/cancel", request, by="rita")
    time.sleep(2.1)  # Gitea tells whole seconds
    world.host.edit_comment(world.repository, edited.id, "/status")
    world.run(700)
    assert talk.reaction(asked) == "accepted"
    assert talk.reaction(refused) == "refused"
    assert talk.reactions(edited) == []
    assert len(talk.replies()) == 2
