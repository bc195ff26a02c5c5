"""Pushes one after another: dockerd's start, calls per build, calls while nothing is built."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from bot.executors.kubernetes.dockerd import SOCKET
from tests.bench.cluster_builds import Run
from tests.bench.table import Row, Target, median
from tests.cluster.api import Json
from tests.cluster.e2e.bot import ACCOUNT, Bot
from tests.cluster.e2e.project import Project, new_project

WAIT = 60.0
DOCKERFILE = """\
FROM {base}
RUN dd if=/dev/urandom of=/dependencies bs=1024 count=16384
COPY wait.txt /wait.txt
RUN sleep 2
COPY app.txt /app.txt
"""


def measure(run: Run) -> list[Row]:
    bot, project = run.bot, new_project(run.bot)
    files = {"Dockerfile": DOCKERFILE.format(base=run.ground.base), "app.txt": "1\n"}
    run.push(project, {**files, "wait.txt": "first\n"})  # everything is cold here
    bot.wait_for_no_pod()
    calls = len(_calls(bot))
    answers = [_push(run, project, {"wait.txt": f"{n}\n"}) for n in range(run.sizes.pushes)]
    bot.wait_for_no_pod()
    rows = [_socket(answers), _per_build(len(_calls(bot)) - calls, run.sizes.pushes)]
    return [*rows, _idle(bot, run.sizes.idle)]


def _push(run: Run, project: Project, files: Mapping[str, str]) -> float:
    """Seconds from the start of dockerd's container to its socket's answer."""
    known = {pod["metadata"]["uid"] for pod in run.bot.pods()}
    with ThreadPoolExecutor(1) as pool:
        answered: Future[float] = pool.submit(_answered, run.bot, known)
        run.push(project, files)
        return answered.result(WAIT)


def _answered(bot: Bot, known: set[str]) -> float:
    deadline = time.monotonic() + WAIT
    pod: Json | None = None
    while time.monotonic() < deadline:
        pod = pod or next((one for one in bot.pods() if one["metadata"]["uid"] not in known), None)
        found = bot.ground.processes(pod, SOCKET) if pod else []
        if found:
            first = min(found, key=_age_in_ticks)
            while not _ping(first / "root" / SOCKET.lstrip("/")):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.01)
            else:
                return time.clock_gettime(time.CLOCK_BOOTTIME) - _started(first)
        time.sleep(0.05)
    raise TimeoutError(f"no dockerd answered within {WAIT:.0f} s")


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


def _socket(seconds: list[float]) -> Row:
    note = f"{len(seconds)} pods, slowest {max(seconds):.2f} s; from its container's first process"
    return Row("dockerd's socket answers, p50", median(seconds), "s", Target("at most", 0.6), note)


def _per_build(calls: int, builds: int) -> Row:
    note = f"{calls} for {builds} builds by the audit log, reads of logs aside"
    return Row("calls per build", calls / builds, "calls", Target("at most", 8), note)


def _idle(bot: Bot, seconds: float) -> Row:
    before = len(_calls(bot))
    time.sleep(seconds)
    made = _calls(bot)[before:]
    note = f"{len(made)} in {seconds:.0f} s without a build"
    return Row("calls while idle", len(made) / seconds, "/s", Target("at most", 0.2), note)
