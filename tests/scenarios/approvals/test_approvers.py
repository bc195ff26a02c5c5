"""Who may approve, and on which requests there is something to approve."""

from __future__ import annotations

import pytest

from tests.scenarios.approvals.words import Fork, ran
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.talk import Talk
from tests.scenarios.world import World


@pytest.mark.parametrize("by", ["rita", "mallory", "stranger"])
@ANY_HOST
def test_only_writers_approve(talk: Talk, world: World, fork: Fork, by: str) -> None:
    _, request = fork
    for body in ("/ok-to-test", f"/ok-to-test {request.head_sha}"):
        assert talk.reaction(talk.say(body, request, by=by)) == "refused"
    world.run()
    assert ran(world, request.head_sha) == 0
    assert "/ok-to-test needs write access" in talk.replies()[0]
    assert "paste" not in talk.replies()[0]


def test_an_approver_who_lost_the_role_meanwhile(talk: Talk, world: World, fork: Fork) -> None:
    _, request = fork
    comment = talk.send(f"/ok-to-test {request.head_sha}", request)
    world.host.set_role(world.repository, "ada", "read")
    world.run()
    assert talk.reaction(comment) == "refused"
    assert ran(world, request.head_sha) == 0


def test_a_request_whose_fork_was_deleted(talk: Talk, world: World, fork: Fork) -> None:
    made, request = fork
    world.host.delete_fork(made)
    comment = talk.say(f"/ok-to-test {request.head_sha}", request)
    world.run()
    assert talk.reaction(comment) == "accepted", "its commit is still in the base repository"
    assert ran(world, request.head_sha) == 1


def test_a_closed_request(talk: Talk, world: World, fork: Fork) -> None:
    _, request = fork
    world.close_request(request)
    world.run()
    assert talk.reaction(talk.say(f"/ok-to-test {request.head_sha}", request)) == "refused"
    assert "the request is closed" in talk.replies()[0]


def test_a_request_of_the_repository_itself_needs_none(talk: Talk, world: World) -> None:
    world.push("services/api/main.py", "topic")
    request = world.request("topic")
    world.run()
    assert talk.reaction(talk.say("/ok-to-test", request)) == "nothing"
    assert world.journal("command") != []


def test_an_executor_that_never_runs_such_code_says_so(talk: Talk, world: World) -> None:
    world.executor.untrusted = False
    _, request = talk.fork_request()
    world.run(30)
    comment = talk.say(f"/ok-to-test {request.head_sha}", request)
    world.run()
    assert talk.reaction(comment) == "refused"
    assert "runs no untrusted code, so there is nothing to approve" in talk.replies()[0]
    assert ran(world, request.head_sha) == 0


def test_approve_and_build_in_one_comment(talk: Talk, world: World, fork: Fork) -> None:
    _, request = fork
    comment = talk.say("/ok-to-test\n/build web", request)
    world.run()
    assert talk.reaction(comment) == "accepted"
    images = {run.image for run in world.runs() if run.sha == request.head_sha}
    assert images == {"api", "web"}


def test_the_comment_that_approves_is_delivered_again_later(
    talk: Talk, world: World, fork: Fork
) -> None:
    made, request = fork
    talk.say("/ok-to-test", request)
    world.run()
    delivery = next(
        str(row["delivery"])
        for row in world.store.deliveries(100)
        if row["event"] in ("issue_comment", "Note Hook")
    )
    later = talk.fork_commit(made)
    world.run(60)
    world.store.replay(delivery, world.clock.now())
    world.run()
    assert ran(world, later) == 0
