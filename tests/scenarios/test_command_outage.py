"""The host tells of comments and then answers nothing for an hour, or for three: what was asked for
meanwhile is done once when it is back, or refused because it is too old by then; all is told."""

from __future__ import annotations

import json

import pytest

from bot.core.ids import HostKind
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.model import Comment, Request
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.talk import WORDS, Talk
from tests.scenarios.world import FILES, World


@pytest.fixture
def request_(talk: Talk, world: World) -> Request:
    world.executor.untrusted = True
    world.push(FILES)
    world.push("services/api/main.py", "topic")
    made = world.request("topic")
    world.run()
    return made


def play(world: World, seconds: float, hop: float) -> None:
    world.settle()
    for _ in range(round(seconds / hop)):
        world.clock.turn(hop)
        world.settle()


def reactions(world: World) -> str:
    return "reactions" if world.kind is HostKind.GITHUB else "award_emoji"


def told(world: World, comment: Comment) -> list[str]:
    """What the host took as the word for what came of the comment, once for each time."""
    taken = world.host.calls("POST", f"/{comment.id}/{reactions(world)}")
    bodies = [json.loads(one.body) for one in taken if one.status in (200, 201)]
    return [WORDS[word] for body in bodies if (word := next(iter(body.values()))) in WORDS]


@ANY_HOST
def test_an_hour_without_the_host(talk: Talk, world: World, request_: Request) -> None:
    sha = request_.head_sha
    _, fork = talk.fork_request()
    world.run(30)
    silent = Fault("answer", 10**6, 503, method="POST", path=reactions(world))
    world.host.faults.add(silent)
    sent = [talk.say("/rebuild web", request_)]  # done, and not told any more
    world.host.faults.outage = True
    sent.append(talk.say("/build api", request_))
    play(world, 1200, 240)
    sent += [talk.say("/skip web flaky", request_, by="olga"), talk.say("/status", request_)]
    world.host.hooks.redeliver(world.host.hooks.deliveries[-2])
    play(world, 2340, 390)
    sent.append(talk.say(f"/ok-to-test {fork.head_sha}", fork))
    play(world, 60, 60)
    assert [told(world, one) for one in sent] == [[]] * 5
    assert (world.ran("api").count(sha), world.ran("web").count(sha)) == (1, 1)

    world.host.faults.clear()
    play(world, 300, 20)
    assert [told(world, one) for one in sent] == [["accepted"]] * 5
    assert (world.ran("api").count(sha), world.ran("web").count(sha)) == (2, 1)
    assert world.ran("api").count(fork.head_sha) == 1
    assert "flaky" in world.status(sha, "/web")[1]
    assert len(talk.replies()) == 1
    assert len(world.journal("command")) == 4


@ANY_HOST
def test_three_hours_without_it(talk: Talk, world: World, request_: Request) -> None:
    sha = request_.head_sha
    world.host.faults.outage = True
    early = talk.say("/build api", request_)
    play(world, 2 * 3600, 600)
    late = talk.say("/build web", request_)
    play(world, 3600, 600)
    world.host.faults.clear()
    play(world, 300, 20)
    assert (told(world, early), told(world, late)) == (["refused"], ["accepted"])
    assert (world.ran("api").count(sha), world.ran("web").count(sha)) == (1, 1)
    (answer,) = talk.replies()
    assert "the comment is more than 2 hours old" in answer
