from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.core.ids import HostKind
from tests.cluster.e2e.attempts import Attempts
from tests.cluster.e2e.bot import Bot
from tests.cluster.e2e.ground import Ground
from tests.cluster.e2e.project import Project, new_project
from tests.cluster.images import DIND20, DIND29
from tests.cluster.node import HOST
from tests.fakes.githost.host import FakeHost


@pytest.fixture(scope="package")
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """One node with a registry for all scenarios. Logs are kept where one of them failed."""
    folder = Path(tempfile.mkdtemp(prefix="pw-cluster-", dir="/tmp"))
    failed = request.session.testsfailed
    made = Ground(folder)
    made.start()
    yield made
    made.stop()
    if request.session.testsfailed > failed:
        print(f"logs of the node and of all bots: {folder}")
    else:
        shutil.rmtree(folder)


@pytest.fixture(params=[DIND29, DIND20], ids=["dockerd29", "dockerd20"])
def dockerd(request: pytest.FixtureRequest) -> str:
    """The image of build pods' daemon: a test that takes it runs with both."""
    return str(request.param)


@pytest.fixture
def attempts(ground: Ground, dockerd: str) -> Attempts:
    return Attempts(ground, ground.namespace("by-hand"), dockerd)


@pytest.fixture
def githost(tmp_path: Path) -> Iterator[FakeHost]:
    """GitHub's stand-in where pods reach it."""
    with FakeHost(HostKind.GITHUB, tmp_path, address=HOST) as host:
        yield host


@pytest.fixture(scope="package")
def bots(ground: Ground) -> Iterator[dict[str, Bot]]:
    """One bot for each dockerd, started when first asked for and left running by scenarios."""
    started: dict[str, Bot] = {}
    yield started
    for bot in started.values():
        bot.stop()


@pytest.fixture
def bot(ground: Ground, bots: dict[str, Bot], dockerd: str) -> Bot:
    if dockerd not in bots:
        name = dockerd.rpartition(":")[2]
        made = Bot(ground, dockerd, ground.folder / f"bot-{name}")
        try:
            made.start()
        except BaseException:
            made.stop()
            raise
        bots[dockerd] = made
    return bots[dockerd]


@pytest.fixture
def project(bot: Bot) -> Project:
    """A new private repository of the shared bot."""
    return new_project(bot)


def _bots(ground: Ground) -> Iterator[Callable[..., Bot]]:
    made: list[Bot] = []

    def make(dockerd: str = DIND29, **more: Any) -> Bot:
        made.append(Bot(ground, dockerd, ground.folder / f"own-bot-{ground.number()}", **more))
        made[-1].start()
        return made[-1]

    yield make
    for bot in made:
        bot.stop()


@pytest.fixture
def own_bot(ground: Ground) -> Iterator[Callable[..., Bot]]:
    """Makes a bot for this test alone, to be stopped, killed or configured otherwise: the arguments
    are `Bot`'s, the daemon is dockerd 29 unless told otherwise."""
    yield from _bots(ground)


@pytest.fixture(scope="module")
def module_bot(ground: Ground) -> Iterator[Callable[..., Bot]]:
    """The same for the tests of a module, whose builds then wait side by side."""
    yield from _bots(ground)
