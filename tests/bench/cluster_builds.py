"""One build of ours on the node, and when each thing of it happened.

All times are seconds since the epoch by this machine's clock, which pods share.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from bot.core.ids import BuildId
from bot.executors.kubernetes.names import object_name
from bot.store import open_store
from tests.bench.table import Row, Target, median, quantile
from tests.cluster.api import Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.e2e.bot import Bot
from tests.cluster.e2e.ground import Ground
from tests.cluster.e2e.project import Project


@dataclass(frozen=True, slots=True)
class Sizes:
    """`rounds` of each scenario, `pushes` one after another, `idle` seconds, `pods` at once."""

    rounds: int
    pushes: int
    idle: float
    pods: int


@dataclass(frozen=True, slots=True)
class Build:
    """`moved`: the branch at the host; `created`: the apiserver had made the pod; `image`: the
    builder had pushed, `alone` seconds after it began to build; `last`: its last line; `told`: the
    host had the image's final status."""

    moved: float
    created: float
    image: float
    alone: float
    last: float
    told: float


@dataclass(slots=True)
class Run:
    """What all measures share. `builds` are all of ours so far."""

    ground: Ground
    bot: Bot
    sizes: Sizes
    builds: list[Build] = field(default_factory=list)

    def push(self, project: Project, files: Mapping[str, str]) -> Build:
        """Push to main and wait for green. AssertionError where it does not come."""
        git = project.repository.git
        head = git.resolve("refs/heads/main")
        sha = git.commit(files, "Change", [head] if head else [])
        moved = time.time()
        project.set_refs({"refs/heads/main": sha})
        told = project.wait(sha, "success", project.context).at
        project.wait(sha, "success")
        build, attempt = _build_of(self.bot, sha)
        created = pod_created(self.ground.cluster.plane, object_name(f"{build}-{attempt}"))
        records = _records(self.bot, build)
        ended = next(one for one in records if one["k"] == "phase" and _ends_build(one))
        found = Build(moved, created, ended["t"], ended["seconds"], records[-1]["t"], told)
        self.builds.append(found)
        return found


def pod_created(plane: ControlPlane, name: str) -> float:
    """When the apiserver had made a pod, by its audit log: the pod itself tells whole seconds."""
    for event in plane.audit_events():
        about = event.get("objectRef", {})
        made = event["verb"] == "create" and event["responseStatus"]["code"] == 201
        if made and about.get("resource") == "pods" and about.get("name") == name:
            return dt.datetime.fromisoformat(event["stageTimestamp"]).timestamp()
    raise RuntimeError(f"the apiserver's audit log has no pod {name}")


def database(bot: Bot) -> str:
    return f"{bot.folder}/pushwright.db"


def _build_of(bot: Bot, sha: str) -> tuple[str, int]:
    """The only build of a commit, and which attempt of it ended well."""
    with closing(sqlite3.connect(database(bot))) as connection:
        asked = connection.execute("select id, attempt from build where sha = ?", (sha,))
        [(build, attempt)] = asked.fetchall()
    return build, attempt


def _records(bot: Bot, build: str) -> list[Json]:
    """All that the builder printed."""
    store = open_store(f"sqlite:///{database(bot)}")
    try:
        return [json.loads(one.text) for one in store.read_log(BuildId(build), None, 0, 100_000)]
    finally:
        store.close()


def _ends_build(record: Json) -> bool:
    return bool(record["name"] == "build" and record["state"] == "end")


def timings(builds: Sequence[Build]) -> list[Row]:
    """The bot's own time before and after a build, over all of this run."""
    starts = [one.created - one.moved for one in builds]
    ends = [one.told - one.last for one in builds]
    if not builds:
        return []
    count = f"{len(builds)} builds"
    return [
        Row(
            "push to pod created, p50", median(starts), "s", Target("at most", 0.5),
            f"{count}, slowest {max(starts):.2f} s",
        ),
        Row(
            "builder's last line to status, p50", median(ends), "s", Target("at most", 1.0), count,
        ),
        Row(
            "builder's last line to status, p99", quantile(ends, 0.99), "s", Target("at most", 5.0),
            f"{count}: of fewer than 100 it is the slowest",
        ),
    ]  # fmt: skip
