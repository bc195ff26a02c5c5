"""Pushes to a real Gitea are found without webhooks, also where there are no pull requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.core.ids import HostKind
from tests.gitea.world import opened_on
from tests.scenarios.world import ONE_IMAGE, World

pytestmark = pytest.mark.xdist_group("gitea")


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Its repository is empty, and its webhook is gone."""
    with opened_on(request, HostKind.GITEA, tmp_path) as made:
        for hook in api(made, "GET", "/hooks"):
            api(made, "DELETE", f"/hooks/{hook['id']}")
        yield made


def api(world: World, method: str, path: str, body: object = None) -> Any:
    host: Any = world.host
    return host.api(method, f"/repos/{world.repository.path}{path}", body)


def test_pushes_without_webhooks_are_built(world: World, caplog: pytest.LogCaptureFixture) -> None:
    sha = world.push(ONE_IMAGE)
    world.run(900)
    assert world.ran() == [sha]
    assert world.state(sha) == "success"
    # Nobody may ask a Gitea for the pull requests of such a repository.
    api(world, "PATCH", "", {"has_pull_requests": False})
    later = world.push("README.md")
    world.run(900)
    assert world.ran() == [sha, later]
    assert world.state(later) == "success"
    assert "not swept" not in caplog.text
