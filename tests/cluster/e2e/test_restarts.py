"""Builds go on whatever happens to the bot, the API server and the branch meanwhile."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.e2e.bot import Bot
from tests.cluster.e2e.gates import Gate
from tests.cluster.e2e.ground import Ground
from tests.cluster.e2e.project import Project, new_project
from tests.cluster.images import DIND29
from tests.cluster.node import HOST
from tests.docker.fault_proxy import FaultProxy
from tests.fakes.postgres_process import PostgresProcess

pytestmark = pytest.mark.timeout(300)
NewBot = Callable[..., Bot]


def quick(bot: Bot, word: str) -> dict[str, str]:
    return {"Dockerfile": f"FROM {bot.ground.base}\nRUN echo {word} > /word\n"}


def held(bot: Bot, gate: Gate, word: str = "hello") -> dict[str, str]:
    """A Dockerfile whose step waits at the gate."""
    return {"Dockerfile": f"FROM {bot.ground.base}\nRUN {gate.step} && echo {word} > /word\n"}


@pytest.fixture
def postgres() -> Iterator[PostgresProcess]:
    folder = Path(tempfile.mkdtemp(prefix="pw-pg-", dir="/tmp"))
    folder.chmod(0o755)
    server = PostgresProcess(folder).start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def mine(own_bot: NewBot) -> Project:
    """A repository of a bot that the test may stop and kill."""
    return new_project(own_bot())


one_daemon = pytest.mark.parametrize("dockerd", [DIND29], indirect=True)
"""With the shared bot of that daemon: what is shown does not depend on it."""


def test_a_bot_that_was_away_reports_what_happened(mine: Project) -> None:
    bot, gate = mine.bot, mine.bot.ground.gate()
    sha = mine.push(held(bot, gate))
    gate.reached()
    pod = bot.wait_for_pod(sha)
    bot.worker().stop()
    gate.open()
    ended = bot.wait_for_end(pod)
    assert mine.statuses(sha)["pushwright"].state == "pending"
    bot.start_worker()
    mine.wait(sha, "success")
    assert mine.digest("main") != ""
    assert bot.pods_made() == [ended["metadata"]["name"]]


def test_of_two_workers_one_is_killed(own_bot: NewBot, postgres: PostgresProcess) -> None:
    url = postgres.create_database().replace("postgresql://", "postgresql+psycopg://")
    bot = own_bot(database=url)
    bot.start_worker("second")
    project = new_project(bot)
    for killed in ("worker", "second"):
        before, gate = len(bot.pods_made()), bot.ground.gate()
        sha = project.push(held(bot, gate, killed))
        gate.reached()
        bot.kill_worker(killed)
        gate.open()
        project.wait(sha, "success")
        project.wait(sha, "success", project.context)
        assert len(bot.pods_made()) == before + 1
        assert project.digest("main") == project.build(sha)["digest"] != ""
        bot.start_worker(killed)


def test_the_api_server_restarts_during_a_build(mine: Project) -> None:
    bot, gate = mine.bot, mine.bot.ground.gate()
    sha = mine.push(held(bot, gate))
    gate.reached()
    bot.ground.cluster.plane.restart_apiserver()
    gate.open()
    mine.wait(sha, "success")
    assert len(bot.pods_made()) == 1


@one_daemon
def test_an_older_build_that_ends_last_does_not_move_the_tag(project: Project) -> None:
    bot, gate = project.bot, project.bot.ground.gate()
    older = project.push(held(bot, gate))
    gate.reached()
    newer = project.push(quick(bot, "newer"))
    project.wait(newer, "success")
    project.wait(newer, "success", project.context)
    assert project.statuses(older)["pushwright"].state == "pending", "the older one ended first"
    newest = project.build(newer)["digest"]
    assert project.digest("main") == newest
    gate.open()
    project.wait(older)
    assert project.digest("main") == newest


@one_daemon
def test_a_force_push_during_the_build(project: Project) -> None:
    bot, gate = project.bot, project.bot.ground.gate()
    project.green(quick(bot, "first"))
    dropped = project.push(held(bot, gate, "dropped"))
    gate.reached()
    forced = project.repository.git.commit(quick(bot, "forced"), "Forced", [])
    project.set_refs({"refs/heads/main": forced})
    project.wait(forced, "success")
    project.wait(forced, "success", project.context)
    gate.open()
    project.wait(dropped)
    assert project.digest("main") == project.build(forced)["digest"]


@one_daemon
def test_a_branch_that_is_deleted_during_its_build(project: Project) -> None:
    gate = project.bot.ground.gate()
    sha = project.push(held(project.bot, gate))
    gate.reached()
    project.set_refs({"refs/heads/main": None})
    assert project.wait(sha).state == "error"
    project.bot.wait_for_no_pod()
    assert project.tags() == {}


@one_daemon
def test_cancelled_while_it_builds(project: Project) -> None:
    gate = project.bot.ground.gate()
    sha = project.push(held(project.bot, gate))
    gate.reached()
    url = project.wait(sha, "pending", project.context).target_url or ""
    project.bot.command("cancel", url.rpartition("/")[2])
    assert "cancelled" in str(project.wait(sha, "error", project.context).description)
    project.bot.wait_for_no_pod()
    assert project.tags() == {}


def test_cancelled_while_it_is_queued_and_while_its_base_is_pulled(
    own_bot: NewBot, ground: Ground
) -> None:
    """The one never gets a pod; the other is left alone, until a comment stops it."""
    gate, layer = ground.gate(), ground.base_layer()["digest"]
    with FaultProxy(ground.registry.host, HOST) as slow:
        slow.fault = lambda _, path: gate.hold() if path.endswith(f"/blobs/{layer}") else None
        registries = {host: {"insecure": True} for host in (ground.registry.host, slow.host)}
        bot = own_bot(config={"limits": {"builds": 1}, "registries": registries})
        first, second = new_project(bot), new_project(bot)
        bot.host.set_role(first.repository, "ada", "write")
        base = f"{slow.host}/{ground.base.partition('/')[2]}"
        pulls = first.push({"Dockerfile": f"FROM {base}\nRUN true\n"})
        gate.reached()
        pod = bot.wait_for_pod(pulls)
        queued = second.push(quick(bot, "second"))
        url = second.wait(queued, "pending", second.context).target_url or ""
        bot.command("cancel", url.rpartition("/")[2])
        assert "cancelled" in str(second.wait(queued, "error", second.context).description)
        assert first.wait(pulls, "pending", first.context), "it goes on"

        bot.host.comment(first.repository, "/cancel", sha=pulls, by="ada")
        said = first.wait(pulls, "error", first.context)
        assert said.description == "cancelled by @ada"
        bot.wait_for_no_pod()
        gate.open()
    assert first.tags() == second.tags() == {}
    assert bot.pods_made() == [pod["metadata"]["name"]]
