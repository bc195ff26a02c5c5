"""When a log that could not be read is asked for again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest

from bot.core.podsettings import Kubernetes
from bot.executors.kubernetes.api import Api, Bounds
from bot.executors.kubernetes.executor import KubernetesExecutor, Surroundings
from bot.ports import Temporary
from tests.fakes.clock import HandClock
from tests.kubernetes.scene import BUILD, settings
from tests.kubernetes.statuses import RUNS, pod

NAME = f"{BUILD}-1"


class Cluster:
    """The first reading of a log fails after so many seconds, all others have a line."""

    ahead = 0.0

    def __init__(self, clock: HandClock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self.readings = 0

    def get(self, path: str, query: object = None, *, accept: str = "") -> Mapping[str, Any]:
        return pod("Running", RUNS, RUNS)

    @contextlib.contextmanager
    def stream(self, path: str, query: object, bounds: Bounds) -> Iterator[Iterator[bytes]]:
        self.readings += 1
        if self.readings == 1:
            self._clock.turn(self._seconds or bounds.silence)
            raise Temporary("no log")
        yield iter([b'{"n": 1}\n'])


def reader(clock: HandClock, cluster: Cluster) -> KubernetesExecutor:
    around = Surroundings(lambda: Kubernetes(settings()), lambda hosts, trusted: {}, lambda _: None)
    executor = KubernetesExecutor(around, cast("Api", cluster), clock)
    with pytest.raises(Temporary, match="no log"):
        executor.read_log(NAME, 0, 10)
    return executor


def test_a_kubelet_that_restarts_is_asked_again_at_once() -> None:
    """A build may end meanwhile, and its pod goes with what nobody read."""
    clock = HandClock()
    executor = reader(clock, Cluster(clock, 0.1))
    assert [line.n for line in executor.read_log(NAME, 0, 10)] == [1]


def test_a_node_that_says_nothing_is_left_alone_for_a_minute() -> None:
    clock = HandClock()
    cluster = Cluster(clock, 0.0)
    executor = reader(clock, cluster)
    with pytest.raises(Temporary, match="a moment ago"):
        executor.read_log(NAME, 0, 10)
    assert cluster.readings == 1
    clock.turn(60.0)
    assert [line.n for line in executor.read_log(NAME, 0, 10)] == [1]
