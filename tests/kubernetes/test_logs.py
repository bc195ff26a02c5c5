"""A pod's log as it is shown: what a node no longer had is said where it is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from bot.core.builds import LogLine
from bot.core.logtext import log_texts
from bot.executors.kubernetes.logs import PodLogs
from tests.fakes.clock import HandClock

WHY = "(log rotation on the node: containerLogMaxSize of its kubelet)"


class Node:
    """`kept`: numbers of the lines that it still has."""

    def __init__(self) -> None:
        self.kept = range(1, 4)

    @contextmanager
    def reading(self, seconds: int | None) -> Iterator[Iterator[bytes]]:
        lines = (json.dumps({"n": n, "k": "log", "x": f"line {n}"}) for n in self.kept)
        yield iter([f"{line}\n".encode() for line in lines])


def read(logs: PodLogs, node: Node, after: int, limit: int = 10) -> list[LogLine]:
    return list(logs.read("a-1", after, limit, node.reading, ended=False))


def test_lines_that_were_turned_over_are_counted() -> None:
    node, logs = Node(), PodLogs(HandClock())
    got = read(logs, node, 0)
    node.kept = range(9, 11)
    assert read(logs, node, 3) == []  # the end was reached before
    got += read(logs, node, 3)
    assert [line.n for line in got] == [1, 2, 3, 8, 9, 10]
    shown = log_texts([line.text for line in got])
    assert shown[3:] == [f"5 lines were lost {WHY}", "line 9", "line 10"]


def test_a_gap_is_told_once_whoever_reads_on() -> None:
    node = Node()
    node.kept = range(3, 4)
    (note,) = read(PodLogs(HandClock()), node, 0, limit=1)
    (line,) = read(PodLogs(HandClock()), node, note.n)
    assert log_texts([note.text, line.text]) == [f"2 lines were lost {WHY}", "line 3"]
