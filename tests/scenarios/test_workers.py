"""Workers stop, stall and work side by side: the result is the same, and there is one attempt."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.ids import HostKind
from bot.ports import AttemptSpec
from tests.contract.databases import postgres_server
from tests.fakes.executor_memory import Hold
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.host import PLAYED
from tests.fakes.migrated import postgres_database
from tests.fakes.postgres_process import PostgresProcess
from tests.fakes.registry_memory import nothing
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.stops import stopping, until_stopped
from tests.scenarios.world import FILES, ONE_IMAGE, World, opened

API = "services/api/app.txt"
LEASES = 61.0
"""Longer than any lease: what a stopped worker held is free again."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresProcess]:
    yield from postgres_server()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("apart", [13, pytest.param(2, marks=pytest.mark.long)])
@ANY_HOST
def test_a_worker_that_stops_anywhere_changes_nothing_but_timing(
    kind: HostKind, apart: int, tmp_path: Path
) -> None:
    """One push after another; in each the worker is killed `apart` calls into its store later than
    in the one before, in the end after its last."""
    with opened(kind, tmp_path) as world:
        world.push(FILES)
        world.run()
        kills, number = 0, 0
        for number in range(1, 200):
            sha = world.push({API: f"{number}\n"})
            world.host.hooks.wait()
            bot = world.new_bot(stopping(world.store, apart * number, before=bool(number % 3)))
            stopped = until_stopped(bot.settle)
            kills += stopped
            world.restart()
            world.run(LEASES)
            assert len(world.executor.of("api", sha)) == 1, f"killed {number * apart} calls on"
            assert world.tags("api")["main"] == world.built("api", sha)
            assert world.state(sha) == "success", f"killed {number * apart} calls on"
            if not stopped:
                break
        assert kills * apart > 30
        assert len(world.ran("web")) == 1


@ANY_HOST
def test_a_restart_in_each_state_is_no_retry(world: World) -> None:
    world.executor.usual = Hold()
    sha = world.push(ONE_IMAGE)
    for flow in ("decide", "decide", "schedule", "report", "status", "schedule"):
        world.host.hooks.wait()
        world.bot.step(flow)
        world.restart()
        world.clock.turn(31)
    world.executor.end("shop")
    for flow in ("schedule", "tag", "report", "schedule", "report", "status", "status"):
        world.bot.step(flow)
        world.restart()
        world.clock.turn(31)
    world.run(60)
    assert [run.spec.name[-2:] for run in world.executor.of("shop", sha)] == ["-1"]
    assert world.state(sha) == world.state(sha, "/shop") == "success"
    assert world.tags()["main"] == world.built("shop", sha)


@ANY_HOST
def test_an_admitted_build_whose_worker_died_is_started_once(world: World) -> None:
    sha = world.push(ONE_IMAGE)
    world.host.hooks.wait()
    dying = world.new_bot()

    def die(_: AttemptSpec) -> None:
        raise KeyboardInterrupt

    world.executor.before_start = die
    with pytest.raises(KeyboardInterrupt):
        dying.settle()
    world.executor.before_start = lambda _: None
    world.clock.turn(3600)
    world.run()
    assert world.ran() == [sha]
    assert world.runs()[0].spec.name.endswith("-1")
    assert world.state(sha) == "success"


@ANY_HOST
def test_an_attempt_that_turns_up_after_it_was_forgotten_is_removed(world: World) -> None:
    """Its start went through when nobody waited for it any more."""
    world.push(ONE_IMAGE)
    world.run()
    (name,) = world.executor.forgotten
    world.executor.forgotten.clear()
    world.executor.usual = Hold()
    world.push("a.txt")
    world.run(400)
    assert world.executor.forgotten == {name}
    assert len(world.executor.running()) == 1, "one that is at work stays"


@ANY_HOST
def test_a_stalled_scheduler_loses_its_write(world: World) -> None:
    """It looks at a build, sleeps for longer than its lease, and wakes when all is done."""
    world.executor.usual = Hold()
    sha = world.push(ONE_IMAGE)
    world.run(10)
    stalled, other = world.new_bot(), world.new_bot()

    def faster() -> None:
        world.executor.before_observe = nothing
        world.clock.turn(LEASES)
        world.executor.end("shop")
        other.settle()

    world.executor.before_observe = faster
    stalled.settle()
    world.run()
    assert world.ran() == [sha]
    assert world.state(sha) == "success"
    assert [e.kind for e in world.store.entries(limit=50)].count("succeeded") == 1


@ANY_HOST
def test_a_stalled_tagger_is_put_right_within_a_lease(world: World) -> None:
    first = world.push(ONE_IMAGE)
    world.run()
    second = world.push("a.txt")
    stalled, other = world.new_bot(), world.new_bot()

    def faster() -> None:
        world.images.before_move = nothing
        world.clock.turn(31)
        third = world.push("b.txt")
        world.host.hooks.wait()
        other.settle()
        assert world.tags()["main"] == world.built("shop", third)

    world.images.before_move = faster
    world.host.hooks.wait()
    stalled.settle()
    assert world.tags()["main"] == world.built("shop", second), "the late write came through"
    world.run(62)
    newest = world.ran()[-1]
    assert newest not in (first, second)
    assert world.tags()["main"] == world.built("shop", newest)


def test_a_stalled_status_writer_is_put_right_within_a_lease(world: World) -> None:
    world.executor.usual = Hold()
    sha = world.push(ONE_IMAGE)
    world.run(20)
    late = world.status(sha, "/shop")
    world.executor.end("shop")
    world.run(5)
    done = world.status(sha, "/shop")
    status = [s for s in world.repository.statuses if s.context == "pushwright/shop"][-1]
    status.state, status.description = ("pending", late[1])
    world.run(40)
    assert world.status(sha, "/shop") == done


@pytest.mark.parametrize(
    ("database", "seed"),
    [
        ("sqlite", 1),
        ("postgresql", 2),
        pytest.param("sqlite", 2, marks=pytest.mark.long),
        pytest.param("postgresql", 1, marks=pytest.mark.long),
    ],
)
def test_two_workers_side_by_side(
    database: str, seed: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Their steps interleave at random, and each is stopped now and then."""
    url = None
    if database == "postgresql":
        server: PostgresProcess = request.getfixturevalue("postgres")
        url = postgres_database(server)
    chance = random.Random(seed)
    kind = PLAYED[seed % 2]
    with opened(kind, tmp_path, url) as world:
        world.host.faults.add(
            Fault("answer", method="POST", path="/statuses/", status=502, count=3)
        )
        shas = [world.push(FILES)]
        bots = [world.new_bot(), world.new_bot()]
        for turn in range(300):
            if turn in (60, 120):
                shas.append(world.push({API: f"{turn}\n"}))
                world.host.hooks.wait()
            which = chance.randrange(2)
            if chance.random() < 0.1:
                store = stopping(world.store, chance.randrange(1, 9), before=chance.random() < 0.5)
                doomed = world.new_bot(store)
                until_stopped(doomed.settle)
            bots[which].step(chance.choice(list(bots[which].flows)))
            world.clock.turn(chance.choice([0.0, 0.3, 1.0, 31.0]))
        world.run()
        for sha in shas:
            assert [run.spec.name[-2:] for run in world.executor.of("api", sha)] == ["-1"]
            assert world.state(sha) == "success"
        assert len(world.executor.of("web")) == 1
        assert world.tags("api")["main"] == world.built("api", shas[-1])
