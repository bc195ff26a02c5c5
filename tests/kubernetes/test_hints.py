"""When a pod's events are asked for: by the clock that made its times, not by ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from bot.core.builds import Pending
from bot.core.podsettings import Kubernetes
from bot.executors.kubernetes.api import Api
from bot.executors.kubernetes.executor import KubernetesExecutor, Surroundings
from tests.fakes.clock import HandClock
from tests.kubernetes.scene import BUILD, settings
from tests.kubernetes.statuses import SCHEDULED, pod, waits

NAME = f"{BUILD}-1"
EVENT = {"reason": "FailedMount", "message": 'secret "npm" not found'}


class Cluster:
    """One pod that is being started on a node, and an event that says what it waits for."""

    def __init__(self, clock: HandClock, ahead: float) -> None:
        self.ahead = ahead
        self.events = 0
        making = waits("PodInitializing")
        self._pod = pod("Pending", making, making, conditions=[SCHEDULED])
        stamp = datetime.fromtimestamp(clock.now() + ahead, UTC)
        self._pod["metadata"] |= {"creationTimestamp": stamp.isoformat(), "uid": "u"}
        self._pod["spec"]["nodeName"] = "node1"

    def get(self, path: str, query: object = None, *, accept: str = "") -> Mapping[str, Any]:
        if path.endswith("/events"):
            self.events += 1
            return {"items": [EVENT]}
        return self._pod


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
def test_a_clock_that_is_wrong_neither_hurries_nor_withholds_the_reason(ahead: float) -> None:
    clock = HandClock()
    cluster = Cluster(clock, ahead)
    around = Surroundings(
        lambda: Kubernetes(settings()), lambda hosts, trusted: {}, lambda name: None
    )
    executor = KubernetesExecutor(around, cast("Api", cluster), clock)
    assert isinstance(executor.observe(NAME), Pending)
    assert cluster.events == 0
    clock.turn(20.0)
    seen = executor.observe(NAME)
    assert cluster.events == 1
    assert isinstance(seen, Pending)
    assert 'secret "npm" not found' in seen.reason
