"""From a comment to the bot's reactions, as the person sees them who wrote it.

The demo's machine with `pushwright serve`, and the Git host's stand-in, each of whose answers takes
as long as a real host's over the internet.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import closing
from dataclasses import dataclass

from bot.core.ids import HostKind
from tests.bench.builds import Quiet
from tests.bench.table import Row, Target, median, quantile
from tests.demo.githost import PlayedHost
from tests.demo.machine import Machine
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.model import Comment, Request
from tests.fakes.registry_process import GET, PROGRAM

COMMENTS = 9
ANSWER = 0.2
"""Seconds that each answer of the host takes."""
WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of one comment until its first reaction, and until the one that says what came of
    it."""

    first: float
    last: float


def measure(_seconds: float) -> list[Row]:
    if os.geteuid() != 0:
        return [Row("comments", None, "", note="the daemon of its own needs root")]
    if shutil.which(PROGRAM) is None:
        return [Row("comments", None, "", note=f"{PROGRAM} is missing: {GET}")]
    return [row for kind in (HostKind.GITHUB, HostKind.GITLAB) for row in _rows(kind)]


def _rows(kind: HostKind) -> list[Row]:
    with closing(Machine(kind, Quiet())) as machine:
        machine.open()
        machine.push({"README.md": "nothing to build\n"}, "First")
        assert isinstance(machine.host, PlayedHost)
        host, repository = machine.host.host, machine.host.repository
        host.commit(repository, "topic", {"README.md": "changed\n"})
        request = host.open_request(repository, "topic")
        time.sleep(3)  # both are decided, and the pace is free
        host.faults.add(Fault("slow", count=10**9, seconds=ANSWER))
        _commented(machine.host, request)  # the first one asks who the bot is
        taken = [_commented(machine.host, request) for _ in range(COMMENTS)]
    firsts, lasts = [one.first for one in taken], [one.last for one in taken]
    slow = f"{COMMENTS} comments, p90 {{:.2f}} s; each answer of the host takes {ANSWER} s"
    return [
        Row(
            f"{kind}: comment to reaction, p50", median(firsts), "s", Target("at most", 1.0),
            slow.format(quantile(firsts, 0.9)),
        ),
        Row(
            f"{kind}: comment to what came of it, p50", median(lasts), "s", None,
            slow.format(quantile(lasts, 0.9)),
        ),
    ]  # fmt: skip


def _commented(played: PlayedHost, request: Request) -> Taken:
    began = time.monotonic()
    comment = played.host.comment(played.repository, "/status", number=request.number)
    first = _reaction(comment, set()) - began
    last = _reaction(comment, {"eyes"}) - began
    time.sleep(2.5)  # the answer is written, and the pace is free again
    return Taken(first, last)


def _reaction(comment: Comment, but_not: set[str]) -> float:
    """When the comment has one that is none of those."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        if {word for word, _ in list(comment.reactions)} - but_not:
            return time.monotonic()
        time.sleep(0.01)
    raise RuntimeError(f"a comment has only {comment.reactions} after {WAIT:.0f} s")
