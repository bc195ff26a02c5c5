"""The executor in memory and the docker executor; tests/cluster has the kubernetes executor's."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.ports import AttemptSpec, Executor
from tests.contract.executor_suite import ExecutorContract, Stage, eventually
from tests.executor.bench import Bench, spec
from tests.fakes.clock import HandClock
from tests.fakes.executor_memory import Die, Hold, MemoryExecutor, Succeed
from tests.fakes.registry_memory import MemoryRegistry


class MemoryStage:
    printed = 3

    def __init__(self) -> None:
        self._executor = MemoryExecutor(HandClock(), MemoryRegistry().push, usual=Hold())

    def executor(self) -> Executor:
        """Its world is in it."""
        return self._executor

    def spec(self, name: str) -> AttemptSpec:
        recipe: dict[str, Any] = {"source": {"sha": "1" * 40}, "build": {"context": "."}}
        return replace(spec(name), recipe=recipe | {"push": None})

    def begin(self, name: str) -> None: ...

    def end(self, name: str) -> None:
        self._executor.runs[name].ending = Succeed()

    def kill(self, name: str) -> None:
        self._executor.runs[name].ending = Die()

    def stopped(self, name: str) -> None: ...

    def runs(self, name: str) -> int:
        return list(self._executor.runs).count(name)


@dataclass
class DockerStage:
    bench: Bench
    printed: int = 1

    def executor(self) -> Executor:
        return self.bench.executor()

    def spec(self, name: str) -> AttemptSpec:
        return spec(name, until=str(self._gate(name)))

    def _gate(self, name: str) -> Path:
        return self.bench.folder / f"gate-{name}"

    def begin(self, name: str) -> None:
        eventually(lambda: self.bench.has_run(name))

    def end(self, name: str) -> None:
        self._gate(name).touch()

    def kill(self, name: str) -> None:
        (pid,) = [int(p.suffix[1:]) for p in (self.bench.folder / "counts").glob(f"{name}.*")]
        os.kill(pid, signal.SIGKILL)

    def stopped(self, name: str) -> None: ...

    def runs(self, name: str) -> int:
        return len(self.bench.runs(name))


class TestMemory(ExecutorContract):
    @pytest.fixture
    def stage(self) -> Stage:
        return MemoryStage()


class TestDocker(ExecutorContract):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        bench = Bench(tmp_path)
        yield DockerStage(bench)
        bench.close()


def test_the_executor_in_memory_takes_documents_only() -> None:
    stage = MemoryStage()
    wanted = stage.spec("b-1")
    with pytest.raises(TypeError):
        stage.executor().start(replace(wanted, recipe={**wanted.recipe, "x": object()}))
