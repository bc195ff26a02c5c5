"""Whose fault it is that a build failed, as its pod tells, next to builds that succeed with a
registry's password. All are pushed at once, each test looks at its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from tests.cluster.e2e.bot import Bot
from tests.cluster.e2e.ground import Ground
from tests.cluster.e2e.locked import PASSWORD, entry, locked_registry, token_registry
from tests.cluster.e2e.project import Project, new_project
from tests.cluster.pki import Authority
from tests.fakes.loopback import Script
from tests.registry.token_server import scopes_of

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


@dataclass(frozen=True, slots=True)
class Guarded:
    """A bot whose images go to a registry with a password. For `closed` its builds have a wrong
    one; `tokens` takes tokens of `service` alone, which has a private CA."""

    bot: Bot
    closed: str
    tokens: str
    service: Script


@pytest.fixture(scope="module")
def guarded(ground: Ground, module_bot: NewBot) -> Iterator[Guarded]:
    folders = [ground.folder / f"locked-{ground.number()}" for _ in range(3)]
    authority = ground.cluster.plane.authority
    with (
        locked_registry(folders[0]) as locked,
        locked_registry(folders[1]) as closed,
        token_registry(folders[2], authority) as (tokens, service),
    ):
        hosts = [one.host for one in (locked, closed, tokens)]
        trusted = {"ca-file": str(authority.certificate)}
        registries = {
            ground.registry.host: {"insecure": True},
            locked.host: entry(folders[0], locked.host),
            closed.host: entry(folders[1], closed.host, pods="another password"),
            tokens.host: entry(folders[2], tokens.host) | trusted,
        }
        config = {
            "registries": registries,
            "defaults": {"registry": locked.host},
            "repositories": [{"match": "acme/*", "images": [f"{host}/**" for host in hosts]}],
            "limits": {"builds": 8},
        }
        bot = module_bot(config=config, kubernetes={"ca-config-map": "ca"})
        certificates = {"metadata": {"name": "ca"}, "data": {"ca.crt": _text(authority)}}
        ground.api.create(f"/api/v1/namespaces/{bot.namespace}/configmaps", certificates)
        yield Guarded(bot, closed.host, tokens.host, service)


def _text(authority: Authority) -> str:
    return authority.certificate.read_text()


@pytest.fixture(scope="module")
def begun(guarded: Guarded) -> Begun:
    done = Case("RUN echo done > /done", "", "")
    cases = {**CASES, "none": done, "tokens": replace(done, settings="image: '{tokens}/acme/shop'")}
    return {name: _push(guarded, case) for name, case in cases.items()}


def _push(guarded: Guarded, case: Case) -> tuple[Project, str]:
    bot = guarded.bot
    project = new_project(bot)
    line = case.line.format(open=bot.ground.registry.host)
    settings = case.settings.format(closed=guarded.closed, tokens=guarded.tokens)
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


def test_a_registry_that_takes_tokens_alone(guarded: Guarded, begun: Begun) -> None:
    """The pod fetches them, from a service whose certificate it trusts by a ConfigMap; so does the
    bot, which sets the tag."""
    project, sha = begun["tokens"]
    project.wait(sha, "success")
    page = project.build(sha)
    assert page["name"] == f"{guarded.tokens}/acme/shop"
    scopes = {scope for asked in guarded.service.asked for scope in scopes_of(asked)}
    assert "repository:acme/shop:pull,push" in scopes
    assert PASSWORD not in json.dumps([page, project.bot.told()])


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
