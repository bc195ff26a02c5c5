"""What keeps a build from starting, in words that say how to mend it; what ends the wait; a watch
that nothing comes from any more, and a node that is gone. All of it waits for a minute and more, so
all of it is begun at once, and each test looks at its own.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.e2e.bot import ACCOUNT, RESOURCES, Bot
from tests.cluster.e2e.ground import Ground
from tests.cluster.e2e.project import Project, new_project
from tests.cluster.executor_bench import Kubelet
from tests.cluster.node import HOST, NAME
from tests.cluster.proxy import SilentProxy

pytestmark = pytest.mark.timeout(450)
NewBot = Callable[..., Bot]
GONE = {"pool": "gone"}
Begun = tuple[Project, str]
"""A repository and the commit that was pushed to it."""


def one_step(project: Project, step: str) -> dict[str, str]:
    return {"Dockerfile": f"FROM {project.bot.ground.base}\nRUN {step}\n"}


@pytest.fixture(scope="module")
def forgotten(module_bot: NewBot) -> Iterator[tuple[Begun, SilentProxy, float]]:
    """A worker whose connections to the API server fell silent while its build ran, which then
    ended; and when that was."""
    bot = module_bot()
    plane, gate = bot.ground.cluster.plane, bot.ground.gate()
    with SilentProxy(plane.port, HOST) as proxy:
        bot.worker().stop()
        path = bot.folder / "kubeconfig"
        path.write_text(path.read_text().replace(plane.url, f"https://127.0.0.1:{proxy.port}"))
        bot.start_worker()
        project = new_project(bot)
        sha = project.push(one_step(project, f"{gate.step} && echo end > /end"))
        gate.reached()
        project.wait(sha, "pending", project.context)  # that it runs was seen
        since = time.time()
        proxy.forget()
        gate.open()
        yield (project, sha), proxy, since


@pytest.fixture(scope="module")
def secrets(module_bot: NewBot) -> tuple[Begun, Begun]:
    """Two builds that want Secrets which are not there."""
    names = {name: {"secret": name, "key": "token", "repositories": ["acme/*"]} for name in "ab"}
    bot = module_bot(config={"secrets": names})
    return _wants(new_project(bot), "a"), _wants(new_project(bot), "b")


def _wants(project: Project, name: str) -> Begun:
    config = (
        f"version: 1\nimages:\n  {project.repository.name}: {{secrets: [{{id: x, from: {name}}}]}}"
    )
    step = "--mount=type=secret,id=x test $(wc -c < /run/secrets/x) = 9"
    sha = project.push({**one_step(project, step), ".pushwright.yaml": f"{config}\n"})
    return project, sha


@pytest.fixture(scope="module")
def large(module_bot: NewBot) -> Begun:
    """A build for which no node is large enough."""
    bot = module_bot(
        kubernetes={"resources": {**RESOURCES, "cpu": 7}},
        config={"limits": {"queue-timeout": "40s"}},
    )
    project = new_project(bot)
    return project, project.push(one_step(project, "true"))


@pytest.fixture(scope="module")
def gone(module_bot: NewBot, ground: Ground) -> Iterator[Begun]:
    """A build whose node was taken out of the cluster. That node is an object without a machine, to
    which the test gave the pod; for the next attempt there is the real one."""
    bot = module_bot(kubernetes={"node-selector": GONE})
    project = new_project(bot)
    sha = project.push(one_step(project, "true"))
    pod, kubelet = bot.wait_for_any_pod(sha)["metadata"]["name"], Kubelet(ground.api, bot.namespace)
    ground.api.fake_node("gone")
    kubelet.bind(pod, "gone")
    kubelet.run(pod)
    ground.api.delete("/api/v1/nodes/gone")
    real = f"/api/v1/nodes/{NAME}"
    ground.api.patch(real, {"metadata": {"labels": GONE}})
    yield project, sha
    ground.api.patch(real, {"metadata": {"labels": dict.fromkeys(GONE)}})


@pytest.fixture(scope="module", autouse=True)
def begun(forgotten: object, secrets: object, large: object, gone: object) -> None:
    """All of them, before the first test waits."""


def test_a_pod_that_no_node_takes_shows_why_and_ends_in_time(large: Begun) -> None:
    project, sha = large
    assert project.wait_text(sha, "waiting for a node: insufficient cpu").state == "pending"
    status = project.wait(sha, "error", project.context)
    assert "did not start within 40s" in (status.description or ""), status
    project.bot.wait_for_no_pod()


def test_a_namespace_that_forbids_privileged_pods_says_how_to_mend_it(large: Begun) -> None:
    bot = large[0].bot
    project = new_project(bot)
    labels: dict[str, Any] = {"pod-security.kubernetes.io/enforce": "baseline"}
    bot.ground.api.patch(f"/api/v1/namespaces/{bot.namespace}", {"metadata": {"labels": labels}})
    sha = project.push(one_step(project, "true"))
    status = project.wait(sha, "error", project.context)
    assert "forbids privileged pods" in (status.description or ""), status
    page = str(project.build(sha))
    assert "pod-security.kubernetes.io/enforce=privileged" in page


def test_a_secret_that_comes_late_ends_the_wait(secrets: tuple[Begun, Begun]) -> None:
    project, sha = secrets[0]
    project.wait_page(sha, "waiting for a volume")
    data = {"token": base64.b64encode(b"canary-12").decode()}
    path = f"/api/v1/namespaces/{project.bot.namespace}/secrets"
    project.bot.ground.api.create(path, {"metadata": {"name": "a"}, "data": data})
    # The kubelet tries again after 16, 32 and 64 seconds.
    project.wait(sha, "success", project.context, timeout=240)


def test_a_secret_that_does_not_come_is_named_in_the_status(secrets: tuple[Begun, Begun]) -> None:
    project, sha = secrets[1]
    # The event is asked for after 15 s, and a waiting text is renewed once a minute.
    status = project.wait_text(sha, 'waiting for a volume: secret "b" not found', timeout=180)
    assert status.state == "pending"


def test_a_watch_that_nothing_comes_from_is_found(
    forgotten: tuple[Begun, SilentProxy, float],
) -> None:
    """With the rhythm of every worker: 55 s of silence are a dead watch, and what was heard last is
    believed for 65."""
    (project, sha), proxy, since = forgotten
    bot = project.bot
    bot.wait_for_no_pod(timeout=240)
    project.wait(sha, "success")
    assert proxy.swallowed > 0, "that the pod ended was told into the void"
    assert _watches(bot.ground.cluster.plane, bot.namespace, since)
    assert len(bot.pods_made()) == 1


def test_a_build_whose_node_is_gone_is_built_on_another(gone: Begun) -> None:
    """The cluster's garbage collector removes the pod after 40 s and more. It tells why at the very
    moment, so that a worker may find nothing any more."""
    project, sha = gone
    project.wait(sha, "success", project.context, timeout=240)
    (_, first), _ = project.build(sha)["attempts"]
    assert "its node is gone" in first or "the builder is gone" in first


def _watches(plane: ControlPlane, namespace: str, since: float) -> list[str]:
    """When the worker of that namespace began to watch it, from then on."""
    user = f"system:serviceaccount:{namespace}:{ACCOUNT}"
    began = (
        event["requestReceivedTimestamp"]
        for event in plane.audit_events()
        if event["verb"] == "watch" and event["user"].get("username") == user
    )
    return [at for at in began if datetime.fromisoformat(at).timestamp() > since]
