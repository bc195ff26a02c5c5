"""A public repository on the real Gitea: people without any role fork it and approve nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.core.ids import HostKind
from tests.gitea.world import opened_on
from tests.scenarios.talk import Talk
from tests.scenarios.world import FILES

pytestmark = pytest.mark.xdist_group("gitea")


@pytest.fixture
def talk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Talk]:
    with opened_on(request, HostKind.GITEA, tmp_path) as world:
        host: Any = world.host
        host.api("PATCH", f"/repos/{world.repository.path}", {"private": False})
        world.repository.private = False
        world.executor.untrusted = True
        world.push(FILES)
        world.run(5)
        yield Talk(world)


def test_who_has_no_role_reads_and_approves_nothing(talk: Talk) -> None:
    world = talk.world
    _, request = talk.fork_request(by="mallory")
    sha = request.head_sha
    world.run(30)
    host: Any = world.host
    roles = host.api("GET", f"/repos/{world.repository.path}/collaborators")
    assert "mallory" not in [person["login"] for person in roles]
    for who in ("mallory", "nobody"):
        for line in (f"/ok-to-test {sha}", "/ok-to-test"):
            assert talk.reaction(talk.say(line, request, by=who)) == "refused"
    assert talk.reaction(talk.say("/build", request, by="mallory")) == "refused"
    assert talk.reaction(talk.say("/help", request, by="nobody")) == "accepted"
    assert "/ok-to-test" not in talk.replies()[-1]
    assert world.status(sha) == ("pending", f"waiting for /ok-to-test {sha}")
    assert [run for run in world.runs() if run.sha == sha] == []
    assert talk.reaction(talk.say("/ok-to-test", request, by="ada")) == "accepted"
    world.run()
    assert [run.image for run in world.runs() if run.sha == sha] == ["api"]
    assert world.state(sha) == "success"
