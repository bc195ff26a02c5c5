"""Where another bot owns the bare words, every line that we tell people to write is one that we
hear: each is taken from what the bot said and pasted as it stands."""

from __future__ import annotations

import re

import pytest

from bot.core.reports_comment import MARKER
from tests.fakes.githost.model import Request
from tests.scenarios.talk import BOT, Talk
from tests.scenarios.world import FILES, World

PROMOTING = FILES | {".pushwright.yaml": FILES[".pushwright.yaml"] + "promote: {allow: [prod]}\n"}


@pytest.fixture(autouse=True)
def long_forms(world: World) -> None:
    sources = {"forge": world.config["sources"]["forge"] | {"bare-commands": False}}
    world.configure(sources=sources)


def told(pattern: str, text: str) -> str:
    """The one line in `text` that somebody would copy."""
    found = re.search(pattern, text)
    assert found is not None, text
    return found[0]


@pytest.fixture
def request_(long_forms: None, talk: Talk) -> Request:
    """Of a fork, which was said to wait."""
    return talk.waiting_fork()


def test_the_line_that_a_fork_waits_for(talk: Talk, world: World, request_: Request) -> None:
    sha = request_.head_sha
    state, text = world.status(sha)
    assert (state, len(text) <= 140) == ("pending", True)
    line = told(rf"/\S.* {sha}", text)
    assert line == f"/pushwright ok-to-test {sha}"
    (said,) = [
        one.body
        for one in world.host.all_comments(world.repository)
        if one.author.login == BOT and one.body.startswith(MARKER)
    ]
    assert line in said
    assert "`/pushwright help`" in said
    assert talk.reaction(talk.say(line, request_)) == "accepted"
    world.run()
    assert [run.image for run in world.runs() if run.sha == sha] == ["api"]


def test_a_bare_approval_counts_for_a_head_that_was_said_to_wait(
    talk: Talk, request_: Request
) -> None:
    assert talk.reaction(talk.say("/pushwright ok-to-test", request_)) == "accepted"


def test_the_line_of_a_refused_approval(talk: Talk, request_: Request) -> None:
    for asked in (f"/pushwright ok-to-test {request_.head_sha[:9]}", "/pushwright build api"):
        assert talk.reaction(talk.say(asked, request_)) == "refused"
        line = told(rf"/pushwright ok-to-test {request_.head_sha}", talk.replies()[-1])
    assert talk.reaction(talk.say(line, request_)) == "accepted"


def test_what_refusals_tell_to_write(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push("services/api/main.py", "topic")
    request = world.request("topic")
    world.run()
    for wrong in (
        "/pushwright biuld api",
        "/pushwright build --push-as x",
        "/pushwright skip",
        "/pushwright promote api",
        "/pushwright logs a b c",
        "/pushwright promote api to prod",
        "/pushwright retest --nothing",
    ):
        talk.say(wrong, request)
        _, quoted, why = talk.replies()[-1].partition(wrong)
        assert quoted, "it is refused"
        assert not re.search(r"(?<![\w/])/(?!pushwright )[a-z]", why), why
    talk.say("/pushwright biuld api", request)
    line = told(r"(?<=did you mean )/[^?]+", talk.replies()[-1])
    assert talk.reaction(talk.say(line, request)) == "accepted"
    world.run()
    assert world.ran("api").count(sha) == 2


def test_the_line_that_takes_a_promotion_back(talk: Talk, world: World) -> None:
    first = world.push(PROMOTING)
    world.run()
    talk.say("/pushwright promote api to prod", sha=first, by="olga")
    old = world.tags("api")["prod"]
    second = world.push("services/api/two.py")
    world.run()
    talk.say("/pushwright promote api to prod", sha=second, by="olga")
    assert world.tags("api")["prod"] != old
    talk.say(told(r"/pushwright promote .* to prod", talk.replies()[-1]), sha=second, by="olga")
    assert world.tags("api")["prod"] == old
