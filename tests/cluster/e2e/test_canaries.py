"""The clone credential of a private repository is seen nowhere but in its Secret, by a look that
finds what a Dockerfile says; and what a small MTU of the pod network does to builds: nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster.api import ApiError
from tests.cluster.e2e.bot import pods_of
from tests.cluster.e2e.project import Project

pytestmark = pytest.mark.timeout(240)
PLANTED = "canary-of-a-dockerfile"
"""Said to everybody: where it is not found, the other one would not be found either."""


def _processes() -> Iterator[tuple[str, bytes]]:
    """Command line and environment of every process on the machine."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (entry / "cmdline").read_bytes()
            yield (
                line.replace(b"\0", b" ").decode("utf-8", "replace"),
                (line + (entry / "environ").read_bytes()),
            )


def _ended(project: Project, sha: str) -> bool:
    status = project.statuses(sha).get("pushwright")
    return status is not None and status.state != "pending"


def test_the_clone_credential_is_seen_nowhere(project: Project) -> None:
    bot, gate = project.bot, project.bot.ground.gate()
    canary = bot.token
    step = f"RUN env && cat /proc/self/mounts && {gate.step} && echo done > /done"
    dockerfile = f"FROM {bot.ground.base}\nENV SAID={PLANTED}\nCOPY . /src\n{step}\n"
    sha = project.push({"Dockerfile": dockerfile})
    seen: dict[str, str] = {}
    planted: set[str] = set()
    deadline = time.monotonic() + 120
    while not _ended(project, sha) and time.monotonic() < deadline:
        waits = gate.was_reached()
        running = list(_processes())
        held = [line for line, content in running if canary.encode() in content]
        assert held == [], "a process has it in its arguments or environment"
        planted |= {line for line, content in running if PLANTED.encode() in content}
        for pod in pods_of(bot.pods(), sha):
            name = pod["metadata"]["name"]
            seen[f"pod {name}"] = json.dumps(pod)
            for container in ("docker", "dind"):
                with suppress(ApiError):  # not started yet, or gone
                    seen[f"log {name} {container}"] = bot.ground.log(bot.namespace, name, container)
        if waits:  # a whole sweep was made while the step ran
            gate.open()
        time.sleep(0.1)
    project.wait(sha, "success")
    seen["events"] = json.dumps(bot.ground.api.get(f"/api/v1/namespaces/{bot.namespace}/events"))
    seen["image"] = json.dumps(project.config("main"))
    seen["page"] = json.dumps(project.build(sha))
    seen["logs"] = bot.worker().log_text() + bot.worker("web").log_text()
    assert any(gate.step in line for line in planted), "no look at processes saw the step"
    (only,) = (key.removeprefix("pod ") for key in seen if key.startswith("pod "))
    found = {key for key, text in seen.items() if PLANTED in text}
    assert found >= {f"log {only} docker", "image"}
    assert [where for where, text in seen.items() if canary in text] == []


def test_steps_have_the_mtu_of_the_pod_network(project: Project) -> None:
    """1450 here; a step that got 1500 would lose large packets on their way out."""
    ground = project.bot.ground
    layer = ground.base_layer()
    fetch = f"wget -q -O /layer {ground.registry.url}/v2/base/blobs/{layer['digest']}"
    check = "test $(cat /sys/class/net/eth0/mtu) = 1450"
    size = f"test $(wc -c < /layer) = {layer['size']}"
    project.green({"Dockerfile": f"FROM {ground.base}\nRUN {check} && {fetch} && {size}\n"})
