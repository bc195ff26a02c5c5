"""What goes wrong around commands: floods of comments, locked threads, hosts that are down, tokens
that lost a permission, hostile text."""

from __future__ import annotations

import pytest

from bot.core.ids import HostKind
from tests.fakes.githost.faults import Fault
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.talk import Talk
from tests.scenarios.world import CHANGE, FILES, World


def test_a_comment_is_acknowledged_before_the_host_can_be_asked(talk: Talk, world: World) -> None:
    world.push(FILES)
    world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    talk.say("/help", request)  # by now it knows who it is itself
    world.host.faults.add(Fault("answer", count=10, status=502, method="GET"))
    comment = talk.say("/build api", request)
    assert talk.reactions(comment) == ["eyes"]
    world.run(300)
    assert talk.reactions(comment) == ["eyes", "rocket"]


def test_a_receipt_that_the_host_does_not_take_costs_nothing_else(talk: Talk, world: World) -> None:
    """It is not tried again: what came of the comment is told, and told until it took."""
    world.push(FILES)
    world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    where = "/reactions$" if world.kind is HostKind.GITHUB else "/award_emoji$"
    world.host.faults.add(Fault("answer", status=502, method="POST", path=where))
    comment = talk.say("/status", request)
    assert talk.reactions(comment) == ["rocket"]
    assert len(talk.replies()) == 1


def test_nothing_is_acknowledged_that_is_not_for_us(talk: Talk, world: World) -> None:
    world.push(FILES)
    world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    login = "renovate[bot]" if world.kind is HostKind.GITHUB else "project_7_bot"
    world.host.person(login, bot=True)
    for body, by in (("nice work", "ada"), ("/build", login), ("> /build", "ada")):
        assert talk.reactions(talk.say(body, request, by=by)) == []


@ANY_HOST
def test_a_burst_of_one_person_is_cut_off(talk: Talk, world: World) -> None:
    world.push(FILES)
    world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    asked = len(world.host.calls("GET"))
    sent = [talk.send("/status", request, by="rita") for _ in range(200)]
    world.settle()
    heard = [comment for comment in sent if talk.reaction(comment)]
    assert len(heard) == len(talk.replies()) == 10
    assert len(world.host.calls("GET")) - asked < 60, "strangers cost no API calls beyond that"
    world.run(120)
    assert talk.reaction(talk.say("/status", request, by="rita")) == "accepted"


def test_a_locked_conversation_and_a_deleted_comment(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
    request.locked = True
    talk.say("/build api\n/status", request)
    gone = talk.send("/build web", request)
    del world.repository.comments[gone.id]
    world.run()
    assert talk.replies() == []
    assert (world.ran("api").count(sha), world.ran("web").count(sha)) == (2, 0)
    told = "not done, the comment was deleted before it was handled: /build web"
    assert world.journal("command")[0] == f"@ada on request {request.number}: {told}"
    assert world.reasons()[0] == ("ignored", "the comment was deleted before it was handled")


def test_a_comment_that_the_host_shows_late_is_obeyed(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
    late = talk.send("/build web", request)
    del world.repository.comments[late.id]
    world.settle()
    world.repository.comments[late.id] = late
    world.run(30)
    assert talk.reaction(late) == "accepted"
    assert world.ran("web").count(sha) == 1


def test_a_token_that_may_not_read_comments_obeys_what_it_was_told(
    talk: Talk, world: World
) -> None:
    sha, request = world.built_request()
    fault = Fault("answer", count=5, status=403, message="Forbidden", method="GET",
                  path=r"/(comments|notes)/\d+$")  # fmt: skip
    world.host.faults.add(fault)
    talk.say("/build web", request)
    world.run(30)
    assert fault.count < 5
    assert world.ran("web").count(sha) == 1


def test_a_host_that_is_down_delays_and_loses_nothing(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
    world.host.faults.add(Fault("answer", count=12, status=502))
    comment = talk.send("/build api\n/status", request)
    world.run(1200)
    assert talk.reaction(comment) == "accepted"
    assert world.ran("api").count(sha) == 2
    assert len(talk.replies()) == 1


@pytest.mark.timeout(600)
@pytest.mark.parametrize("people", [2, pytest.param(20, marks=pytest.mark.long)])
def test_many_comments_within_the_hosts_limits(talk: Talk, world: World, people: int) -> None:
    """Ten of each at once, while the host takes 120 writes a minute (12, where there are few):
    each is acknowledged once and answered once, none is lost."""
    world.push(FILES)
    world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    logins = [f"person-{number}" for number in range(people)]
    for login in logins:
        world.host.set_role(world.repository, login, "read")
    world.host.limits.writes = 6 * people
    sent = [talk.send("/status", request, by=login) for login in logins for _ in range(10)]
    world.host.hooks.wait()
    for _ in range(20):
        world.bot.settle(2000)
        world.clock.turn(31)
    assert [talk.reaction(comment) for comment in sent] == ["accepted"] * (10 * people)
    assert len(talk.replies()) == 10 * people


def test_writes_keep_the_pace_and_reactions_go_first(talk: Talk, world: World) -> None:
    world.push(FILES)
    world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    world.configure(pace="1s")
    sent = [talk.send("/status", request) for _ in range(3)]
    world.host.hooks.wait()
    seen = []
    for _ in range(8):
        before = len(world.host.calls("POST"))
        world.settle()
        assert len(world.host.calls("POST")) - before <= 1
        seen.append((sum(bool(talk.reaction(one)) for one in sent), len(talk.replies())))
        world.clock.turn(1.0)
    assert [talk.reactions(one)[0] for one in sent] == ["eyes", "rocket", "rocket"]
    assert seen == [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1), (3, 2), (3, 3), (3, 3)]


def test_a_token_that_lost_its_permission_is_given_it_back(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
    number = request.number
    part = f"/issues/{number}/comments" if world.kind is HostKind.GITHUB else f"/{number}/notes"
    forbidden = Fault("answer", count=3, status=403, method="POST", path=part, message="Forbidden")
    world.host.faults.add(forbidden)
    talk.say("/build api\n/status", request)
    world.run(30)
    assert world.ran("api").count(sha) == 2, "what was asked for does not wait for the answer"
    world.run(1800)
    assert len(talk.replies()) == 1


def test_a_reaction_that_is_not_allowed_costs_nothing_else(talk: Talk, world: World) -> None:
    """At GitHub those on comments on commits need a permission that nothing else does."""
    sha = world.push(FILES)
    world.run()
    message = "Resource not accessible by integration"
    world.host.faults.add(
        Fault("answer", 10**6, 403, method="POST", path="/reactions$", message=message)
    )
    comment = talk.say("/build api\n/status", sha=sha)
    asked = len(world.host.calls("POST", "/reactions"))
    world.run()
    assert talk.reactions(comment) == []
    assert len(world.host.calls("POST", "/reactions")) == asked <= 2, "nobody waits for it"
    assert world.ran("api").count(sha) == 2
    assert len(talk.replies()) == 1


@ANY_HOST
def test_what_was_said_hours_ago_is_not_done_any_more(talk: Talk, world: World) -> None:
    """A credential that nobody mended for a while: nobody's `/cancel` of then stops a build of
    now, and who asked is told; questions are still answered."""
    sha, request = world.built_request()
    world.host.faults.add(Fault("answer", count=10**6, status=403, message="Forbidden"))
    comment = talk.send("/build api\n/skip web broken\n/status", request)
    world.run(3 * 3600)
    world.host.faults.clear()
    world.run(2 * 3600)
    assert talk.reaction(comment) == "refused"
    (answer,) = talk.replies()
    assert answer.count("the comment is more than 2 hours old") == 2
    assert f"Builds of `{sha[:12]}`" in answer
    assert world.ran("api").count(sha) == 1
    assert len(world.journal("command")) == 2
    assert talk.reaction(talk.say("/build api", request)) == "accepted"


def test_a_delivery_that_comes_days_late_does_nothing(talk: Talk, world: World) -> None:
    """The host's own clock tells when a comment was made: the Redeliver button brings it back."""
    sha, request = world.built_request()
    with world.lost_webhooks():
        comment = talk.send("/build api", request)
    late = world.host.hooks.deliveries[-1]
    world.clock.turn(2 * 86400)
    world.host.hooks.redeliver(late)
    world.run()
    assert talk.reaction(comment) == "refused"
    assert world.ran("api").count(sha) == 1


def test_a_renamed_repository_is_still_the_right_one(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
    comment = talk.send("/build api", request)
    world.host.world.rename(world.repository, "acme/store")
    world.run()
    assert talk.reaction(comment) == "accepted"
    assert world.ran("api").count(sha) == 2


def test_hostile_text_in_an_answer_has_no_effect(talk: Talk, world: World) -> None:
    """What a stranger typed comes back as code: no mention, no link, no closed fence."""
    world.push(FILES)
    world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    talk.say("/build `````@everyone ![x](http://evil.test) <b>", request, by="rita")
    (body,) = talk.replies()
    fence = body.splitlines()[2]
    assert set(fence.removesuffix("text")) == {"`"}
    inside = body.partition(fence)[2].rpartition("`" * 3)[0]
    assert "@everyone" not in body.replace(inside, "")
    assert fence.removesuffix("text") not in inside.replace(body.splitlines()[-1], "")


@pytest.mark.parametrize("status", [401, 403])
@ANY_HOST
def test_a_token_that_ends_while_a_command_is_decided(
    talk: Talk, world: World, status: int
) -> None:
    """The comment was read and shown so; then nothing could be asked any more until it was mended:
    what was asked for is done once, and answered once."""
    sha, request = world.built_request()
    talk.say("/help", request)  # by now it knows who it is itself
    world.host.faults.add(Fault("answer", 10**6, status, method="GET", message="Bad credentials"))
    comment = talk.say("/build api\n/status", request)
    assert talk.reactions(comment) == ["eyes"]
    world.run(1200)
    assert world.ran("api").count(sha) == 1
    world.host.faults.clear()
    world.run(1800)
    assert talk.reactions(comment) == ["eyes", "rocket"]
    assert world.ran("api").count(sha) == 2
    assert len(talk.replies()) == 2


def test_long_words_fit_everywhere(talk: Talk, world: World) -> None:
    """A reason, ten refused lines and an answer of many lines, each as long as it may be."""
    sha, request = world.built_request()
    talk.say(f"/skip api {'ü' * 4000}", request)
    talk.say("\n".join([f"/build {'x' * 4000}"] * 10), request)
    world.run()
    state, text = world.status(sha, "/api")
    assert (state, len(text) <= 255) == ("success", True)
    assert all(len(body) <= 65_536 for body in talk.replies())
    assert len(talk.replies()) == 1
