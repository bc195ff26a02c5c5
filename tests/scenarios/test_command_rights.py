"""Who may command the bot, and what everybody else is told."""

from __future__ import annotations

from bot.core.ids import HostKind
from tests.scenarios.talk import Talk
from tests.scenarios.world import CHANGE, FILES, World


def test_who_reads_may_not_build_and_is_told_once(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
    for _ in range(5):
        comment = talk.say("/build api", request, by="rita")
        assert talk.reaction(comment) == "refused"
    world.run()
    assert world.ran("api").count(sha) == 1
    assert len(talk.replies()) == 1
    assert "/build needs write access, or being the author" in talk.replies()[0]
    assert len(world.journal("command")) == 5


def test_a_role_that_was_just_taken_away_counts(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
    comment = talk.send("/rebuild api", request)
    world.host.set_role(world.repository, "ada", "read")
    world.run()
    assert talk.reaction(comment) == "refused"
    assert world.ran("api").count(sha) == 1


def test_bots_are_obeyed_where_they_are_listed(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
    login = "renovate[bot]" if world.kind is HostKind.GITHUB else "project_7_bot"
    robot = world.host.person(login, bot=True)
    world.repository.members[robot.id] = 30
    assert talk.reaction(talk.say("/build api", request, by=login)) == ""
    world.configure(commands={"bots": [login]})
    assert talk.reaction(talk.say("/build api", request, by=login)) == "accepted"
    world.run()
    assert world.ran("api").count(sha) == 2


def test_the_administrators_table(talk: Talk, world: World) -> None:
    world.push(FILES)
    world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    world.configure(commands={"roles": {"build": "maintain", "promote": "read"}})
    assert talk.reaction(talk.say("/build api", request)) == "refused"
    assert talk.reaction(talk.say("/build api", request, by="olga")) == "accepted"
    talk.say("/promote api to prod", request, by="rita")
    assert "/promote needs write access" in talk.replies()[-1], "never below the floor"
    rule = {"match": "acme/*", "images": ["reg.test/**"], "commands": {"cancel": "admin"}}
    world.configure(repositories=[rule])
    assert talk.reaction(talk.say("/cancel", request, by="olga")) == "refused"


def test_bare_words_can_belong_to_another_bot(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
    sources = {"forge": world.config["sources"]["forge"] | {"bare-commands": False}}
    world.configure(sources=sources)
    assert talk.reaction(talk.say("/build api", request)) == ""
    assert talk.reaction(talk.say("/pushwright build api", request)) == "accepted"
    assert talk.reaction(talk.say("@pushwright build api", request)) == "accepted"
    talk.say("/pushwright help", request)
    assert len(world.journal("command")) == 2, "what changes nothing is not journalled"
    assert "`/pushwright build [image…] [--no-cache]`" in talk.replies()[-1]
    world.run()
    assert world.ran("api").count(sha) >= 2


def test_a_repository_that_is_not_listed_is_not_listened_to(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
    world.configure(repositories=[{"match": "acme/other", "images": ["reg.test/**"]}])
    comment = talk.say("/build api", request)
    assert talk.reaction(comment) == ""
    assert world.reasons()[0][0] == "ignored"
    assert world.ran("api").count(sha) == 1
