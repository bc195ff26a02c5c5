"""Pushes to a real Gitea are found without webhooks, also where there are no pull requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gitea.process import GiteaProcess
from tests.gitea.world import GiteaWorld, opened_gitea
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
