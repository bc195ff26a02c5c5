"""Asking again: the Re-run button of a check, `pushwright build`, and a real registry behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.core.builds import OutcomeClass
from bot.core.ids import Digest, HostKind
from bot.registry.client import RegistryClient
from bot.registry.transport import Endpoint
from tests.fakes.clock import HandClock
from tests.fakes.executor_memory import Fail
from tests.fakes.githost.host import PLAYED
from tests.fakes.registry_process import GET, PROGRAM, RegistryProcess
from tests.needs import need
from tests.registry.images import make_image, push
from tests.scenarios.apps import send
from tests.scenarios.world import FILES, World, opened


@pytest.fixture
def kind() -> HostKind:
    """GitHub alone has checks."""
    return HostKind.GITHUB


def rerun(world: World, sha: str, check: str) -> None:
    """The button of one check."""
    run = {"head_sha": sha, "name": check, "external_id": "", "check_suite": None}
    asked_again(world, "check_run", run)


def rerun_suite(world: World, sha: str) -> None:
    """The button for all checks of a commit."""
    asked_again(world, "check_suite", {"head_sha": sha, "head_branch": "main"})


def asked_again(world: World, event: str, what: dict[str, Any]) -> None:
    send(world, event, {"action": "rerequested", event: what})


def test_rerun_builds_the_image_of_that_check_again(world: World) -> None:
    world.executor.next("api", Fail(OutcomeClass.STEP, "RUN curl failed (exit 7)"))
    sha = world.push(FILES)
    world.run()
    assert world.state(sha) == "failure"
    rerun(world, sha, "pushwright/api")
    world.run()
    assert world.ran("api") == [sha, sha]
    assert world.ran("web") == [sha]
    assert world.state(sha) == world.state(sha, "/api") == world.state(sha, "/web") == "success"
    assert world.tags("api")["main"] == world.built("api", sha)


def test_rerun_of_the_aggregate_builds_what_failed(world: World) -> None:
    world.executor.next("api", Fail(OutcomeClass.STEP, "RUN curl failed (exit 7)"))
    sha = world.push(FILES)
    world.run()
    rerun(world, sha, "pushwright")
    world.run()
    assert world.ran("api") == [sha, sha]
    assert world.ran("web") == [sha]
    assert world.state(sha) == "success"


def test_rerun_of_a_commit_that_was_left_behind_builds_nothing(world: World) -> None:
    first = world.push(FILES)
    world.run()
    world.push("README.md")
    world.run()
    rerun(world, first, "pushwright/api")
    rerun(world, first, "ci/test")
    world.run()
    assert world.ran("api") == [first]
    reasons = [reason for _, reason in world.reasons()]
    assert f"asked again for nothing: no ref shows {first[:12]} any more" in reasons
    assert "ci/test is no check of ours" in reasons


@pytest.mark.parametrize("host", PLAYED)
def test_build_by_command_builds_the_named_image_again(host: HostKind, tmp_path: Path) -> None:
    with opened(host, tmp_path) as world:
        sha = world.push(FILES)
        world.run()
        world.command("refs/heads/main", "api")
        world.run()
        assert world.ran("api") == [sha, sha]
        assert world.ran("web") == [sha]
        assert world.state(sha) == "success"


@pytest.mark.parametrize("host", PLAYED)
def test_tags_in_a_real_registry(host: HostKind, tmp_path: Path) -> None:
    need(PROGRAM, GET)
    with RegistryProcess(tmp_path / "registry") as process:
        endpoints = {process.host: Endpoint(process.host, insecure=True)}
        client = RegistryClient(endpoints.get, HandClock(), sleep=lambda _: None)

        def build(name: str, tag: str, text: str) -> Digest:
            path = name.partition("/")[2]
            return push(f"http://{process.host}", path, make_image(text), tag)

        options: dict[str, Any] = {
            "registries": {process.host: {"insecure": True}},
            "defaults": {"registry": process.host},
            "repositories": [{"match": "acme/*"}],
        }
        with opened(host, tmp_path, registry=client, push=build, **options) as world:
            first = world.push(FILES)
            world.run()
            second = world.push("services/api/app.txt")
            world.run()
            world.tag_commit("v1.0.0", first)
            world.run()
            api = f"{process.host}/acme/shop/api"
            assert client.digest(api, "main") == world.built("api", second)
            assert client.digest(api, "1.0.0") == world.built("api", first)
            assert client.digest(api, "latest") == world.built("api", first)
            assert world.state(first, " (tag)") == world.state(second) == "success"
        client.close()
