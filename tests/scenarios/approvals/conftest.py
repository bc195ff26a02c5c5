"""A repository that is built, an executor that takes approved code, and a fork's request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.ids import HostKind
from tests.scenarios.approvals.words import Fork
from tests.scenarios.talk import Talk
from tests.scenarios.world import FILES, World, opened


@pytest.fixture
def talk(kind: HostKind, tmp_path: Path) -> Iterator[Talk]:
    with opened(kind, tmp_path) as world:
        found = Talk(world).people()
        world.executor.untrusted = True
        world.push(FILES)
        world.run()
        yield found


@pytest.fixture
def world(talk: Talk) -> World:
    return talk.world


@pytest.fixture
def fork(talk: Talk) -> Fork:
    """A fork's request that was said to wait a while ago."""
    made = talk.fork_request()
    talk.world.run(30)
    return made
