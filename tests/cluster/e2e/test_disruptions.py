"""What a cluster takes from a build that runs: by the Eviction API, by hand, for a pod of a higher
priority, dockerd by a kill. All of it is nobody's fault who pushed, so another attempt follows. All
are pushed at once and disturbed at once, each test looks at its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from bot.doctor.quantities import amount, pod_asks
from tests.cluster.api import Json
from tests.cluster.e2e.bot import RESOURCES, Bot
from tests.cluster.e2e.gates import Gate
from tests.cluster.e2e.ground import Ground
from tests.cluster.e2e.project import Project, new_project
from tests.cluster.images import BUSYBOX
from tests.cluster.node import NAME

pytestmark = pytest.mark.timeout(300)
NewBot = Callable[..., Bot]
LARGE, TAKEN = "0.6", Decimal("0.55")
"""Processors: of the build whose place is taken, and how many are lacking for what takes it. All
other builds together would not make room."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A build whose step stands at its gate, and the pod that it is in."""

    project: Project
    sha: str
    gate: Gate
    pod: Json

    @property
    def path(self) -> str:
        about = self.pod["metadata"]
        return f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}"

    def succeeds_again(self) -> list[str]:
        """Lets it go on, in whichever attempt; how each attempt ended, once the last one is
        green."""
        self.gate.open()
        self.project.wait(self.sha, "success")
        self.project.wait(self.sha, "success", self.project.context)
        page = self.project.build(self.sha)
        assert page["digest"] == self.project.digest("main") != ""
        assert [number for number, _ in page["attempts"]] == [1, 2], page["attempts"]
        return [text for _, text in page["attempts"]]


@pytest.fixture(scope="module")
def bot(ground: Ground, module_bot: NewBot) -> Bot:
    """Its builds have a lower priority than anything else on the node."""
    for name, value in (("builds", -10), ("urgent", -5)):
        priority = {"metadata": {"name": name}, "value": value}
        ground.api.create("/apis/scheduling.k8s.io/v1/priorityclasses", priority)
    small = {"priority-class": "builds", "resources": {**RESOURCES, "cpu": "50m"}}
    return module_bot(kubernetes=small, config={"limits": {"builds": 8}})


@pytest.fixture(scope="module")
def begun(bot: Bot) -> dict[str, Begun]:
    """By what will become of it."""
    names = ("preempted", "evicted", "deleted", "killed")
    pushed = {name: _push(bot, name) for name in names}
    return {name: _stands(*one) for name, one in pushed.items()}


def _push(bot: Bot, name: str) -> tuple[Project, str, Gate]:
    project, gate = new_project(bot), bot.ground.gate()
    files = {"Dockerfile": f"FROM {bot.ground.base}\nRUN {gate.step} && echo {name} > /name\n"}
    if name == "preempted":
        image = f"{project.repository.name}: {{resources: {{cpu: {LARGE}}}}}"
        files[".pushwright.yaml"] = f"version: 1\nimages:\n  {image}\n"
    return project, project.push(files), gate


def _stands(project: Project, sha: str, gate: Gate) -> Begun:
    gate.reached()
    return Begun(project, sha, gate, project.bot.wait_for_pod(sha))


@pytest.fixture(scope="module", autouse=True)
def urgent(ground: Ground, begun: dict[str, Begun]) -> Iterator[str]:
    """All that happens to them. The path of the pod that takes the place of one."""
    namespace = ground.namespace("urgent")
    pods = f"/api/v1/namespaces/{namespace}/pods"
    ground.api.create(pods, _urgent(_free(ground) + TAKEN))
    evicted, killed = begun["evicted"], begun["killed"]
    eviction: Json = {"metadata": {"name": evicted.pod["metadata"]["name"]}}
    eviction |= {"apiVersion": "policy/v1", "kind": "Eviction"}
    ground.api.create(f"{evicted.path}/eviction", eviction)  # what `kubectl drain` does
    ground.api.delete(begun["deleted"].path)  # what `kubectl delete pod` does
    inside = ground.processes(killed.pod, "--host=unix")
    (daemon,) = [one for one in inside if os.path.realpath(one / "exe").endswith("/dockerd")]
    os.kill(int(daemon.name), signal.SIGKILL)
    yield f"{pods}/urgent"
    ground.api.delete(pods, {"gracePeriodSeconds": 0})


def _urgent(processors: Decimal) -> Json:
    container: Json = {"name": "main", "image": BUSYBOX, "imagePullPolicy": "Never"}
    container["command"] = ["sleep", "600"]
    container["resources"] = {"requests": {"cpu": str(processors)}}
    spec = {"containers": [container], "priorityClassName": "urgent"}
    return {"metadata": {"name": "urgent"}, "spec": {**spec, "terminationGracePeriodSeconds": 0}}


def _free(ground: Ground) -> Decimal:
    """Processors of the node that no pod has asked for."""
    free = amount(ground.api.get(f"/api/v1/nodes/{NAME}")["status"]["allocatable"]["cpu"])
    assert free is not None
    for pod in ground.api.get("/api/v1/pods")["items"]:
        if pod["status"]["phase"] in ("Pending", "Running"):
            free -= pod_asks(pod, "requests").get("cpu", Decimal(0))
    return free


def test_a_pod_of_higher_priority_takes_the_place(
    ground: Ground, begun: dict[str, Begun], urgent: str
) -> None:
    """The second attempt waits until that pod is gone, and says what for."""
    build = begun["preempted"]
    build.project.wait_page(build.sha, "waiting for a node: insufficient cpu")
    assert ground.api.get(urgent)["status"]["phase"] == "Running"
    ground.api.delete(urgent)
    first, _ = build.succeeds_again()
    assert "a pod of higher priority took its place" in first


def test_an_eviction(begun: dict[str, Begun]) -> None:
    first, _ = begun["evicted"].succeeds_again()
    assert "it was evicted, as when a node is drained" in first


def test_a_pod_that_is_deleted_by_hand(begun: dict[str, Begun]) -> None:
    first, _ = begun["deleted"].succeeds_again()
    assert "the builder was stopped from outside" in first


def test_dockerd_is_killed(begun: dict[str, Begun]) -> None:
    first, _ = begun["killed"].succeeds_again()
    assert "dockerd died during the build" in first
