"""How many durable transactions lie between the end of a build and its status. Each is a write to
the disk that the next one waits for: counted here, which does not depend on the machine."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, event

from bot.core.ids import HostKind
from bot.flow import Ports
from bot.hosts.factory import Hosts
from bot.reporting import StatusWriter
from tests.fakes.executor_memory import Hold
from tests.scenarios.world import ONE_IMAGE, World, opened

END_TO_STATUS = 16
"""Due and moved, twice: to its tags and to its end; two renderings with what they take up; what is
due to be written and each thing written: two tags at once, two statuses one by one; the attempt
that is forgotten."""


@contextmanager
def counted() -> Iterator[list[int]]:
    """One entry for each commit that changed a row, whatever the store."""
    commits: list[int] = []
    seen: dict[int, int] = {}

    def committed(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        if driver.total_changes != seen.get(id(driver), 0):
            commits.append(driver.total_changes)
        seen[id(driver)] = driver.total_changes

    event.listen(Engine, "commit", committed)
    try:
        yield commits
    finally:
        event.remove(Engine, "commit", committed)


def until_green(world: World, sha: str) -> None:
    for _ in range(40):
        for flow in world.bot.flows:
            world.bot.step(flow)
        if world.state(sha, "/shop") == "success":
            return
    raise AssertionError(world.shown(sha))


def test_from_the_end_of_a_build_to_its_status(kind: HostKind, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as world:
        world.executor.usual = Hold()
        sha = world.push(ONE_IMAGE)
        world.run(60)
        assert world.state(sha, "/shop") == "pending"
        world.executor.end("shop")
        world.clock.turn(5)
        with counted() as commits:
            until_green(world, sha)
        assert 0 < len(commits) <= END_TO_STATUS


def test_who_writes_comes_back_when_the_next_write_may_go_out(world: World) -> None:
    """No commit rings at that moment."""
    world.executor.usual = Hold()
    world.configure(pace="1s")
    sha = world.push(ONE_IMAGE)
    world.run(60)
    world.executor.end("shop")
    world.clock.turn(5)
    for _ in range(8):
        for flow in ("schedule", "tag", "report"):
            world.bot.step(flow)
    hosts = Hosts(world.central.sources, world.clock)
    writer = StatusWriter(
        Ports(world.store, hosts, world.executor, world.clock, lambda: world.central)
    )
    assert writer.step()
    assert not writer.step()
    assert 0.9 < writer.due() <= 1.0  # by the world's clock, which each request turns a little
    assert (world.state(sha), world.state(sha, "/shop")) == ("success", "pending")
    world.clock.turn(writer.due())
    assert writer.step()
    assert world.state(sha, "/shop") == "success"
    hosts.close()
