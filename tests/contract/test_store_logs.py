"""Logs: exact by line number, bounded, and never in the way."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.core.builds import BuildState, LogLine
from bot.records import (
    BuildRow,
    LeaseLost,
    Move,
)
from bot.store import logs
from tests.contract.databases import LEASE, Bench, branch, image, sha


@pytest.fixture
def build(bench: Bench) -> BuildRow:
    bench.push(branch(sha(1), image("api", sha(1))))
    return bench.start()


def line(n: int, text: str = "", kind: str = "log") -> LogLine:
    return LogLine(n, json.dumps({"n": n, "t": 1.0, "k": kind, "text": text}))


def lines(first: int, last: int) -> list[LogLine]:
    return [line(n, f"line {n}") for n in range(first, last + 1)]


def test_lines_are_stored_once_whatever_is_sent_again(bench: Bench, build: BuildRow) -> None:
    assert bench.store.append_log(build, lines(1, 10), bench.now) == 10
    assert bench.store.append_log(build, lines(5, 15), bench.now) == 15
    assert bench.store.append_log(build, lines(1, 3), bench.now) == 15
    assert bench.store.append_log(build, [], bench.now) == 15
    assert bench.store.read_log(build.id, None, 0, 1000) == lines(1, 15)
    assert bench.store.read_log(build.id, 1, 7, 3) == lines(8, 10)
    assert bench.store.read_log(build.id, 2, 0, 10) == []
    assert bench.store.tail_log(build.id, 4) == lines(12, 15)
    found = bench.store.build(build.id)
    assert found is not None
    assert found[0].log_n == 15


def test_any_text_survives(bench: Bench, build: BuildRow) -> None:
    texts = ["", "ünï\u2028 \x85 \x0b", "no json at all \ud800", "a\nb", "\0", "[" * 3000]
    bench.store.append_log(build, [LogLine(n, text) for n, text in enumerate(texts, 1)], bench.now)
    read = bench.store.read_log(build.id, None, 0, 100)
    assert [each.n for each in read] == [1, 2, 3, 4, 5, 6]
    assert read[1].text == texts[1]
    assert read[3].text == "a b"
    assert bench.store.steps(build.id) == []


def test_the_beginning_and_the_end_of_a_long_log_stay(bench: Bench, build: BuildRow) -> None:
    noise = random.Random(1)
    total = 0
    n = 1
    while total < 3 * (logs.HEAD + logs.TAIL):
        batch: Sequence[LogLine] = [
            line(n + each, noise.randbytes(500).hex()) for each in range(1000)
        ]
        total += sum(len(each.text) for each in batch)
        n += 1000
        bench.store.append_log(build, batch, bench.now)
    read = bench.store.read_log(build.id, None, 0, 10**9)
    assert read[0].n == 1
    assert read[-1].n == n - 1
    size = sum(len(each.text) for each in read)
    assert logs.HEAD + logs.TAIL - logs.CHUNK * 3 < size < logs.HEAD + logs.TAIL + logs.CHUNK * 3
    (gap,) = [each for each in read if json.loads(each.text)["k"] == "note"]
    after = next(each.n for each in read if each.n > gap.n)
    assert json.loads(gap.text)["x"] == f"lines {gap.n} to {after - 1} left out"
    paged: list[LogLine] = []
    while page := bench.store.read_log(build.id, None, paged[-1].n if paged else 0, 3000):
        paged += page
    assert paged == read


def test_a_line_without_end_is_left_out(bench: Bench, build: BuildRow) -> None:
    bench.store.append_log(build, [LogLine(1, "x" * (logs.LONGEST_LINE + 1)), line(2)], bench.now)
    first, second = bench.store.read_log(build.id, None, 0, 9)
    assert "left out" in first.text
    assert second == line(2)


def test_steps_are_kept_apart_per_attempt(bench: Bench, build: BuildRow) -> None:
    step = LogLine(2, json.dumps({"n": 2, "k": "step", "instruction": "RUN make", "hit": True}))
    bench.store.append_log(build, [line(1), step, line(3, '"step"')], bench.now)
    bench.store.append_log(build, [step], bench.now)
    assert [each["instruction"] for each in bench.store.steps(build.id)] == ["RUN make"]
    bench.store.move_build(build, Move(BuildState.QUEUED, "again"), bench.tick())
    again = bench.start()
    assert again.log_n == 0
    bench.store.append_log(again, [line(1)], bench.now)
    assert bench.store.read_log(build.id, None, 0, 9) == [line(1)]
    assert len(bench.store.read_log(build.id, 1, 0, 9)) == 3
    assert len(bench.store.steps(build.id)) == 1  # the newest attempt that told any


def test_readers_need_no_lease_and_meet_without_doubling(bench: Bench, build: BuildRow) -> None:
    """Reading goes on while somebody else holds the build, or looks at it in another worker."""
    bench.store.due_builds(bench.tick(LEASE + 1), LEASE, 9)
    assert bench.store.append_log(build, lines(1, 2), bench.now) == 2
    (held,) = bench.store.due_builds(bench.tick(LEASE + 1), LEASE, 9)
    assert bench.store.append_log(held, lines(1, 3), bench.now) == 3
    assert bench.store.append_log(build, lines(2, 3), bench.now) == 3
    assert bench.store.read_log(build.id, None, 0, 9) == lines(1, 3)


def test_an_attempt_that_is_gone_takes_no_lines(bench: Bench, build: BuildRow) -> None:
    with pytest.raises(LeaseLost):
        bench.store.append_log(replace(build, attempt=7), lines(1, 2), bench.now)


def test_a_page_that_shows_a_log_is_remembered(bench: Bench, build: BuildRow) -> None:
    bench.store.watch_log(build.id, 5000.0)
    bench.store.watch_log(build.id, 4000.0)
    found = bench.store.build(build.id)
    assert found is not None
    assert found[0].watched_until == 5000.0
