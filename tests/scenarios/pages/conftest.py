"""What a test of pages begins with."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from bot.core.ids import HostKind
from bot.web import pages
from bot.web.app import create_app
from bot.web.sources import ConfiguredSources
from tests.scenarios.pages.visits import Talkative
from tests.scenarios.world import World


@pytest.fixture
def kind() -> HostKind:
    """Pages know no host: one is enough."""
    return HostKind.GITHUB


@pytest.fixture
def talk(world: World) -> list[tuple[str, str]]:
    """What the next builds print."""
    executor = Talkative(world.clock, world.images.push)
    world.executor = executor
    world.restart()
    return executor.said


@pytest.fixture
def browser(world: World) -> FlaskClient:
    sources = ConfiguredSources(lambda: world.central, world.clock.monotonic)
    blueprint = pages.blueprint(world.store, world.clock, lambda: world.central)
    return create_app(sources, world.store, world.clock, [blueprint]).test_client()
