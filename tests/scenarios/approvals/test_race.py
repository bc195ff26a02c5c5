"""No push between reading and commenting is approved by mistake."""

from __future__ import annotations

from tests.fakes.githost.faults import Fault
from tests.scenarios.approvals.words import Fork, ran
from tests.scenarios.talk import Talk
from tests.scenarios.world import World


def test_a_push_right_after_the_comment_is_not_approved(
    talk: Talk, world: World, fork: Fork
) -> None:
    """The comment is on its way when the owner of a fork pushes: what is head later is theirs."""
    made, request = fork
    read = request.head_sha
    comment = talk.send("/ok-to-test", request)
    evil = talk.fork_commit(made)
    world.run()
    assert talk.reaction(comment) == "refused"
    assert ran(world, evil) == ran(world, read) == 0
    assert f"paste: /ok-to-test {evil}" in talk.replies()[0]


def test_a_push_right_before_the_comment_is_not_approved(
    talk: Talk, world: World, fork: Fork
) -> None:
    """Read the old head, comment: meanwhile there is a new one, which the bot even said to wait."""
    made, request = fork
    evil = talk.fork_commit(made)
    comment = talk.send("/ok-to-test", request)
    world.run()
    assert talk.reaction(comment) == "refused"
    assert ran(world, evil) == 0
    # Seconds later the person has seen it.
    assert talk.reaction(talk.say("/ok-to-test", request)) == "accepted"
    world.run()
    assert ran(world, evil) == 1


def test_a_comment_in_the_very_second_of_the_status_is_not_enough(talk: Talk, world: World) -> None:
    _, request = talk.fork_request()
    world.settle()
    assert world.state(request.head_sha) == "pending"
    assert talk.reaction(talk.say("/ok-to-test", request)) == "refused"
    world.clock.turn(1.0)
    assert talk.reaction(talk.say("/ok-to-test", request)) == "accepted"


def test_a_head_that_came_and_went_makes_a_bare_approval_uncertain(
    talk: Talk, world: World, fork: Fork
) -> None:
    """evil, benign while somebody reads, evil again: the bot sees only the first and the last."""
    made, request = fork
    evil = request.head_sha
    talk.fork_commit(made)
    world.host.set_refs(made, {"refs/heads/topic": evil}, by="mallory")
    world.settle()
    world.clock.turn(5.0)
    assert request.head_sha == evil
    comment = talk.say("/ok-to-test", request)
    world.run()
    assert talk.reaction(comment) == "refused"
    assert "another head was there" in talk.replies()[0]
    assert ran(world, evil) == 0


def test_the_webhook_of_the_push_is_late(talk: Talk, world: World, fork: Fork) -> None:
    """The comment overtakes the push's webhook: what the host shows then was never said to wait."""
    made, request = fork
    with world.lost_webhooks():
        evil = talk.fork_commit(made)
        world.settle()
    comment = talk.say("/ok-to-test", request)
    assert talk.reaction(comment) == "refused"
    assert ran(world, evil) == 0


def test_a_status_that_the_host_did_not_take_yet_was_not_read_by_anybody(
    talk: Talk, world: World
) -> None:
    world.host.faults.add(Fault("answer", count=50, status=502, path="/statuses/", method="POST"))
    _, request = talk.fork_request()
    world.settle()
    world.clock.turn(5.0)
    assert talk.reaction(talk.say("/ok-to-test", request)) == "refused"
    assert "nothing said yet that this head waits" in talk.replies()[0]
    assert ran(world, request.head_sha) == 0


def test_our_clock_and_the_hosts_need_not_agree(talk: Talk, world: World) -> None:
    """The host is an hour behind us; its own clock alone orders status and comment."""
    shift = 3600.0
    world.host.world.now = lambda: world.clock.now() - shift
    world.host._server.now = world.host.world.now
    _, request = talk.fork_request()
    world.run(5)
    comment = talk.say("/ok-to-test", request)
    assert talk.reaction(comment) == "accepted"
