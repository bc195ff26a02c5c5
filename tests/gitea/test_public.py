"""A public repository on the real Gitea: people without any role fork it and approve nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.gitea.process import GiteaProcess
from tests.gitea.world import GiteaWorld, opened_gitea
from tests.scenarios.talk import Talk
from tests.scenarios.world import FILES

pytestmark = pytest.mark.xdist_group("gitea")


@pytest.fixture
def world(gitea: GiteaProcess, tmp_path: Path) -> Iterator[GiteaWorld]:
    with opened_gitea(gitea, tmp_path) as world:
        world.api("PATCH", "", {"private": False})
        world.repository.private = False
        world.executor.untrusted = True
        world.push(FILES)
        world.run(5)
        yield world


def test_who_has_no_role_reads_and_approves_nothing(world: GiteaWorld) -> None:
    talk = Talk(world)
    fork, request = talk.fork_request(by="mallory")
    sha = request.head_sha
    world.run(30)
    roles = world.api("GET", "/collaborators")
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
    # What changed since then: as everybody sees it whom the comment's link leads there.
    later = world.host.commit(fork, "topic", {"services/api/evil.py": "import os"}, by="mallory")
    world.run(30)
    told = f"`{sha[:12]}` of this request was approved before: [what changed since]("
    link = talk.told(request).partition(told)[2].partition(")")[0]
    assert link.endswith(f"/compare/{sha}..{later}")
    page = requests.get(link, timeout=60)
    assert page.status_code == 200
    assert "services/api/evil.py" in page.text
    assert "services/api/main.py" not in page.text, "what was approved before is not shown again"
