"""Pushes one after another: dockerd's start, calls per build, calls while nothing is built."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bot.executors.kubernetes.dockerd import SOCKET
from tests.bench.cluster_builds import Run
from tests.bench.table import Row, Target, median
from tests.cluster.api import Json
from tests.cluster.e2e.bot import ACCOUNT, Bot
from tests.cluster.e2e.project import Project, new_project

WAIT = 60.0
BUILDER = "bot.builder"
DOCKERFILE = """\
FROM {base}
RUN dd if=/dev/urandom of=/dependencies bs=1024 count=16384
COPY wait.txt /wait.txt
RUN sleep 2
COPY app.txt /app.txt
"""


@dataclass(frozen=True, slots=True)
class Pushed:
    """Seconds. `answer`: from the start of dockerd's container to its socket's answer; `status`:
    from the end of the build's container until the host had the final status."""

    answer: float
    status: float


def measure(run: Run) -> list[Row]:
    bot, project = run.bot, new_project(run.bot)
    files = {"Dockerfile": DOCKERFILE.format(base=run.ground.base), "app.txt": "1\n"}
    run.push(project, {**files, "wait.txt": "first\n"})  # everything is cold here
    bot.wait_for_no_pod()
    calls = len(_calls(bot))
    pushed = [_push(run, project, {"wait.txt": f"{n}\n"}) for n in range(run.sizes.pushes)]
    bot.wait_for_no_pod()
    rows = [*_of_pods(pushed), _per_build(len(_calls(bot)) - calls, run.sizes.pushes)]
    return [*rows, _idle(bot, run.sizes.idle)]


def _push(run: Run, project: Project, files: Mapping[str, str]) -> Pushed:
    known = {pod["metadata"]["uid"] for pod in run.bot.pods()}
    with ThreadPoolExecutor(2) as pool:
        answered: Future[float] = pool.submit(_answered, run.bot, known)
        ended: Future[float] = pool.submit(_ended, run.bot, known)
        told = run.push(project, files).told
        return Pushed(answered.result(WAIT), told - ended.result(WAIT))


def _answered(bot: Bot, known: set[str]) -> float:
    deadline = time.monotonic() + WAIT
    pod: Json | None = None
    while time.monotonic() < deadline:
        pod = pod or next((one for one in bot.pods() if one["metadata"]["uid"] not in known), None)
        first = _oldest(bot.ground.processes(pod, SOCKET)) if pod else None
        if first:
            while not _ping(first / "root" / SOCKET.lstrip("/")):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.01)
            else:
                return time.clock_gettime(time.CLOCK_BOOTTIME) - _started(first)
        time.sleep(0.05)
    raise TimeoutError(f"no dockerd answered within {WAIT:.0f} s")


def _ended(bot: Bot, known: set[str]) -> float:
    """When the first process of the build's container was over, seconds since the epoch: the pod
    itself tells whole seconds, and the kubelet tells them late."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        for pod in (one for one in bot.pods() if one["metadata"]["uid"] not in known):
            if first := _oldest(bot.ground.processes(pod, BUILDER)):
                descriptor = os.pidfd_open(int(first.name))
                try:
                    select.select([descriptor], [], [], WAIT)
                    return time.time()
                finally:
                    os.close(descriptor)
        time.sleep(0.05)
    raise TimeoutError(f"no builder ran within {WAIT:.0f} s")


def _oldest(processes: Iterable[Path]) -> Path | None:
    """Of those that are still there: some of a container's processes live for milliseconds."""
    ages = {}
    for process in processes:
        with suppress(ProcessLookupError, FileNotFoundError):
            ages[process] = _age_in_ticks(process)
    return min(ages, key=ages.__getitem__, default=None)


def _age_in_ticks(process: Path) -> int:
    """When a process began, since the machine did (proc(5), field 22)."""
    return int((process / "stat").read_text().rpartition(")")[2].split()[19])


def _started(process: Path) -> float:
    return _age_in_ticks(process) / os.sysconf("SC_CLK_TCK")


def _ping(path: Path) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        client.connect(str(path))
        client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return b" 200 " in client.recv(64)
    return False


def _calls(bot: Bot) -> list[str]:
    """The worker's calls by the apiserver's audit log, logs aside. A watch is one."""
    user = f"system:serviceaccount:{bot.namespace}:{ACCOUNT}"
    found = {
        event["auditID"]: f"{event['verb']} {event.get('objectRef', {}).get('resource')}"
        for event in bot.ground.cluster.plane.audit_events()
        if event["user"].get("username") == user
        and event.get("objectRef", {}).get("subresource") != "log"
    }
    return list(found.values())


def _of_pods(pushed: Sequence[Pushed]) -> list[Row]:
    answers, statuses = [one.answer for one in pushed], [one.status for one in pushed]
    socket_note = f"{len(pushed)} pods, slowest {max(answers):.2f} s; from its first process"
    note = f"{len(pushed)} pods, slowest {max(statuses):.2f} s; from the end of its first process"
    return [
        Row(
            "build container ended to status, p50", median(statuses), "s", Target("at most", 1.0),
            note,
        ),
        Row(
            "dockerd's socket answers, p50", median(answers), "s", Target("at most", 0.6),
            socket_note,
        ),
    ]  # fmt: skip


def _per_build(calls: int, builds: int) -> Row:
    note = f"{calls} for {builds} builds by the audit log, reads of logs aside"
    return Row("calls per build", calls / builds, "calls", Target("at most", 8), note)


def _idle(bot: Bot, seconds: float) -> Row:
    before = len(_calls(bot))
    time.sleep(seconds)
    made = _calls(bot)[before:]
    note = f"{len(made)} in {seconds:.0f} s without a build"
    return Row("calls while idle", len(made) / seconds, "/s", Target("at most", 0.2), note)
