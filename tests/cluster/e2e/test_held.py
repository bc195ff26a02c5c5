"""What keeps a build from starting, in words that say how to mend it; and what ends the wait."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.e2e.bot import RESOURCES, Bot
from tests.cluster.e2e.project import Project, new_project

pytestmark = pytest.mark.timeout(450)
NewBot = Callable[..., Bot]


def one_step(project: Project, step: str) -> dict[str, str]:
    return {"Dockerfile": f"FROM {project.bot.ground.base}\nRUN {step}\n"}


def test_a_namespace_that_forbids_privileged_pods_says_how_to_mend_it(own_bot: NewBot) -> None:
    bot = own_bot()
    project = new_project(bot)
    _label(bot, "baseline")
    sha = project.push(one_step(project, "true"))
    status = project.wait(sha, "error", project.context)
    assert "forbids privileged pods" in (status.description or ""), status
    page = str(project.build(sha))
    assert "pod-security.kubernetes.io/enforce=privileged" in page


def test_a_pod_that_no_node_takes_shows_why_and_ends_in_time(own_bot: NewBot) -> None:
    bot = own_bot(
        kubernetes={"resources": {**RESOURCES, "cpu": 7}},
        config={"limits": {"queue-timeout": "25s"}},
    )
    project = new_project(bot)
    sha = project.push(one_step(project, "true"))
    assert project.wait_text(sha, "waiting for a node: insufficient cpu").state == "pending"
    status = project.wait(sha, "error", project.context)
    assert "did not start within 25s" in (status.description or ""), status
    bot.wait_for_no_pod()


def test_a_missing_secret_is_waited_for(own_bot: NewBot) -> None:
    secrets = {"npm-token": {"secret": "npm", "key": "token", "repositories": ["acme/*"]}}
    bot = own_bot(config={"secrets": secrets})
    project = new_project(bot)
    config = (
        "version: 1\nimages:\n  app:\n    context: .\n    secrets: [{id: npm, from: npm-token}]\n"
    )
    step = "--mount=type=secret,id=npm test $(wc -c < /run/secrets/npm) = 9"
    sha = project.push({**one_step(project, step), ".pushwright.yaml": config})
    # The event is asked for after 15 s, and a waiting text is renewed once a minute.
    project.wait_text(sha, "waiting for a volume", timeout=150)
    data = {"token": base64.b64encode(b"canary-12").decode()}
    path = f"/api/v1/namespaces/{bot.namespace}/secrets"
    bot.ground.api.create(path, {"metadata": {"name": "npm"}, "data": data})
    project.wait(sha, "success", "pushwright/app", timeout=240)


def _label(bot: Bot, level: str) -> None:
    labels: dict[str, Any] = {"pod-security.kubernetes.io/enforce": level}
    bot.ground.api.patch(f"/api/v1/namespaces/{bot.namespace}", {"metadata": {"labels": labels}})
