"""A thread that breaks or hangs ends the worker: half a worker is worse than none."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from bot.loops import Bell, Loop, Worker
from bot.ports import Temporary


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
