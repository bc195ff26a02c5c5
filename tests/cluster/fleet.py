"""Schedulers with the Kubernetes executor on one database, and a kubelet for all their pods."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.clock import SystemClock
from bot.core.builds import BuildState
from bot.core.centralconfig import CentralConfig, Limits, RepositoryRule, Source
from bot.core.events import Repository
from bot.core.ids import HostKind, ImageKey
from bot.core.plans import PlannedImage, PlannedNeed
from bot.executors.kubernetes.executor import KubernetesExecutor
from bot.flow import Ports
from bot.housekeeping import Housekeeper
from bot.ports import CloneCredential, HostFactory, Temporary
from bot.records import BuildRow
from bot.scheduling import Scheduler
from bot.store import SqlStore
from tests.cluster.executor_bench import Bench, Kubelet, stamp
from tests.contract.databases import SOURCE, Address, branch, sha
from tests.contract.databases import Bench as StoreBench
from tests.fakes.registry_memory import MemoryRegistry

PATTERN = "acme/*"
CHECKED = {"version": 1, "class": "succeeded", "message": "built, not pushed"}


class Host:
    """All that starting an attempt asks of a Git host."""

    def clone_credential(self, repository: Repository) -> CloneCredential | None:
        return CloneCredential("x-access-token", "a-token")


class HostsOfOne:
    def get(self, source: str) -> Any:
        return Host()


def central(limit: int, per_repository: int) -> CentralConfig:
    source = Source(SOURCE, HostKind.GITHUB, "https://git.example", "https://git.example/api")
    return CentralConfig(
        public_url="https://bot.test",
        sources={SOURCE: source},
        repositories=(RepositoryRule(PATTERN, ("reg.example/**",)),),
        limits=Limits(builds=limit, builds_per_repository=per_repository),
    )


def check(commit: str, number: int, needs: tuple[PlannedNeed, ...] = ()) -> PlannedImage:
    """A build that pushes nothing: its pod's result alone decides."""
    recipe = {
        "version": 1,
        "source": {"url": f"https://git.example/acme/shop{number}.git", "sha": commit},
        "build": {"context": ".", "dockerfile": "Dockerfile"},
        "push": None,
    }
    identity = f"{number}.{commit}"
    return PlannedImage(
        ImageKey("api"), (), (), recipe, identity, "test", check_only=True, needs=needs
    )


def queue(store: SqlStore, repository_number: int, count: int) -> None:
    """So many commits of one repository, all wanted; as if they had been pushed just now."""
    bench = StoreBench(store, repository_number, time.time() - 3600)
    for n in range(1, count + 1):
        commit = sha(repository_number * 100_000 + n)
        wish = branch(commit, check(commit, repository_number), name=f"branch-{n}")
        bench.push(wish)


@dataclass
class Worker:
    """One worker's scheduling: its loops, as threads."""

    address: Address
    executor: KubernetesExecutor
    config: CentralConfig
    over: threading.Event = field(default_factory=threading.Event)
    errors: list[BaseException] = field(default_factory=list)
    most: int = 0

    def start(self) -> None:
        self.store = self.address.open()
        hosts: HostFactory = HostsOfOne()
        ports = Ports(self.store, hosts, self.executor, SystemClock(), lambda: self.config)
        registry = MemoryRegistry()
        self.scheduler = Scheduler(ports, registry)
        self.housekeeper = Housekeeper(ports, registry)
        loops: list[Callable[[], bool]] = [self.schedule, self.housekeeper.step]
        loops += [watch.step for watch in self.executor.watches]
        self.threads = [threading.Thread(target=self._loop, args=(s,), daemon=True) for s in loops]
        for thread in self.threads:
            thread.start()

    def schedule(self) -> bool:
        moved = self.scheduler.step()
        self.most = max(self.most, self.store.active_count())
        return moved

    def _loop(self, step: Callable[[], bool]) -> None:
        while not self.over.is_set():
            try:
                if not step():
                    self.over.wait(0.05)
            except Temporary as error:
                self.over.wait(error.after or 1.0)
            except BaseException as error:  # noqa: BLE001  told by the test
                self.errors.append(error)
                return

    def stop(self) -> None:
        self.over.set()
        for thread in self.threads[:2]:
            thread.join(20)
        self.store.close()


class Crew:
    """A scheduler and a kubelet for every pod of a namespace: bound, run, ended, removed.
    `hold`: pods run on until it is cleared. `spoil(pod name)` may give another end than success."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._kubelet = Kubelet(bench.admin, bench.namespace)
        self.hold = threading.Event()
        self.over = threading.Event()
        self.started: list[str] = []
        self.most = 0
        self.errors: list[BaseException] = []
        self._ended: set[str] = set()
        self._began: set[str] = set()

    def step(self) -> bool:
        pods = self._bench.list("pods")
        alive = [p for p in pods if p["metadata"]["name"] not in self._ended]
        self.most = max(self.most, len(alive))
        for pod in pods:
            self._pod(pod)
        return True

    def _pod(self, pod: Any) -> None:
        name = pod["metadata"]["name"]
        if "deletionTimestamp" in pod["metadata"]:
            self._kubelet.remove(name)
            self.removed()
        elif name not in self._began:
            # Noted once it is done: an apiserver that goes away in between is asked again.
            if "nodeName" not in pod["spec"]:
                self._kubelet.bind(name)
            self._kubelet.run(name)
            self._began.add(name)
            self.started.append(pod["metadata"]["labels"]["pushwright.dev/repository"])
        elif name not in self._ended and not self.hold.is_set():
            self._kubelet.end(name, CHECKED, startTime=stamp(time.time()))
            self._ended.add(name)

    def removed(self) -> None:
        """A pod is gone."""

    @contextmanager
    def working(self) -> Iterator[Crew]:
        def loop() -> None:
            try:
                while not self.over.is_set():
                    self.step()
                    self.over.wait(0.02 if self.most < 50 else 0.5)
            except BaseException as error:  # noqa: BLE001  told by the test
                self.errors.append(error)

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            thread.join(30)


def at_rest(store: SqlStore, count: int) -> bool:
    return len(ended(store)) == count


def ended(store: SqlStore) -> list[BuildRow]:
    return [row for row, _ in store.find_builds(limit=2000) if row.state.final]


def active(store: SqlStore) -> list[BuildRow]:
    rows = [row for row, _ in store.find_builds(limit=2000)]
    return [row for row in rows if row.state in (BuildState.STARTING, BuildState.RUNNING)]


def rows_of(folder: Path) -> Address:
    """A database of SQLite, with its schema."""
    from bot.store import open_store

    url = f"sqlite:///{folder}/bot.db"
    open_store(url, create=True).close()
    return Address(url, "sqlite")
