"""A build that prints more than a node keeps: a real kubelet turns over no log of ours."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cluster.api import Json
from tests.cluster.e2e.bot import Bot
from tests.cluster.e2e.ground import Ground
from tests.cluster.e2e.project import new_project
from tests.cluster.images import BUSYBOX

pytestmark = pytest.mark.timeout(400)
KEPT = 10 << 20
"""Bytes of a log that a kubelet lets grow, unless it is told otherwise."""
LINES = 150_000
CHATTY = "head -c 13000000 /dev/zero | tr '\\0' x; sleep 600"


def test_a_chatty_build_is_read_whole(own_bot: Callable[..., Bot]) -> None:
    """Beside it a pod that prints as much as it likes, whose log is turned over. The worker reads
    some of the build's log as it comes and the rest after it was away."""
    bot = own_bot()
    ground, gate = bot.ground, bot.ground.gate()
    other = _other_pod(ground)
    project = new_project(bot)
    run = f"seq 1 {LINES} && {gate.step}"
    sha = project.push({"Dockerfile": f"FROM {ground.base}\nRUN {run}\n"})
    gate.reached()
    pod = bot.wait_for_pod(sha)
    _until(lambda: len(_files(ground, other)) > 1)
    assert len(_files(ground, pod, "docker")) == 1, "it was turned over while it ran"
    bot.worker().stop()
    gate.open()
    bot.wait_for_end(pod)
    (log,) = _files(ground, pod, "docker")
    assert 7 << 20 < log.stat().st_size < KEPT
    bot.start_worker()
    project.wait(sha, "success")
    project.wait(sha, "success", project.context)

    printed = bot.command("logs", str(project.build(sha)["id"])).splitlines()
    words = [line.rpartition("]] ")[2] for line in printed if "]] " in line]
    numbers = [int(word) for word in words if word.isdecimal()]
    assert (numbers[0], numbers[-1]) == (1, LINES)
    gaps = [at for at, (one, two) in enumerate(pairwise(numbers)) if two != one + 1]
    (gap,) = gaps
    assert numbers[gap] < numbers[gap + 1], "doubled"
    (left_out,) = [line for line in printed if "left out" in line]
    assert "bytes of log are left out here" in left_out


def _other_pod(ground: Ground) -> Json:
    """Prints 13 MB and stays."""
    namespace = ground.namespace("chatty")
    container = {"name": "main", "image": BUSYBOX, "imagePullPolicy": "Never"}
    spec = {
        "containers": [{**container, "command": ["sh", "-c", CHATTY]}],
        "terminationGracePeriodSeconds": 0,
    }
    body = {"metadata": {"name": "chatty"}, "spec": spec}
    return ground.api.create(f"/api/v1/namespaces/{namespace}/pods", body)


def _files(ground: Ground, pod: Json, container: str = "main") -> list[Path]:
    """A container's log on the node: one file, and one more each time that it was turned over."""
    about = pod["metadata"]
    name = f"{about['namespace']}_{about['name']}_{about['uid']}"
    return list((ground.cluster.folder / "pod-logs" / name / container).glob("*.log*"))


def _until(condition: Callable[[], bool], timeout: float = 120.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the kubelet turns over no log at all"
        time.sleep(0.2)
