"""Builds go on whatever happens to the bot, the API server and the branch meanwhile."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.e2e.bot import Bot
from tests.cluster.e2e.project import Project, new_project
from tests.fakes.postgres_process import PostgresProcess

pytestmark = pytest.mark.timeout(300)
NewBot = Callable[..., Bot]


def slow(bot: Bot, seconds: int, word: str = "hello") -> dict[str, str]:
    """A Dockerfile whose step takes that long."""
    run = f"RUN sleep {seconds} && echo {word} > /word"
    return {"Dockerfile": f"FROM {bot.ground.base}\n{run}\n"}


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


def test_a_bot_that_was_away_reports_what_happened(mine: Project) -> None:
    bot = mine.bot
    sha = mine.push(slow(bot, 4))
    pod = bot.wait_for_pod()
    bot.worker().stop()
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
        before = len(bot.pods_made())
        sha = project.push(slow(bot, 4, killed))
        bot.wait_for_pod()
        bot.kill_worker(killed)
        project.wait(sha, "success")
        assert len(bot.pods_made()) == before + 1
        assert project.digest("main") == project.build(sha)["digest"] != ""
        bot.start_worker(killed)


def test_the_api_server_restarts_during_a_build(mine: Project) -> None:
    bot = mine.bot
    sha = mine.push(slow(bot, 6))
    bot.wait_for_pod()
    bot.ground.cluster.plane.restart_apiserver()
    mine.wait(sha, "success")
    assert len(bot.pods_made()) == 1


def test_an_older_build_that_ends_last_does_not_move_the_tag(mine: Project) -> None:
    older = mine.push(slow(mine.bot, 15, "older"))
    mine.bot.wait_for_pod()
    newer = mine.push(slow(mine.bot, 0, "newer"))
    mine.wait(newer, "success")
    assert mine.statuses(older)["pushwright"].state == "pending", "the older one ended first"
    newest = mine.build(newer)["digest"]
    assert mine.digest("main") == newest
    mine.wait(older)
    assert mine.digest("main") == newest


def test_a_force_push_during_the_build(mine: Project) -> None:
    mine.green(slow(mine.bot, 0, "first"))
    git = mine.repository.git
    dropped = mine.push(slow(mine.bot, 8, "dropped"))
    mine.bot.wait_for_pod()
    forced = git.commit(slow(mine.bot, 0, "forced"), "Forced", [])
    mine.set_refs({"refs/heads/main": forced})
    mine.wait(forced, "success")
    mine.wait(dropped)
    assert mine.digest("main") == mine.build(forced)["digest"]


def test_a_branch_that_is_deleted_during_its_build(mine: Project) -> None:
    sha = mine.push(slow(mine.bot, 60))
    mine.bot.wait_for_pod()
    mine.set_refs({"refs/heads/main": None})
    assert mine.wait(sha).state == "error"
    mine.bot.wait_for_no_pod()
    assert mine.tags() == {}


def test_cancelled_while_it_builds(mine: Project) -> None:
    sha = mine.push(slow(mine.bot, 60))
    mine.bot.wait_for_pod()
    url = mine.wait(sha, "pending", mine.context).target_url or ""
    mine.bot.command("cancel", url.rpartition("/")[2])
    assert "cancelled" in str(mine.wait(sha, "error", mine.context).description)
    mine.bot.wait_for_no_pod()
    assert mine.tags() == {}


def test_cancelled_while_it_is_queued(own_bot: NewBot) -> None:
    """Behind another repository's build: it never gets a pod, and the other one is left alone."""
    bot = own_bot(config={"limits": {"builds": 1}})
    first, second = new_project(bot), new_project(bot)
    built = first.push(slow(bot, 15))
    pod = bot.wait_for_pod()
    queued = second.push(slow(bot, 1))
    url = second.wait(queued, "pending", second.context).target_url or ""
    bot.command("cancel", url.rpartition("/")[2])
    assert "cancelled" in str(second.wait(queued, "error", second.context).description)
    first.wait(built, "success")
    assert bot.pods_made() == [pod["metadata"]["name"]]
