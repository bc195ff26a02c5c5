"""Running of checks: side by side, each within its time, findings as they come.

A check that hangs or breaks is a finding like any other; none keeps the others from theirs.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.core.findings import About, Finding
from bot.ports import HostError

AT_ONCE = 8
SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Check:
    """`look` yields findings, and further checks that can run beside it. It has `seconds` from when
    it starts; its thread is left behind after that."""

    about: About
    look: Callable[[], Iterable[Finding | Check]]
    seconds: float = SECONDS


@dataclass(frozen=True, slots=True)
class _Running:
    check: Check
    deadline: float


_End = None
_Message = tuple[int, "Finding | Check | None"]


def run_checks(checks: Sequence[Check], *, seconds: float) -> Iterator[Finding]:
    """All findings, in the order in which they come. What has not begun after `seconds` is said and
    left out."""
    end = time.monotonic() + seconds
    waiting, running = deque(checks), dict[int, _Running]()
    said: queue.SimpleQueue[_Message] = queue.SimpleQueue()
    number = 0
    while waiting or running:
        while waiting and len(running) < AT_ONCE and time.monotonic() < end:
            number += 1
            check = waiting.popleft()
            _start(check, number, said)
            running[number] = _Running(check, min(time.monotonic() + check.seconds, end))
        if not running:
            yield from (_late(check, seconds) for check in waiting)
            return
        message = _next(said, running)
        match message:
            case None:
                yield from _overdue(running)
            case key, _ if key not in running:
                pass  # it was given up
            case key, None:
                del running[key]
            case _, Finding() as finding:
                yield finding
            case _, Check() as further:
                waiting.append(further)


def _start(check: Check, number: int, said: queue.SimpleQueue[_Message]) -> None:
    def work() -> None:
        try:
            for one in check.look():
                said.put((number, one))
        except HostError as error:
            said.put((number, check.about.fail(str(error), "see docs/doctor.md")))
        except Exception as error:  # noqa: BLE001  hostile answers end one check, not all
            text = f"this check broke ({type(error).__name__}: {error})"
            said.put((number, check.about.fail(text, "report it, with what answered strangely")))
        finally:
            said.put((number, _End))

    threading.Thread(target=work, name=f"doctor-{number}", daemon=True).start()


def _next(said: queue.SimpleQueue[_Message], running: dict[int, _Running]) -> _Message | None:
    """What comes next; None: a deadline passed first."""
    until = min(one.deadline for one in running.values())
    try:
        return said.get(timeout=max(0.0, until - time.monotonic()))
    except queue.Empty:
        return None


def _overdue(running: dict[int, _Running]) -> Iterator[Finding]:
    now = time.monotonic()
    for key, one in list(running.items()):
        if one.deadline <= now:
            del running[key]
            yield _late(one.check, one.check.seconds)


def _late(check: Check, seconds: float) -> Finding:
    text = f"not answered within {seconds:g} s"
    return check.about.fail(text, "see whether a firewall drops the connection; then run it again")
