"""Forks and `/ok-to-test`: nothing runs before somebody approved that very commit."""

from __future__ import annotations

import pytest

from tests.scenarios.approvals.words import Fork, ran
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.talk import Talk
from tests.scenarios.world import World


def test_nothing_of_a_fork_runs_until_it_is_approved(talk: Talk, world: World, fork: Fork) -> None:
    _, request = fork
    sha = request.head_sha
    assert world.status(sha) == ("pending", f"waiting for /ok-to-test {sha}")
    assert ran(world, sha) == 0
    comment = talk.say("/ok-to-test", request)
    world.run()
    assert talk.reaction(comment) == "accepted"
    assert talk.replies() == []
    assert [run.image for run in world.runs() if run.sha == sha] == ["api"]
    assert world.state(sha) == "success"
    assert world.status(sha, "/api")[1].endswith("built, not pushed")
    assert f"pr-{request.number}" not in world.tags("api")
    (entry,) = world.journal("command")
    assert entry == (f"@ada on request {request.number} at {sha[:12]}: /ok-to-test: approved {sha}")


def test_an_approved_build_has_no_credential_no_cache_to_write_and_no_frontend_of_its_own(
    talk: Talk, world: World, fork: Fork
) -> None:
    _, request = fork
    talk.say("/ok-to-test", request)
    world.run()
    (run,) = [run for run in world.runs() if run.sha == request.head_sha]
    assert not run.spec.trusted
    assert run.spec.secrets == ()
    build = run.spec.recipe["build"]
    assert isinstance(build, dict)
    assert build.get("push") is None
    assert run.spec.recipe["frontends"] == ["docker.io/docker/dockerfile"]
    source = run.spec.recipe["source"]
    assert isinstance(source, dict)
    assert source["own_only"] is True, "no credential for what its .gitmodules names"
    assert all("frontends" not in run.spec.recipe for run in world.runs() if run.spec.trusted)


def test_the_config_of_an_approved_fork_is_the_base_branchs(talk: Talk, world: World) -> None:
    made = world.host.fork(world.repository, "mallory/shop")
    files = {".pushwright.yaml": "version: 1\nimages: {evil: {}}\n", "Dockerfile": "FROM scratch",
             "services/api/x": "y"}  # fmt: skip
    sha = world.host.commit(made, "topic", files, by="mallory")
    request = world.host.open_request(world.repository, "topic", head=made, by="mallory")
    world.run(30)
    talk.say(f"/ok-to-test {sha}", request)
    world.run()
    assert {run.image for run in world.runs() if run.sha == sha} == {"api"}
    assert "pushwright/evil" not in world.shown(sha)


def test_the_full_commit_counts_at_any_time(talk: Talk, world: World) -> None:
    _, request = talk.fork_request()
    world.settle()
    comment = talk.say(f"/ok-to-test {request.head_sha.upper()}", request)
    world.run()
    assert talk.reaction(comment) == "accepted"
    assert ran(world, request.head_sha) == 1


@pytest.mark.parametrize("digits", [7, 12, 39])
@ANY_HOST
def test_a_short_commit_is_refused_with_the_line_to_paste(
    talk: Talk, world: World, fork: Fork, digits: int
) -> None:
    _, request = fork
    comment = talk.say(f"/ok-to-test {request.head_sha[:digits]}", request)
    world.run()
    assert talk.reaction(comment) == "refused"
    assert f"paste: /ok-to-test {request.head_sha}" in talk.replies()[0]
    assert ran(world, request.head_sha) == 0


def test_an_older_and_an_unknown_commit_are_refused(talk: Talk, world: World, fork: Fork) -> None:
    made, request = fork
    first = request.head_sha
    talk.fork_commit(made)
    world.run(30)
    for sha in (first, "e" * 40):
        assert talk.reaction(talk.say(f"/ok-to-test {sha}", request)) == "refused"
        assert f"{sha[:12]} is not the head any more" in talk.replies()[0]
    world.run()
    assert ran(world, first) == ran(world, request.head_sha) == 0
