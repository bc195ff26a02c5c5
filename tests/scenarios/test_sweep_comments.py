"""Comments whose webhook was lost: the sweep finds them, they are obeyed like others, and once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bot.core.hints import COMMENT
from bot.core.ids import HostKind
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.model import Comment, Request
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.talk import Talk
from tests.scenarios.test_sweep import SWEEP
from tests.scenarios.world import ONE_IMAGE, World, opened

HOUR = 3600.0


def lost(talk: Talk, body: str, request: Request, *, by: str = "ada") -> Comment:
    """A comment of which no webhook tells."""
    with talk.world.lost_webhooks():
        return talk.send(body, request, by=by)


def found(world: World) -> Sequence[Mapping[str, object]]:
    """Deliveries of comments that the sweep made."""
    return [one for one in world.store.deliveries(1000) if one["event"] == COMMENT]


@pytest.fixture
def request_(world: World) -> Request:
    """A request whose head is built."""
    return world.built_request()[1]


@pytest.fixture
def fork(talk: Talk) -> Request:
    """A fork's request that was said to wait a while ago."""
    return talk.waiting_fork()


def test_a_lost_command_is_done_within_minutes_and_once(
    world: World, talk: Talk, request_: Request
) -> None:
    world.run(SWEEP)
    comment = lost(talk, "/rebuild api", request_)
    answered = lost(talk, "Well.\n\n/status", request_, by="rita")
    refused = lost(talk, "/cancel", request_, by="rita")
    world.run(2 * SWEEP)
    assert talk.reaction(comment) == talk.reaction(answered) == "accepted"
    assert talk.reaction(refused) == "refused"
    assert world.ran("api").count(request_.head_sha) == 2
    assert [str(one["state"]) for one in found(world)] == ["done"] * 3
    assert "@ada on request 1" in world.journal("command")[1]
    with_webhook = list(world.host.hooks.deliveries)
    for delivery in with_webhook:
        if delivery.lost:
            world.host.hooks.redeliver(delivery)  # the Redeliver button, too late
    world.run(3 * SWEEP)
    assert world.ran("api").count(request_.head_sha) == 2
    assert len(found(world)) == 3
    assert len(talk.replies()) == 2


def test_what_its_webhook_told_costs_no_row(world: World, talk: Talk, request_: Request) -> None:
    """Nor does what is nothing to us."""
    bot = "renovate[bot]" if world.kind is HostKind.GITHUB else "project_7_bot"
    world.host.person(bot, bot=True)
    world.run(SWEEP)
    told = talk.say("/status", request_)
    for body, by in (
        ("nice work", "ada"),
        ("as in `/build`", "ada"),
        ("> /build", "ada"),
        ("/build", bot),
        ("/build", "pushwright"),
    ):
        lost(talk, body, request_, by=by)
    issue = world.host.world.issue(world.repository)
    world.host.comment(world.repository, "/build", number=issue)
    world.run(3 * SWEEP)
    assert talk.reaction(told) == "accepted"
    assert found(world) == []


@ANY_HOST
def test_an_edited_or_a_deleted_comment_is_not_obeyed(
    world: World, talk: Talk, request_: Request
) -> None:
    edited = lost(talk, "harmless", request_)
    gone = lost(talk, "/rebuild api", request_)
    world.clock.turn(5.0)
    world.host.edit_comment(world.repository, edited.id, "/rebuild api")
    world.host.delete_comment(world.repository, gone.id)
    world.run(2 * SWEEP)
    assert found(world) == []
    assert talk.reactions(edited) == []
    assert world.ran("api").count(request_.head_sha) == 1


@ANY_HOST
def test_a_comment_of_before_the_first_sight_is_not_obeyed(kind: HostKind, tmp_path: Path) -> None:
    with opened(kind, tmp_path, fresh=False) as world:
        talk = Talk(world).people()
        with world.lost_webhooks():
            world.push(ONE_IMAGE)
            world.push("a.txt", "topic")
            request = world.request("topic")
        old = lost(talk, "/build", request)
        world.clock.turn(90.0)
        world.run(2 * SWEEP)
        assert (found(world), talk.reactions(old)) == ([], [])
        new = lost(talk, "/build", request)
        world.run(SWEEP)
        assert talk.reaction(new) == "accepted"


@ANY_HOST
def test_what_was_said_while_the_bot_was_away(world: World, talk: Talk, request_: Request) -> None:
    """An hour is made good; what is older than two hours is not looked for."""
    world.run(SWEEP)
    stale = lost(talk, "/rebuild api", request_)
    world.clock.turn(1.5 * HOUR)
    comment = lost(talk, "/rebuild api", request_)
    world.clock.turn(HOUR)
    world.run(SWEEP)
    assert (talk.reactions(stale), talk.reaction(comment)) == ([], "accepted")
    assert world.ran("api").count(request_.head_sha) == 2


@ANY_HOST
def test_a_burst_that_was_cut_off_is_not_heard_later(
    world: World, talk: Talk, request_: Request
) -> None:
    sent = [talk.send("/status", request_, by="rita") for _ in range(14)]
    world.settle()
    world.run(3 * SWEEP)
    assert sum(bool(talk.reactions(one)) for one in sent) == 10
    assert found(world) == []
    found_late = [lost(talk, "/status", request_) for _ in range(12)]
    world.run(SWEEP + 120.0)
    assert all(talk.reaction(one) == "accepted" for one in found_late), "two of them a minute later"


# -- approvals -------------------------------------------------------------------------------


def ran(world: World, request: Request) -> int:
    return world.ran("api").count(request.head_sha)


def test_a_lost_approval_counts_for_the_commit_that_it_names_alone(
    world: World, talk: Talk, fork: Request
) -> None:
    """What was pushed while webhooks were lost we did not see: a bare one may mean another head."""
    bare = lost(talk, "/ok-to-test", fork)
    world.run(SWEEP)
    assert talk.reaction(bare) == "refused"
    [told] = talk.replies()
    assert "the webhook of your comment was lost" in told
    assert f"/ok-to-test {fork.head_sha}" in told
    assert ran(world, fork) == 0
    other = lost(talk, f"/ok-to-test {'1' * 40}", fork)
    stranger = lost(talk, f"/ok-to-test {fork.head_sha}", fork, by="mallory")
    world.run(SWEEP)
    assert talk.reaction(other) == talk.reaction(stranger) == "refused"
    assert ran(world, fork) == 0
    full = lost(talk, f"/ok-to-test {fork.head_sha}", fork)
    world.run(SWEEP)
    assert talk.reaction(full) == "accepted"
    assert ran(world, fork) == 1


@ANY_HOST
@pytest.mark.parametrize("minutes", [3, 20])
def test_a_webhook_that_waits_for_its_host_is_not_lost(
    world: World, talk: Talk, fork: Request, minutes: int
) -> None:
    """The host's API was away when it came: the sweep may be back sooner, and does not take its
    place."""
    world.run(SWEEP)
    world.host.faults.outage = True
    comment = talk.send("/ok-to-test", fork)
    world.run(60.0 * minutes)
    world.host.faults.clear()
    world.run(SWEEP)
    assert talk.reaction(comment) == "accepted"
    assert ran(world, fork) == 1


@ANY_HOST
@pytest.mark.parametrize("heard", [True, False])
def test_a_lost_approval_that_was_taken_back(
    world: World, talk: Talk, fork: Request, *, heard: bool
) -> None:
    """Its taking back was heard, or lost as well: nothing runs in between."""
    world.run(SWEEP)
    approval = lost(talk, f"/ok-to-test {fork.head_sha}", fork)
    world.clock.turn(100.0)
    back = lost(talk, "/ok-to-test cancel", fork)
    if heard:
        talk.tell(back, lambda _: None)
    world.clock.turn(SWEEP - 110.0)
    world.run(2 * SWEEP)
    assert talk.reaction(approval) == ("refused" if heard else "accepted")
    assert [run.cancelled for run in world.runs() if run.sha == fork.head_sha] in ([], [True])
    assert world.status(fork.head_sha) == ("pending", f"waiting for /ok-to-test {fork.head_sha}")


# -- hosts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [HostKind.GITLAB], indirect=True)
def test_a_lost_internal_note_is_not_answered_in_public(
    world: World, talk: Talk, request_: Request
) -> None:
    note = lost(talk, "/build sekret", request_)
    note.internal = True
    world.run(SWEEP)
    assert talk.reaction(note) == "refused"
    assert talk.replies() == []


@ANY_HOST
def test_comments_that_may_not_be_read_keep_nothing_else_from_being_found(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.push(ONE_IMAGE)
    world.run(SWEEP)
    where = "/issues/comments" if world.kind is HostKind.GITHUB else "/events"
    world.host.faults.add(Fault("answer", count=100, status=403, path=where))
    with world.lost_webhooks():
        sha = world.push("a.txt")
    world.run(SWEEP)
    assert world.state(sha) == "success"
    assert "comments are not looked for" in caplog.text


def test_a_round_that_finds_nothing_asks_twice(world: World) -> None:
    """Besides one `git ls-remote`: for open requests, and for new comments."""
    world.push(ONE_IMAGE)
    world.run(SWEEP)
    asked = len(world.host.records)
    world.clock.turn(SWEEP)
    world.bot.step("sweep")
    calls = [one.path for one in world.host.records[asked:] if ".git/" not in one.path]
    listed = ("/pulls", "/issues/comments"), ("/merge_requests", "/events")
    ends = listed[world.kind is HostKind.GITLAB]
    assert len(calls) == 2, calls
    assert all(path.partition("?")[0].endswith(end) for path, end in zip(calls, ends, strict=True))
