"""What goes wrong in build pods for real, whose fault it is said to be, and what follows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cluster.e2e.bot import RESOURCES, Bot
from tests.cluster.e2e.ground import memory_limit
from tests.cluster.e2e.project import Project, new_project

pytestmark = pytest.mark.timeout(300)
NewBot = Callable[..., Bot]


def running(bot: Bot, step: str) -> dict[str, str]:
    return {"Dockerfile": f"FROM {bot.ground.base}\nRUN {step}\n"}


@pytest.fixture(scope="module", autouse=True)
def filling(module_bot: NewBot) -> tuple[Project, str]:
    """A step that fills the disk: the kubelet takes its time, so it is begun before all others."""
    bot = module_bot(kubernetes={"resources": {**RESOURCES, "disk": "200Mi"}})
    project = new_project(bot)
    gate = bot.ground.gate()  # stays closed
    fill = f"dd if=/dev/zero of=/big bs=1M count=400 && {gate.step}"
    return project, project.push(running(bot, fill))


def test_a_step_that_takes_too_much_memory(own_bot: NewBot, dockerd: str) -> None:
    """Inside of its pod the kernel ends it at the build's limit, and dockerd lives to tell."""
    bot = own_bot(dockerd, kubernetes={"resources": {**RESOURCES, "memory": "128Mi"}})
    project = new_project(bot)
    gate = bot.ground.gate()
    sha = project.push(running(bot, f"{gate.step}; tail /dev/zero"))
    gate.reached()
    inside = bot.ground.processes(bot.wait_for_pod(sha), gate.step)
    assert inside, "the step runs outside of its pod"
    assert {memory_limit(process) for process in inside} == {128 << 20}
    gate.open()
    status = project.wait(sha, "failure", project.context)
    assert "out of memory" in str(status.description)
    assert len(bot.pods_made()) == 1, "theirs: no second attempt"


def test_a_step_that_takes_too_long(project: Project) -> None:
    files = running(project.bot, "sleep 100")
    config = f"version: 1\nimages:\n  {project.repository.name}: {{timeout: 10s}}\n"
    sha = project.push({**files, ".pushwright.yaml": config})
    status = project.wait(sha, "failure", project.context)
    assert "took longer than its limit of 10 s" in str(status.description)


def test_no_node_takes_the_pod(own_bot: NewBot) -> None:
    bot = own_bot(kubernetes={"node-selector": {"pool": "elsewhere"}})
    project = new_project(bot)
    sha = project.push(running(bot, "true"))
    status = project.wait_text(sha, "node")
    assert status.state == "pending"
    bot.command("cancel", str(status.target_url).rpartition("/")[2])
    project.wait(sha, "error", project.context)
    bot.wait_for_no_pod()


def test_an_image_that_can_not_be_pulled(own_bot: NewBot) -> None:
    bot = own_bot("localhost/nothing:1")
    project = new_project(bot)
    sha = project.push(running(bot, "true"))
    status = project.wait_text(sha, "the dockerd image can't be pulled")
    assert status.state == "pending"


def test_a_quota_is_waited_for(own_bot: NewBot) -> None:
    bot = own_bot()
    project = new_project(bot)
    path = f"/api/v1/namespaces/{bot.namespace}/resourcequotas"
    bot.ground.api.create(path, {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}})
    sha = project.push(running(bot, "true"))
    assert project.wait_text(sha, "quota").state == "pending"
    bot.ground.api.delete(f"{path}/none")
    project.wait(sha, "success")


def test_a_step_that_fills_the_disk(filling: tuple[Project, str]) -> None:
    project, sha = filling
    status = project.wait(sha, "failure", project.context, timeout=200)
    assert "disk" in str(status.description)
