"""One build of ours on the node, and when each thing of it happened.

All times are seconds since the epoch by this machine's clock, which pods share.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
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
    builder had pushed, `alone` seconds after it began to build; `last`: its last line; `ended`: the
    kubelet had told of its end; `told`: the host had the image's final status."""

    moved: float
    created: float
    image: float
    alone: float
    last: float
    ended: float
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
        plane, pod = self.ground.cluster.plane, object_name(f"{build}-{attempt}")
        records = _records(self.bot, build)
        built = next(one for one in records if one["k"] == "phase" and _ends_build(one))
        last = records[-1]["t"]
        found = Build(
            moved, pod_created(plane, pod), built["t"], built["seconds"], last,
            _end_told(plane, pod, last), told,
        )  # fmt: skip
        self.builds.append(found)
        return found


def pod_created(plane: ControlPlane, name: str) -> float:
    """When the apiserver had made a pod, by its audit log: the pod itself tells whole seconds."""
    made = (at for at, what in _of_pod(plane, name) if what == "create pods")
    return next(made)


def _end_told(plane: ControlPlane, name: str, after: float) -> float:
    """When the kubelet had first told something of a pod after that time."""
    return next(at for at, what in _of_pod(plane, name) if what == "patch status" and at > after)


def _of_pod(plane: ControlPlane, name: str) -> Iterator[tuple[float, str]]:
    """What was done with a pod, oldest first; RuntimeError for who wants more than there is."""
    for event in plane.audit_events():
        about = event.get("objectRef", {})
        done = event["responseStatus"]["code"] < 300
        if done and about.get("resource") == "pods" and about.get("name") == name:
            at = dt.datetime.fromisoformat(event["stageTimestamp"]).timestamp()
            yield at, f"{event['verb']} {about.get('subresource', 'pods')}"
    raise RuntimeError(f"the apiserver's audit log tells no more of the pod {name}")


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
    if not builds:
        return []
    starts = [one.created - one.moved for one in builds]
    ends = [one.told - one.last for one in builds]
    count = f"{len(builds)} builds"
    heard = median([one.ended - one.last for one in builds])
    return [
        Row(
            "push to pod created, p50", median(starts), "s", Target("at most", 0.5),
            f"{count}, slowest {max(starts):.2f} s",
        ),
        Row(
            "builder's last line to status, p50", median(ends), "s", None,
            f"{count}; until the kubelet told of the end {heard:.2f} s of it",
        ),
        Row(
            "builder's last line to status, p99", quantile(ends, 0.99), "s", Target("at most", 5.0),
            f"{count}: of fewer than 100 it is the slowest",
        ),
    ]  # fmt: skip
