"""A log endpoint that hangs: its own build's result waits a while, nobody else's does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bot.ports import Temporary
from tests.fakes.executor_memory import Hold
from tests.scenarios.bot import Bot
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.world import ONE_IMAGE, World

pytestmark = ANY_HOST


@contextmanager
def hanging(world: World, sha: str) -> Iterator[threading.Event]:
    """Logs of that commit's attempts can't be read until the event is set."""
    free = threading.Event()

    def before(name: str) -> None:
        if world.executor.runs[name].sha == sha and not free.wait(60.0):
            raise Temporary("the log does not come")

    world.executor.before_log = before
    try:
        yield free
    finally:
        free.set()


def until(bot: Bot, check: Callable[[], bool]) -> None:
    """The bot goes on while threads of its own read; nothing but that takes real time."""
    deadline = time.monotonic() + 60.0
    while not check():
        assert time.monotonic() < deadline, "it did not come to pass"
        bot.settle()
        time.sleep(0.01)


def log_of(world: World, sha: str) -> list[int]:
    (run,) = world.executor.of("shop", sha)
    return [line.n for line in world.store.read_log(run.spec.origin.build, None, 0, 100)]


def test_a_log_that_hangs_holds_up_its_own_result_alone(world: World) -> None:
    bot = world.new_bot(log_threads=2)
    slow = world.push(ONE_IMAGE)
    with hanging(world, slow) as free:
        until(bot, lambda: bool(world.executor.of("shop", slow)))
        quick = [world.push(f"{n}.txt") for n in range(3)]
        until(bot, lambda: all(world.state(sha) == "success" for sha in quick))
        assert world.state(slow) == "pending"
        assert log_of(world, slow) == []
        free.set()
        until(bot, lambda: _turned(world) and world.state(slow) == "success")
    assert [log_of(world, sha) for sha in (slow, *quick)] == [[1, 2, 3]] * 4
    assert world.executor.starts == 4


def _turned(world: World) -> bool:
    world.clock.turn(1.0)
    return True


def test_a_result_does_not_wait_for_ever(world: World, caplog: pytest.LogCaptureFixture) -> None:
    bot = world.new_bot(log_threads=1)
    slow = world.push(ONE_IMAGE)
    with hanging(world, slow) as free:
        until(bot, lambda: bool(world.executor.of("shop", slow)))
        bot.settle()
        assert world.state(slow) == "pending"
        until(bot, lambda: _turned(world) and world.state(slow) == "success")
        assert not free.is_set()
    assert "does not wait for its log any longer" in caplog.text


def test_an_attempt_that_ends_while_it_is_read_is_read_to_its_end(world: World) -> None:
    """The reading that was under way began before the last lines were printed."""
    world.executor.usual = Hold()
    bot = world.new_bot(log_threads=1)
    sha = world.push(ONE_IMAGE)
    until(bot, lambda: bool(world.executor.of("shop", sha)))
    with hanging(world, sha) as free:
        asked: list[str] = []
        before = world.executor.before_log

        def counted(name: str) -> None:
            asked.append(name)
            before(name)

        world.executor.before_log = counted
        until(bot, lambda: _turned(world) and bool(asked))
        world.executor.end("shop", sha)
        until(bot, lambda: _turned(world) and bool(world.executor.runs[asked[0]].ended))
        free.set()
        until(bot, lambda: _turned(world) and world.state(sha) == "success")
    assert len(asked) >= 3, "once more, after the end, and until nothing came"
    assert log_of(world, sha) == [1, 2, 3]


def test_a_log_that_can_not_be_read_for_a_moment_is_not_lost(world: World) -> None:
    """Its pod is removed with the result: what was not read by then nobody reads any more."""
    bot = world.new_bot(log_threads=1)
    asked: list[str] = []

    def before(name: str) -> None:
        asked.append(name)
        if len(asked) < 3:
            raise Temporary("the cluster does not answer")

    world.executor.before_log = before
    sha = world.push(ONE_IMAGE)
    until(bot, lambda: world.state(sha) == "success")
    assert log_of(world, sha) == [1, 2, 3]
