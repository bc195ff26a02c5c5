"""Worlds with the whole bot in them, and web processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.ids import HostKind
from tests.fakes.githost.github_apps import key_pair
from tests.fakes.githost.host import PLAYED
from tests.scenarios.talk import Talk
from tests.scenarios.web_process import (
    Receiver,
    start,
    stop,
)
from tests.scenarios.world import World, opened


@pytest.fixture(params=PLAYED)
def kind(request: pytest.FixtureRequest) -> HostKind:
    """Each scenario is played on both hosts."""
    found: HostKind = request.param
    return found


@pytest.fixture
def world(kind: HostKind, tmp_path: Path) -> Iterator[World]:
    """A Git host with an empty repository, a registry, an executor, and the bot beside them."""
    with opened(kind, tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def keys() -> tuple[str, str]:
    """Of a GitHub App, private and public."""
    return key_pair()


@pytest.fixture
def talk(world: World) -> Talk:
    """People who comment in that world."""
    return Talk(world).people()


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    running = start(tmp_path_factory.mktemp("receiver"))
    yield running
    stop(running)
    log = running.log.read_text()
    assert "Traceback" not in log, log


@pytest.fixture
def own_receiver(tmp_path: Path) -> Iterator[Receiver]:
    """One of the test's own, to stop and starve."""
    running = start(tmp_path)
    yield running
    if running.process.poll() is None:
        stop(running)
