"""A thread that breaks or hangs ends the worker: half a worker is worse than none."""

from __future__ import annotations

import functools
import itertools
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from bot.loops import Bell, Loop, Worker
from bot.ports import Temporary

if TYPE_CHECKING:
    from _typeshed import TraceFunction


@dataclass(slots=True)
class TurnedClock:
    offset: float = 0.0

    def now(self) -> float:
        return time.time() + self.offset

    def monotonic(self) -> float:
        return time.monotonic() + self.offset


def quiet(_seconds: float) -> bool:
    time.sleep(0.05)
    return False


def breathing(_seconds: float) -> bool:
    time.sleep(0.001)
    return False


def run(worker: Worker) -> tuple[threading.Thread, list[bool]]:
    good: list[bool] = []
    thread = threading.Thread(target=lambda: good.append(worker.run()))
    thread.start()
    return thread, good


def counting(turns: threading.Semaphore) -> Callable[[], bool]:
    """A step that has nothing to do, once for each time that it is asked."""

    def step() -> bool:
        turns.release()
        return False

    return step


def breaking(error: Exception) -> Callable[[], bool]:
    def step() -> bool:
        raise error

    return step


@pytest.mark.parametrize("error", [RuntimeError("x"), OSError("x"), KeyError("x")])
def test_a_loop_that_raises_ends_the_worker(error: Exception) -> None:
    turned = threading.Event()

    def step() -> bool:
        turned.set()
        return False

    loops = [Loop("good", step, 0.05), Loop("bad", breaking(error), 0.05)]
    worker = Worker(loops, quiet, TurnedClock())
    assert worker.run() is False
    assert turned.is_set()


def test_a_bell_that_breaks_ends_the_worker_too() -> None:
    """Nobody would hear of commits any longer, and nobody would be told."""

    def wait(_seconds: float) -> bool:
        raise OSError("no descriptor is left")

    worker = Worker([Loop("one", counting(threading.Semaphore(0)), 600.0)], wait, TurnedClock())
    thread, good = run(worker)
    thread.join(20)
    worker.stop()
    assert good == [False]


def interrupted(line: int) -> bool:
    """A worker that was told to stop, and is told again in its own thread before that line of what
    it runs, as by a signal's handler. False: it ran fewer lines."""
    worker, lines = Worker([], breathing, TurnedClock()), itertools.count(1)
    came = threading.Event()

    def trace(_frame: FrameType, event: str, _argument: object) -> TraceFunction:
        if event == "line" and next(lines) == line:
            worker.stop()
            came.set()
        return trace

    def traced() -> None:
        sys.settrace(trace)
        worker.run()

    worker.stop()
    thread = threading.Thread(target=traced, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), f"it never ended: the signal came before line {line}"
    return came.is_set()


def test_a_signal_may_come_between_any_two_lines() -> None:
    """Its handler runs in the thread that waits: where that holds a lock which `stop` takes, both
    wait for ever."""
    assert sum(1 for _ in itertools.takewhile(interrupted, itertools.count(1))) > 20


def test_a_loop_that_is_told_to_come_later_goes_on() -> None:
    asked = threading.Semaphore(0)

    def step() -> bool:
        asked.release()
        raise Temporary("the host is down", 0.01)

    worker = Worker([Loop("busy", step, 0.05)], quiet, TurnedClock())
    thread, good = run(worker)
    for _ in range(3):
        assert asked.acquire(timeout=20)
    worker.stop()
    thread.join(20)
    assert good == [True]


def test_a_loop_that_hangs_ends_the_worker() -> None:
    clock, entered, leave = TurnedClock(), threading.Event(), threading.Event()

    def step() -> bool:
        entered.set()
        leave.wait(20)
        return False

    thread, good = run(Worker([Loop("slow", step, 0.05, stuck=900.0)], quiet, clock))
    assert entered.wait(20)
    clock.offset = 901.0
    thread.join(1.2)
    leave.set()  # its thread may end; the worker has made up its mind or will at its next look
    thread.join(20)
    assert good == [False]


def test_a_listener_that_fails_for_a_while_rings_again() -> None:
    rings = iter([Temporary("the database is away", 0.01)])
    woken = threading.Semaphore(0)

    def wait(_seconds: float) -> bool:
        for error in rings:
            raise error
        time.sleep(0.01)
        return True

    worker = Worker([Loop("one", counting(woken), 600.0)], wait, TurnedClock())
    thread, good = run(worker)
    for _ in range(3):
        assert woken.acquire(timeout=20)
    worker.stop()
    thread.join(20)
    assert good == [True]


def test_the_heart_beats_until_a_loop_hangs() -> None:
    clock, beats, leave = TurnedClock(), list[float](), threading.Event()
    twice = threading.Event()

    def beat() -> None:
        beats.append(clock.offset)
        if len(beats) == 2:
            twice.set()

    def step() -> bool:
        return leave.wait(20)

    loops = [Loop("slow", step, 0.05, stuck=900.0)]
    thread, good = run(Worker(loops, quiet, clock, beat))
    assert twice.wait(20)
    clock.offset = 901.0
    thread.join(1.2)
    leave.set()
    thread.join(20)
    assert good == [False]
    assert beats.count(901.0) <= 1  # the one that was on its way


def test_a_bell_with_a_name_wakes_that_loop_alone() -> None:
    """Both would sleep for ever: only what is rung for runs again."""
    bell, turns = Bell(), {"one": threading.Semaphore(0), "other": threading.Semaphore(0)}

    def step(name: str) -> bool:
        turns[name].release()
        return False

    loops = [Loop(name, functools.partial(step, name), 600.0) for name in turns]
    worker = Worker(loops, quiet, TurnedClock(), bell=bell)
    thread, good = run(worker)
    assert all(turn.acquire(timeout=20) for turn in turns.values())
    for _ in range(3):
        bell.ring("one")
        assert turns["one"].acquire(timeout=20)
    assert not turns["other"].acquire(blocking=False)
    worker.stop()
    thread.join(20)
    assert good == [True]


def test_a_loop_that_commits_do_not_wake_hears_its_name_and_the_end() -> None:
    bell, turns = Bell(), threading.Semaphore(0)

    worker = Worker(
        [Loop("one", counting(turns), 600.0, rung=False)], quiet, TurnedClock(), bell=bell
    )
    thread, good = run(worker)
    assert turns.acquire(timeout=20)
    bell.ring()
    bell.ring("one")
    assert turns.acquire(timeout=20)
    assert not turns.acquire(blocking=False)  # the ring for all was not heard
    worker.stop()
    thread.join(20)
    assert good == [True]


def test_a_loop_comes_back_when_it_said() -> None:
    turns = threading.Semaphore(0)

    worker = Worker([Loop("one", counting(turns), 600.0, due=lambda: 0.01)], quiet, TurnedClock())
    thread, good = run(worker)
    for _ in range(3):
        assert turns.acquire(timeout=20)
    worker.stop()
    thread.join(20)
    assert good == [True]
