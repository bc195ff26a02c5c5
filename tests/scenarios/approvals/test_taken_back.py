"""`/ok-to-test cancel`: an approval that is taken back."""

from __future__ import annotations

import pytest

from bot.core.builds import BuildState
from tests.fakes.executor_memory import Hold, Succeed
from tests.scenarios.approvals.words import Fork, held_builds, ran, states
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.talk import Talk
from tests.scenarios.world import World


def test_an_approval_that_is_taken_back_stops_what_it_started(
    talk: Talk, world: World, fork: Fork
) -> None:
    _, request = fork
    sha = request.head_sha
    assert held_builds(talk, request) == ["api"]
    for by in ("mallory", "rita", "stranger"):
        assert talk.reaction(talk.say("/ok-to-test cancel", request, by=by)) == "refused"
    world.run()
    assert states(world, sha) == [BuildState.RUNNING]
    comment = talk.say("/ok-to-test Cancel", request, by="olga")
    world.run(30)
    assert talk.reaction(comment) == "accepted"
    assert states(world, sha) == [BuildState.CANCELLED]
    assert world.status(sha) == ("pending", f"waiting for /ok-to-test {sha}")
    assert world.status(sha, "/api")[1] == "approval taken back by @olga"
    told = f"@olga on request {request.number} at {sha[:12]}: /ok-to-test Cancel"
    assert world.journal("command")[0] == f"{told}: approval taken back"
    for body, by in (("/retest", "mallory"), ("/retest api", "mallory"), ("/build api", "ada")):
        assert talk.reaction(talk.say(body, request, by=by)) == "refused"
    world.run(700)
    assert states(world, sha) == [BuildState.CANCELLED]
    assert world.status(sha) == ("pending", f"waiting for /ok-to-test {sha}")
    assert talk.reaction(talk.say("/ok-to-test cancel", request)) == "nothing"


def test_what_was_taken_back_can_be_approved_again(talk: Talk, world: World, fork: Fork) -> None:
    _, request = fork
    sha = request.head_sha
    held_builds(talk, request)
    talk.say("/ok-to-test cancel", request)
    world.executor.usual = Succeed()
    # Bare, it counts once the host showed anew that the head waits.
    world.run(30)
    assert talk.reaction(talk.say("/ok-to-test", request)) == "accepted", talk.replies()
    world.run()
    assert states(world, sha) == [BuildState.CANCELLED, BuildState.SUCCEEDED]
    assert world.state(sha) == world.state(sha, "/api") == "success"


def test_what_ended_stays_when_its_approval_is_taken_back(
    talk: Talk, world: World, fork: Fork
) -> None:
    _, request = fork
    talk.say("/ok-to-test", request)
    world.run()
    before = world.status(request.head_sha), world.status(request.head_sha, "/api")
    assert talk.reaction(talk.say("/ok-to-test cancel", request)) == "accepted"
    world.run(700)
    assert (world.status(request.head_sha), world.status(request.head_sha, "/api")) == before
    assert talk.reaction(talk.say("/retest api", request, by="mallory")) == "refused"
    assert talk.reaction(talk.say("/build api", request)) == "refused"
    world.run()
    assert ran(world, request.head_sha) == 1


def test_one_image_ended_and_another_runs_when_the_approval_is_taken_back(
    talk: Talk, world: World, fork: Fork
) -> None:
    _, request = fork
    sha = request.head_sha
    world.executor.script["web"] = [Hold()]
    talk.say(f"/ok-to-test {sha}\n/build api web", request)
    world.run(20)
    assert world.state(sha, "/api") == "success"
    talk.say("/ok-to-test cancel", request)
    world.run(30)
    assert world.status(sha) == ("pending", f"waiting for /ok-to-test {sha}")
    assert world.state(sha, "/api") == "success"
    assert world.status(sha, "/web")[1] == "approval taken back by @ada"


@pytest.mark.parametrize(
    ("body", "runs"),
    [("/ok-to-test {sha}\n/ok-to-test cancel", 0), ("/ok-to-test cancel\n/ok-to-test {sha}", 1)],
)
@ANY_HOST
def test_the_last_word_on_an_approval_counts(
    talk: Talk, world: World, fork: Fork, body: str, runs: int
) -> None:
    _, request = fork
    talk.say(body.format(sha=request.head_sha), request)
    world.run()
    assert ran(world, request.head_sha) == runs


def test_there_is_nothing_to_take_back(talk: Talk, world: World, fork: Fork) -> None:
    made, request = fork
    assert talk.reaction(talk.say("/ok-to-test cancel", request)) == "nothing"
    talk.say(f"/ok-to-test {request.head_sha}", request)
    world.run()
    talk.fork_commit(made)
    world.run(30)
    assert talk.reaction(talk.say("/ok-to-test cancel", request)) == "nothing"
    assert talk.replies() == []
