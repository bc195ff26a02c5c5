"""Real builds on a real daemon while the bot is killed: adopted, reported, never run twice."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from bot.core.ids import HostKind
from bot.executors.docker.builders import find_builder
from bot.executors.docker.folder import AttemptFolder
from tests.docker.site import DEBIAN_DOCKER, Site, on
from tests.fakes.githost.host import FakeHost
from tests.fakes.githost.model import Repository
from tests.faults.bot_processes import PARTS, BotProcesses

pytestmark = pytest.mark.xdist_group("docker")


@dataclass(slots=True)
class Scene:
    """A bot with a build whose step waits until its time is up."""

    bot: BotProcesses
    site: Site
    repository: Repository

    @property
    def context(self) -> str:
        return f"pushwright/{self.repository.path.partition('/')[2]}"

    def push(self, seconds: int) -> str:
        step = f"RUN echo begun && sleep {seconds} && echo over\n"
        files = {"Dockerfile": f"FROM {self.site.base}\n{step}"}
        return self.bot.host.commit(self.repository, "main", files)

    def folder(self) -> AttemptFolder | None:
        """The only attempt's."""
        found = list((self.bot.state_folder / "attempts").glob("*"))
        assert len(found) <= 1, found
        return AttemptFolder(found[0]) if found else None

    def building(self) -> bool:
        folder = self.folder()
        return folder is not None and folder.log.exists() and b"begun" in folder.log.read_bytes()

    def pid(self) -> int | None:
        folder = self.folder()
        return find_builder(folder.recipe, folder.lock) if folder else None

    def state(self, sha: str, context: str) -> str:
        status = self.bot.host.statuses(self.repository, sha).get(context)
        return status.state if status else ""

    def rows(self, query: str) -> list[tuple[object, ...]]:
        engine = create_engine(self.bot.database_url, poolclass=NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def tags(self) -> set[str]:
        connection = http.client.HTTPConnection(self.site.registry.host, timeout=10)
        connection.request("GET", f"/v2/{self.repository.path}/tags/list")
        document = json.loads(connection.getresponse().read())
        connection.close()
        return set(document["tags"])

    def wait(self, check: Callable[[], object], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not come: {self.bot.log.read_text()[-4000:]}")
            time.sleep(0.05)

    def check(self, sha: str) -> None:
        """One attempt, one result, tags and statuses right, nothing left in the folder."""
        self.wait(lambda: self.state(sha, self.context) == "success")
        self.wait(lambda: self.state(sha, "pushwright") == "success")
        assert self.rows("SELECT state, attempt FROM build") == [("succeeded", 1)]
        assert self.rows("SELECT count(*) FROM attempt") == [(1,)]
        tags = self.tags()
        (pushed,) = [tag for tag in tags if tag.startswith("git-")]
        assert pushed.startswith(f"git-{sha[:12]}-")
        assert "main" in tags
        self.wait(lambda: self.folder() is None)
        states = [s.state for s in self.repository.statuses if s.context == self.context]
        assert states[-1] == "success"
        assert set(states[:-1]) <= {"pending"}


@contextmanager
def scene(site: Site, folder: Path, name: str) -> Iterator[Scene]:
    host = site.registry.host
    config = {
        "registries": {host: {"insecure": True}},
        "defaults": {"registry": host},
        "docker": {"host": site.daemon.host, "dedicated": True, "network": "none"},
    }
    with (
        FakeHost(HostKind.GITHUB, folder / "host") as fake,
        BotProcesses(folder, fake, config, path=str(site.client.parent)) as bot,
    ):
        made = Scene(bot, site, bot.repository(f"acme/{name}"))
        bot.start_all()
        yield made


@on(DEBIAN_DOCKER)
def test_a_build_is_adopted_by_the_next_worker(site: Site, tmp_path: Path) -> None:
    with scene(site, tmp_path, "adopted") as at:
        sha = at.push(4)
        at.wait(at.building)
        pid = at.pid()
        assert pid is not None
        at.bot.kill("worker")
        assert at.pid() == pid
        at.bot.start("worker")
        time.sleep(1.0)  # long enough to look at it, shorter than the step
        assert at.pid() == pid
        at.check(sha)


@on(DEBIAN_DOCKER)
def test_a_build_that_ended_while_the_bot_was_down_is_reported(site: Site, tmp_path: Path) -> None:
    with scene(site, tmp_path, "reported") as at:
        sha = at.push(1)
        at.wait(at.building)
        for part in PARTS:
            at.bot.kill(part)
        folder = at.folder()
        assert folder is not None
        at.wait(lambda: folder.result.exists() and not folder.alive())
        assert at.state(sha, at.context) != "success"
        at.bot.start_all()
        at.check(sha)
