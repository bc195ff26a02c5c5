"""The world of the scenarios with the real Gitea in it: its webhooks come to the bot's receiver,
people push to its repositories, comments and statuses are read back from it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.core import events
from bot.core.hookplan import WantedHook
from bot.core.hostneeds import GITEA_EVENTS
from bot.core.ids import HostKind, RepositoryId
from bot.hosts.gitea.client_setup import GiteaSetup
from tests.fakes.migrated import sqlite_file
from tests.gitea.host import GiteaFace
from tests.gitea.process import ADMIN, GiteaProcess
from tests.scenarios.world import SECRET, SOURCE, World, opened


class GiteaWorld(World):
    """Its webhooks are made by the client behind `pushwright hooks sync`. The bot's time is turned
    by hand, Gitea's is the real one."""

    def __init__(self, gitea: GiteaProcess, folder: Path) -> None:
        self.face = GiteaFace(gitea, folder / "host")
        self.face.clear()
        super().__init__(HostKind.GITEA, folder, sqlite_file(folder), host=self.face)

    def api(self, method: str, path: str, body: object = None, by: str = ADMIN) -> Any:
        """Of the repository: what `path` names of it."""
        return self.face.api(method, f"/repos/{self.repository.path}{path}", body, by)

    def hook(self, repository: Any) -> None:
        setup = GiteaSetup(self.central.sources[SOURCE])
        url = f"{self.url}/webhooks/{SOURCE}"
        known = events.Repository(
            RepositoryId(repository.id), repository.path, "main", self.host.clone_url(repository),
            f"{self.host.url}/{repository.path}",
        )  # fmt: skip
        try:
            setup.create_hook(known, WantedHook(url, GITEA_EVENTS), SECRET)
        finally:
            setup.close()

    def run(self, seconds: float = 120.0) -> None:
        """A second of Gitea's passes too, and its times are in whole seconds: what is done from
        here on is later there than what the bot has done."""
        super().run(seconds)
        time.sleep(1.1)


def opened_on(
    request: pytest.FixtureRequest, kind: HostKind, folder: Path
) -> AbstractContextManager[World]:
    """As `opened`, on the stand-ins and on the real Gitea."""
    if kind is HostKind.GITEA:
        return opened_gitea(request.getfixturevalue("gitea"), folder)
    return opened(kind, folder)


@contextmanager
def opened_gitea(gitea: GiteaProcess, folder: Path) -> Iterator[GiteaWorld]:
    """As `opened`."""
    world = GiteaWorld(gitea, folder)
    world.open()
    try:
        world.settle()
        yield world
    finally:
        world.close()
