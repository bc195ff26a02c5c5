"""Whose fault it is that a build failed, as its pod tells, next to builds that succeed with a
registry's password. All are pushed at once, each test looks at its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.cluster.e2e.bot import Bot
from tests.cluster.e2e.ground import Ground
from tests.cluster.e2e.locked import PASSWORD, entry, locked_registry
from tests.cluster.e2e.project import Project, new_project

pytestmark = pytest.mark.timeout(300)
NewBot = Callable[..., Bot]
COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"


@dataclass(frozen=True, slots=True)
class Case:
    """The Dockerfile's line after FROM, keys of the image's settings, what its status says."""

    line: str
    settings: str
    says: str


CASES = {
    "step": Case("RUN false", "", "Dockerfile:2 RUN false failed (exit 1)"),
    "dockerfile": Case("RUNN true", "", "unknown instruction: RUNN"),
    "target": Case("RUN true", "target: nothing", "there is no build stage 'nothing'"),
    "base": Case("FROM {open}/base:nothing", "", "/base:nothing does not exist"),
    "push": Case("RUN true", "image: '{closed}/acme/shop'", "the registry refused the push"),
}
Begun = dict[str, tuple[Project, str]]
"""By the case: a repository and the commit that was pushed to it."""


@pytest.fixture(scope="module")
def guarded(ground: Ground, module_bot: NewBot) -> Iterator[Bot]:
    """A bot whose images go to a registry with a password; for `closed` its builds have a wrong
    one."""
    folders = [ground.folder / f"locked-{ground.number()}" for _ in range(2)]
    with locked_registry(folders[0]) as locked, locked_registry(folders[1]) as closed:
        registries = {
            ground.registry.host: {"insecure": True},
            locked.host: entry(folders[0], locked.host),
            closed.host: entry(folders[1], closed.host, pods="another password"),
        }
        config = {
            "registries": registries,
            "defaults": {"registry": locked.host},
            "repositories": [
                {"match": "acme/*", "images": [f"{locked.host}/**", f"{closed.host}/**"]}
            ],
            "limits": {"builds": 8},
        }
        yield module_bot(config=config)


@pytest.fixture(scope="module")
def begun(guarded: Bot) -> Begun:
    return {name: _push(guarded, case) for name, case in CASES.items()} | {
        "none": _push(guarded, Case("RUN echo done > /done", "", ""))
    }


def _push(bot: Bot, case: Case) -> tuple[Project, str]:
    project = new_project(bot)
    closed = list(bot.central()["registries"])[-1]
    line = case.line.format(open=bot.ground.registry.host)
    settings = case.settings.format(closed=closed)
    config = f"version: 1\nimages:\n  {project.repository.name}: {{{settings}}}\n"
    files = {"Dockerfile": f"FROM {bot.ground.base}\n{line}\n", ".pushwright.yaml": config}
    return project, project.push(files)


@pytest.mark.parametrize("name", CASES)
def test_what_is_theirs_is_a_failure_that_says_where(begun: Begun, name: str) -> None:
    project, sha = begun[name]
    status = project.wait(sha, "failure", project.context)
    assert CASES[name].says in (status.description or ""), status
    page = project.build(sha)
    assert len(page["attempts"]) == 1, "theirs: no second attempt"
    if name not in ("target", "push"):
        assert page["place"] == "Dockerfile:2", page


def test_a_registry_with_a_password_takes_and_gives(begun: Begun) -> None:
    """The image is pushed, then it is the base of another; nobody else may read it."""
    first, sha = begun["none"]
    first.wait(sha, "success")
    digest = first.build(sha)["digest"]
    registry = first.bot.central()["defaults"]["registry"]
    second = new_project(first.bot)
    files = {"Dockerfile": f"FROM {registry}/{first.path}@{digest}\nRUN cat /done\n"}
    page = second.green(files)
    assert page["digest"] != digest
    everything = json.dumps([page, first.bot.told()])
    assert PASSWORD not in everything


def test_the_secret_of_a_build_goes_with_its_pod(begun: Begun) -> None:
    """By the cluster's garbage collector, whom nobody helps."""
    bot = begun["none"][0].bot
    for project, sha in begun.values():
        project.wait(sha)
    bot.wait_for_no_pod()
    secrets, deadline = f"/api/v1/namespaces/{bot.namespace}/secrets", time.monotonic() + 60
    while left := bot.ground.api.get(secrets)["items"]:
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
    made = bot.pods_made()
    assert len(made) >= len(begun)
    assert _deleted_secrets(bot) == {(COLLECTOR, name) for name in made}


def _deleted_secrets(bot: Bot) -> set[tuple[str, str]]:
    """Who deleted which Secret of the bot's builds, by the API server's audit log."""
    return {
        (event["user"]["username"], event["objectRef"]["name"])
        for event in bot.ground.cluster.plane.audit_events()
        if event["verb"] == "delete"
        and event.get("objectRef", {}).get("namespace") == bot.namespace
        and event["objectRef"]["resource"] == "secrets"
    }
