"""A worker with 500 active pods: an apiserver of its own, where nothing runs what it is told.

The bot is whole, pushes included; the pods are told to run by the tests' kubelet.
"""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bot.core.podsettings import Kubernetes, PodSettings
from tests.bench.cluster_builds import Run, database
from tests.bench.processes import memory
from tests.bench.table import Row, Target
from tests.cluster.control_plane import ControlPlane
from tests.cluster.e2e.bot import Bot
from tests.cluster.e2e.ground import Ground
from tests.cluster.e2e.project import Project, new_project
from tests.cluster.executor_bench import NODE, Bench
from tests.cluster.fleet import Crew
from tests.cluster.images import BOT, DIND29
from tests.cluster.log_kubelet import LogKubelet
from tests.cluster.node import Cluster

ALL = "version: 1\nimages:\n  app:\n    on: {push: {branches: ['**']}}\n"
WAIT = 900.0
LOOK = 20.0
"""Seconds until a build of which nothing is heard is looked at again: a build whose next look lies
that far ahead of a start has been looked at since."""


class Light(Ground):
    """Another apiserver beside the node, which knows nothing of its pods."""

    def __init__(self, ground: Ground, plane: ControlPlane) -> None:
        self.folder = plane.folder
        self.cluster = Cluster(plane.folder / "no-node")
        self.cluster.plane = plane
        self.registry = ground.registry
        self.base = ground.base
        self._numbers = itertools.count(1)


def measure(run: Run) -> list[Row]:
    folder = run.ground.folder / "fleet"
    count = run.sizes.pods
    limits = {"builds": count, "builds-per-repository": count}
    with ControlPlane(folder) as plane, LogKubelet(plane, NODE):
        bot = Bot(Light(run.ground, plane), DIND29, folder / "bot", config={"limits": limits})
        try:
            bot.start()
            return _measured(bot, plane, count)
        finally:
            bot.stop()


def _measured(bot: Bot, plane: ControlPlane, count: int) -> list[Row]:
    meter = Meter(bot)
    bench = Bench(plane, bot.namespace, Kubernetes(PodSettings(bot.namespace, BOT, DIND29)))
    crew = Crew(bench)
    crew.hold.set()
    with crew.working():
        _push_branches(new_project(bot), count)
        began = time.monotonic()
        meter.until(lambda: _running(bot) == count or bool(crew.errors), 0.5)
        seconds = time.monotonic() - began
    if crew.errors:
        raise crew.errors[0]
    bot.worker().stop()
    restarted = time.time()
    bot.start_worker()
    meter.until(lambda: _running(bot, restarted + LOOK) == count, 0.1)
    reconciled = time.time() - restarted
    meter.rest(LOOK)
    note = f"greatest proportional set size; all running {seconds:.0f} s after the pushes"
    of = f"with {count} active pods"
    return [
        Row(f"worker's memory {of}", meter.most, "MiB", Target("at most", 300), note),
        Row(
            f"worker's restart to reconciled {of}", reconciled, "s", Target("at most", 10),
            "from the process's start until each build was looked at",
        ),
    ]  # fmt: skip


class Meter:
    """The most memory that the worker took while one waited."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self.most = 0.0

    def until(self, done: Callable[[], bool], pause: float) -> None:
        deadline = time.monotonic() + WAIT
        while not done():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {WAIT:.0f} s; {_running(self._bot)} builds run")
            self.rest(pause)

    def rest(self, seconds: float) -> None:
        time.sleep(seconds)
        pid = self._bot.worker().pid
        if pid is None:
            raise RuntimeError(f"the worker ended: {self._bot.worker().log_text()[-500:]}")
        self.most = max(self.most, memory(pid))


def _push_branches(project: Project, count: int) -> None:
    """One push of so many branches, each with a commit of its own."""
    git = project.repository.git
    last = git.commit({"Dockerfile": "FROM scratch\n", ".pushwright.yaml": ALL}, "First")
    refs = {}
    for n in range(count):
        last = git.commit({"app.txt": f"{n}\n"}, "Change", [last])
        refs[f"refs/heads/branch-{n}"] = last
    project.set_refs(refs)


def _running(bot: Bot, looked_at: float = 0.0) -> int:
    """Running builds whose next look is not before `looked_at`."""
    asked = "select count(*) from build where state = 'running' and next_at >= ?"
    with closing(sqlite3.connect(Path(database(bot)), timeout=30)) as connection:
        [(found,)] = connection.execute(asked, (looked_at,)).fetchall()
    return int(found)
