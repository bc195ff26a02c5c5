"""What every executor does, whatever runs the builds. A `Stage` is one executor's world."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from bot.core.builds import Ended, NotThere, Observation, OutcomeClass, Pending, Running
from bot.ports import AttemptSpec, Executor, Permanent


class Stage(Protocol):
    """`executor` makes a new one on the same world, as a restarted bot does. Attempts of `spec` run
    until a test ends them, and have printed `printed` records."""

    printed: int

    def executor(self) -> Executor: ...

    def spec(self, name: str) -> AttemptSpec: ...

    def begin(self, name: str) -> None:
        """It runs now."""

    def end(self, name: str) -> None:
        """The builder succeeds."""

    def kill(self, name: str) -> None:
        """The builder dies without a word."""

    def stopped(self, name: str) -> None:
        """What was told to stop has done so."""

    def runs(self, name: str) -> int:
        """How often a builder was started."""


def eventually(check: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def over(executor: Executor, name: str) -> Observation:
    seen: list[Observation] = [executor.observe(name)]

    def ended() -> bool:
        seen.append(executor.observe(name))
        return not isinstance(seen[-1], Pending | Running)

    eventually(ended)
    return seen[-1]


def started(stage: Stage, name: str) -> Executor:
    executor = stage.executor()
    executor.start(stage.spec(name))
    stage.begin(name)
    eventually(lambda: isinstance(executor.observe(name), Running))
    return executor


class ExecutorContract:
    """A subclass for each executor gives the fixture `stage`."""

    def test_what_was_never_started_is_not_there(self, stage: Stage) -> None:
        executor = stage.executor()
        assert isinstance(executor.observe("b-1"), NotThere)
        assert list(executor.running()) == []
        assert list(executor.read_log("b-1", 0, 10)) == []
        executor.cancel("b-1")
        executor.forget("b-1")
        executor.housekeeping()

    def test_from_start_to_success(self, stage: Stage) -> None:
        executor = started(stage, "b-1")
        stage.end("b-1")
        seen = over(executor, "b-1")
        assert isinstance(seen, Ended)
        assert seen.outcome is OutcomeClass.SUCCEEDED
        assert seen.result is not None
        assert seen.result.outcome is OutcomeClass.SUCCEEDED

    def test_a_started_attempt_is_held_until_it_is_forgotten(self, stage: Stage) -> None:
        executor = started(stage, "b-1")
        assert list(executor.running()) == ["b-1"]
        stage.end("b-1")
        over(executor, "b-1")
        assert list(stage.executor().running()) == ["b-1"]
        executor.forget("b-1")
        stage.stopped("b-1")
        eventually(lambda: isinstance(executor.observe("b-1"), NotThere))
        assert list(executor.running()) == []
        executor.forget("b-1")

    def test_starting_again_finds_the_first(self, stage: Stage) -> None:
        started(stage, "b-1").start(stage.spec("b-1"))
        restarted = stage.executor()
        restarted.start(stage.spec("b-1"))
        assert isinstance(restarted.observe("b-1"), Running)
        assert stage.runs("b-1") == 1
        stage.end("b-1")
        assert isinstance(over(restarted, "b-1"), Ended)

    def test_another_recipe_never_takes_the_name(self, stage: Stage) -> None:
        executor = started(stage, "b-1")
        with pytest.raises(Permanent):
            executor.start(replace(stage.spec("b-1"), recipe_hash="f" * 64))
        assert stage.runs("b-1") == 1

    def test_a_builder_that_died_is_no_success(self, stage: Stage) -> None:
        executor = started(stage, "b-1")
        stage.kill("b-1")
        seen = over(executor, "b-1")
        assert isinstance(seen, Ended)
        assert seen.result is None
        assert seen.outcome is OutcomeClass.BUILDER_LOST
        assert seen.cause

    def test_what_is_cancelled_ends_and_is_no_success(self, stage: Stage) -> None:
        executor = started(stage, "b-1")
        executor.cancel("b-1")
        executor.cancel("b-1")
        stage.stopped("b-1")
        seen = over(executor, "b-1")
        assert isinstance(seen, NotThere) or (
            isinstance(seen, Ended) and seen.outcome is OutcomeClass.CANCELLED
        )

    def test_attempts_do_not_touch_one_another(self, stage: Stage) -> None:
        executor = started(stage, "b-1")
        executor.start(stage.spec("b-2"))
        stage.begin("b-2")
        executor.cancel("b-1")
        stage.stopped("b-1")
        over(executor, "b-1")
        eventually(lambda: isinstance(executor.observe("b-2"), Running))
        stage.end("b-2")
        assert isinstance(over(executor, "b-2"), Ended)

    def test_a_log_is_read_by_number(self, stage: Stage) -> None:
        executor = started(stage, "b-1")
        eventually(lambda: len(executor.read_log("b-1", 0, 100)) == stage.printed)
        numbers = [line.n for line in stage.executor().read_log("b-1", 0, 100)]
        assert numbers == list(range(1, stage.printed + 1))
        first = stage.executor().read_log("b-1", 0, 1)
        assert [line.n for line in first] == [1]
        assert [line.n for line in executor.read_log("b-1", 1, 100)] == numbers[1:]
        assert list(executor.read_log("b-1", stage.printed, 100)) == []

    def test_what_is_refused_by_trust_is_refused_at_the_start_too(self, stage: Stage) -> None:
        executor = stage.executor()
        assert executor.refuses(trusted=True) is None
        why = executor.refuses(trusted=False)
        assert why
        with pytest.raises(Permanent):
            executor.start(replace(stage.spec("b-1"), trusted=False))
        assert isinstance(executor.observe("b-1"), NotThere)

    def test_what_changed_is_told_by_name(self, stage: Stage) -> None:
        executor = started(stage, "b-1")
        assert executor.look_seconds > 0
        assert set(executor.changed()) <= {"b-1"}
