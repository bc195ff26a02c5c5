"""Comments command the bot: what happens, how it is acknowledged, and what is answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.builds import OutcomeClass
from bot.core.ids import HostKind
from tests.fakes.executor_memory import Fail, Hold, Succeed
from tests.fakes.githost.faults import Fault
from tests.scenarios.talk import BOT, Talk
from tests.scenarios.world import FILES, World, opened

CHANGE = "services/api/main.py"


@pytest.fixture
def talk(kind: HostKind, tmp_path: Path) -> Iterator[Talk]:
    with opened(kind, tmp_path) as world:
        found = Talk(world)
        found.people()
        yield found


@pytest.fixture
def world(talk: Talk) -> World:
    return talk.world


def test_build_builds_again_what_succeeded(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    before = world.ran("api").count(sha)
    comment = talk.say("Once more, please.\n\n/build api", request)
    assert talk.reaction(comment) == "accepted"
    world.run()
    assert world.ran("api").count(sha) == before + 1
    assert world.ran("web").count(sha) == 0
    assert world.state(sha) == "success"
    assert talk.replies() == []


def test_build_without_names_ignores_what_changed(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push("README.md", "topic")
    request = world.request("topic")
    world.run()
    assert world.ran("api").count(sha) == world.ran("web").count(sha) == 0
    talk.say("/build", request)
    world.run()
    assert world.ran("api").count(sha) == world.ran("web").count(sha) == 1
    assert f"pr-{request.number}" in world.tags("api")


def test_rebuild_takes_nothing_from_a_cache(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    talk.say("/rebuild api", request)
    world.run()
    recipes = [run.spec.recipe["build"] for run in world.executor.of("api", sha)]
    assert [dict(recipe)["no_cache"] for recipe in recipes] == [False, True]  # type: ignore[call-overload]
    # The same event once more finds the newer build, not the older one.
    tag = world.tags("api")[f"pr-{request.number}"]
    world.host.change_request(world.repository, request, "reopened")
    world.run()
    assert world.tags("api")[f"pr-{request.number}"] == tag == world.built("api", sha)


def test_retest_builds_only_what_failed(talk: Talk, world: World) -> None:
    world.push(FILES)
    world.run()
    world.executor.script["api"] = [Fail(OutcomeClass.STEP, "RUN curl failed (exit 7)")]
    sha = world.push({CHANGE: "x", "services/web/main.py": "x"}, "topic")
    request = world.request("topic")
    world.run()
    assert (world.state(sha, "/api"), world.state(sha, "/web")) == ("failure", "success")
    comment = talk.say("/retest", request)
    world.run()
    assert talk.reaction(comment) == "accepted"
    assert (world.ran("api").count(sha), world.ran("web").count(sha)) == (2, 1)
    assert world.state(sha) == "success"
    again = talk.say("/retry", request)
    assert talk.reaction(again) == "nothing"
    world.run()
    assert (world.ran("api").count(sha), world.ran("web").count(sha)) == (2, 1)
    assert talk.replies() == []


def test_cancel_stops_what_only_this_request_wants(talk: Talk, world: World) -> None:
    world.push(FILES)
    world.run()
    world.executor.usual = Hold()
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run(30)
    comment = talk.say("/cancel", request)
    world.run(30)
    assert talk.reaction(comment) == "accepted"
    assert all(run.cancelled for run in world.executor.of("api", sha))
    assert world.status(sha, "/api")[1] == "cancelled by @ada"
    assert talk.reaction(talk.say("/cancel", request)) == "nothing"
    world.executor.usual = Succeed()
    talk.say("/retest", request)
    world.run()
    assert world.state(sha) == "success"


def test_cancel_leaves_a_build_that_a_branch_wants(talk: Talk, world: World) -> None:
    world.push(FILES)
    world.run()
    world.executor.usual = Hold()
    sha = world.push(CHANGE, "release/1")
    request = world.request("release/1")
    world.run(30)
    comment = talk.say("/cancel", request)
    world.run(30)
    assert talk.reaction(comment) == "nothing"
    (run,) = world.executor.of("api", sha)
    assert not run.cancelled


def test_skip_turns_one_image_green_and_says_so(talk: Talk, world: World) -> None:
    world.push(FILES)
    world.run()
    world.executor.script["web"] = [Fail(OutcomeClass.STEP, "RUN npm ci failed (exit 1)")]
    sha = world.push({CHANGE: "x", "services/web/main.py": "x"}, "topic")
    request = world.request("topic")
    world.run()
    assert world.state(sha) == "failure"
    comment = talk.say("/skip web it's flaky", request)
    world.run()
    assert talk.reaction(comment) == "accepted"
    assert world.status(sha, "/web") == ("success", "skipped by @ada: it's flaky")
    assert world.status(sha) == ("success", "ok: api; web skipped by @ada: it's flaky")
    # For this commit alone.
    world.executor.script["web"] = [Fail(OutcomeClass.STEP, "RUN npm ci failed (exit 1)")]
    later = world.push("services/web/more.py", "topic")
    world.run()
    assert world.state(later) == "failure"


def test_skip_of_a_required_image_needs_more(talk: Talk, world: World) -> None:
    text = FILES[".pushwright.yaml"].replace("  web:\n", "  web:\n    required: true\n")
    world.push(FILES | {".pushwright.yaml": text})
    world.run()
    sha = world.push("services/web/main.py", "topic")
    request = world.request("topic")
    world.executor.script["web"] = [Fail(OutcomeClass.STEP, "RUN npm ci failed (exit 1)")]
    world.run()
    assert talk.reaction(talk.say("/skip web", request)) == "refused"
    assert "skipping it needs maintain access; you have write access" in talk.replies()[0]
    assert world.state(sha) == "failure"
    assert talk.reaction(talk.say("/skip web", request, by="olga")) == "accepted"
    world.run()
    assert world.state(sha) == "success"


def test_answers(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    for body in ("/status", "/why", "/logs api lines=5", "/help"):
        assert talk.reaction(talk.say(body, request, by="rita")) == "accepted"
    status, why, logs, help_ = talk.replies()
    assert f"Builds of `{sha[:12]}`" in status
    assert f"`reg.test/acme/shop/api:pr-{request.number}`" in status
    assert "| `web` | not built |" in status
    assert "| `api` | BUILD |" in why
    assert "| `web` | SKIP |" in why
    assert "no paths: not affected" in why, "every rule, not only the one that decided"
    assert "yes trust: trusted" in why
    assert logs.startswith("`api`: ")
    assert "`/status [image…]`" in help_
    assert "/rebuild" not in help_, "only what the asker may do"
    assert world.host.violations == []


def test_everything_about_the_bots_own_answers_stays_quiet(talk: Talk, world: World) -> None:
    world.push(FILES)
    world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    talk.say("/help", request)
    own = talk.say("<!-- pushwright:answer:1 -->\n\n/build api", request, by=BOT)
    world.run()
    assert talk.reaction(own) == ""
    assert len(talk.replies()) == 2, "its answer, and what was said in its name"
    assert world.reasons()[0] == ("ignored", "our own comment")


def test_several_commands_in_order(talk: Talk, world: World) -> None:
    world.push(FILES)
    world.run()
    world.executor.usual = Hold()
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run(30)
    world.executor.usual = Succeed()
    comment = talk.say("/cancel\n/build api", request)
    world.run()
    assert talk.reaction(comment) == "accepted"
    first, second = world.executor.of("api", sha)
    assert (first.cancelled, second.cancelled) == (True, False)
    assert world.state(sha) == "success"


def test_a_comment_is_obeyed_once_however_often_it_is_delivered(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    comment = talk.say("/build api\n/status", request)
    world.run()
    delivery = next(
        str(row["delivery"])
        for row in world.store.deliveries(100)
        if row["event"] in ("issue_comment", "Note Hook")
    )
    for _ in range(3):
        world.store.replay(delivery, world.clock.now())
        world.restart()
        world.run()
    assert world.ran("api").count(sha) == 2
    assert talk.reaction(comment) == "accepted"
    assert len(talk.replies()) == 1


def test_edited_comments_and_comments_on_issues_command_nothing(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    quiet = talk.say("> /build api\n\nand `/build web`", request)
    assert talk.reaction(quiet) == ""
    assert world.ran("api").count(sha) == 1
    assert world.reasons()[0] == ("ignored", "a comment without a command")


def test_refusals_stand_in_one_place_and_are_settled(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    first = talk.say("/build wbe", request)
    second = talk.say("/biuld web", request)
    assert talk.reaction(first) == talk.reaction(second) == "refused"
    assert len(talk.replies()) == 1
    assert "did you mean /build?" in talk.replies()[0]
    talk.say("/build web", request)
    world.run()
    assert talk.replies() == ["Settled: a later command of `ada` was accepted."]
    assert world.ran("web").count(sha) == 1


def test_closed_requests_are_only_told_of(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    world.close_request(request)
    world.run()
    for body in ("/build", "/rebuild", "/retest", "/cancel", "/skip api"):
        assert talk.reaction(talk.say(body, request)) == "refused"
    assert "the request is closed" in talk.replies()[0]
    assert talk.reaction(talk.say("/status", request)) == "accepted"
    world.run()
    assert world.ran("api").count(sha) == 1


# -- commits ---------------------------------------------------------------------------------


def test_a_comment_on_a_commit_builds_its_branch(talk: Talk, world: World) -> None:
    sha = world.push(FILES)
    world.run()
    comment = talk.say("/build api", sha=sha)
    world.run()
    assert world.ran("api").count(sha) == 2
    if world.kind is HostKind.GITHUB:
        assert talk.reaction(comment) == "accepted"
        assert talk.replies() == []
    else:
        assert talk.reaction(comment) == "", "GitLab has none on commits"
        assert talk.replies()[0].startswith("Accepted:")


def test_a_commit_of_two_branches_has_to_be_told_apart(talk: Talk, world: World) -> None:
    sha = world.push(FILES)
    world.refs(**{"heads/release/1": sha})
    world.run()
    talk.say("/build api", sha=sha)
    assert "name one: branch:main, branch:release/1" in talk.replies()[0]
    talk.say("/build api branch:release/1", sha=sha)
    world.run()
    assert world.ran("api").count(sha) == 2


def test_a_commit_that_is_no_head_any_more(talk: Talk, world: World) -> None:
    sha = world.push(FILES)
    world.run()
    later = world.push(CHANGE)
    world.run()
    talk.say("/build api branch:main", sha=sha)
    assert f"main is at {later[:12]}, not at {sha[:12]}" in talk.replies()[0]
    talk.say("/ok-to-test", sha=sha, by="ada")
    assert "works on pull and merge requests, not on commits" in talk.replies()[-1]
    assert world.ran("api").count(sha) == 1


# -- who may ---------------------------------------------------------------------------------


def test_who_reads_may_not_build_and_is_told_once(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    for _ in range(5):
        comment = talk.say("/build api", request, by="rita")
        assert talk.reaction(comment) == "refused"
    world.run()
    assert world.ran("api").count(sha) == 1
    assert len(talk.replies()) == 1
    assert "/build needs write access or be the author" in talk.replies()[0]
    assert len(world.journal("command")) == 5


def test_a_role_that_was_just_taken_away_counts(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    comment = talk.send("/rebuild api", request)
    world.host.set_role(world.repository, "ada", "read")
    world.run()
    assert talk.reaction(comment) == "refused"
    assert world.ran("api").count(sha) == 1


def test_bots_are_obeyed_where_they_are_listed(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
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
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
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
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    request.locked = True
    talk.say("/build api\n/status", request)
    gone = talk.send("/build web", request)
    del world.repository.comments[gone.id]
    world.run()
    assert talk.replies() == []
    assert (world.ran("api").count(sha), world.ran("web").count(sha)) == (2, 1)


def test_a_host_that_is_down_delays_and_loses_nothing(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    world.host.faults.add(Fault("answer", count=12, status=502))
    comment = talk.send("/build api\n/status", request)
    world.run(1200)
    assert talk.reaction(comment) == "accepted"
    assert world.ran("api").count(sha) == 2
    assert len(talk.replies()) == 1


def test_two_hundred_comments_within_the_hosts_limits(talk: Talk, world: World) -> None:
    """From twenty people at once, while the host takes 120 writes a minute: each is acknowledged
    once and answered once, none is lost."""
    world.push(FILES)
    world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    people = [f"person-{number}" for number in range(20)]
    for login in people:
        world.host.set_role(world.repository, login, "read")
    world.host.limits.writes = 120
    sent = [talk.send("/status", request, by=login) for login in people for _ in range(10)]
    world.host.hooks.wait()
    for _ in range(20):
        world.bot.settle(2000)
        world.clock.turn(31)
    assert [talk.reaction(comment) for comment in sent] == ["accepted"] * 200
    assert len(talk.replies()) == 200


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
    assert seen[:7] == [(1, 0), (2, 0), (3, 0), (3, 1), (3, 2), (3, 3), (3, 3)]


def test_a_token_that_lost_its_permission_is_given_it_back(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    number = request.number
    part = f"/issues/{number}/comments" if world.kind is HostKind.GITHUB else f"/{number}/notes"
    forbidden = Fault("answer", count=3, status=403, method="POST", path=part, message="Forbidden")
    world.host.faults.add(forbidden)
    talk.say("/build api\n/status", request)
    world.run(30)
    assert world.ran("api").count(sha) == 2, "what was asked for does not wait for the answer"
    world.run(1800)
    assert len(talk.replies()) == 1


def test_a_renamed_repository_is_still_the_right_one(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    comment = talk.send("/build api", request)
    world.host.world.rename(world.repository, "acme/store")
    world.run()
    assert talk.reaction(comment) == "accepted"
    assert world.ran("api").count(sha) == 2


def test_a_repository_that_is_not_listed_is_not_listened_to(talk: Talk, world: World) -> None:
    world.push(FILES)
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    world.configure(repositories=[{"match": "acme/other", "images": ["reg.test/**"]}])
    comment = talk.say("/build api", request)
    assert talk.reaction(comment) == ""
    assert world.reasons()[0][0] == "ignored"
    assert world.ran("api").count(sha) == 1


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
