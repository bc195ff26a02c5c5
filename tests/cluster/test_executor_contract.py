"""The contract of executors, held by the kubernetes one at a real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from bot.executors.kubernetes.names import object_name
from bot.ports import AttemptSpec, Executor
from tests.cluster.api import ApiError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.executor_bench import NODE, Bench, make_bench, spec
from tests.cluster.log_kubelet import LogKubelet
from tests.contract.executor_suite import ExecutorContract, Stage


class KubernetesStage:
    printed = 2

    def __init__(self, bench: Bench, node: LogKubelet) -> None:
        self._bench, self._node = bench, node
        self._specs: dict[str, AttemptSpec] = {}

    def executor(self) -> Executor:
        return self._bench.executor()

    def spec(self, name: str) -> AttemptSpec:
        return self._specs.setdefault(name, spec(name))

    def begin(self, name: str) -> None:
        pod = object_name(name)
        records = [json.dumps({"n": n, "t": 0, "k": "note", "x": "begun"}) for n in (1, 2)]
        self._node.logs[pod] = [(0.0, line.encode()) for line in records]
        self._bench.kubelet.bind(pod)
        self._bench.kubelet.run(pod)

    def end(self, name: str) -> None:
        self._bench.kubelet.end(object_name(name))

    def kill(self, name: str) -> None:
        self._bench.kubelet.end(object_name(name), "", code=137)

    def stopped(self, name: str) -> None:
        if "deletionTimestamp" in self._bench.pod(name)["metadata"]:
            self._bench.kubelet.remove(object_name(name))

    def runs(self, name: str) -> int:
        """A pod of that name that is still the first one runs its builder once."""
        try:
            return 1 if self._bench.pod(name) else 0
        except ApiError:
            return 0


class TestKubernetes(ExecutorContract):
    @pytest.fixture
    def stage(self, plane: ControlPlane) -> Iterator[Stage]:
        bench = make_bench(plane)
        with LogKubelet(plane, NODE) as node:
            yield KubernetesStage(bench, node)
        bench.close()
