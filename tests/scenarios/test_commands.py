"""Comments command the bot: what happens, how it is acknowledged, and what is answered."""

from __future__ import annotations

import re

from bot.core.builds import OutcomeClass
from bot.core.commands import TABLE
from bot.core.hints import Hint
from bot.core.ids import HostKind, RepositoryId, Sha
from bot.flow import incoming
from tests.fakes.executor_memory import Fail, Hold, Succeed
from tests.scenarios.talk import BOT, Talk
from tests.scenarios.world import CHANGE, FILES, SOURCE, World


def test_build_builds_again_what_succeeded(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
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
    sha, request = world.built_request()
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
    sha, request = world.held_request()
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
    sha, request = world.held_request("release/1")
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
    sha, request = world.built_request()
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


def test_help_is_a_table_of_what_the_asker_may(talk: Talk, world: World) -> None:
    sha = world.push(FILES)
    world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    talk.say("/help", request, by="olga")
    heads, _, *rows = cells(talk.replies()[-1])
    assert all(len(row) == len(heads) for row in rows)
    shown = [row[0].split()[0].strip("`") for row in rows]
    assert shown == [f"/{spec.name}" for spec in TABLE]
    assert [row[0] for row in rows if "promote" in row[0]] == [
        "`/promote <image>[@commit|@sha256:…|:tag] to <tag…>`"
    ]
    talk.say("/help promote", request, by="olga")
    assert cells(talk.replies()[-1])[2:] == [row for row in rows if "promote" in row[0]]
    comment = talk.say("/help promote", request, by="rita")
    assert talk.reaction(comment) == "refused"
    assert "/promote needs maintain access; you have read access" in talk.replies()[-1]
    assert "to <tag" not in talk.replies()[-1]
    talk.say("/help ok-to-test", sha=sha)
    assert "/ok-to-test works on pull and merge requests, not on" in talk.replies()[-1]


def cells(body: str) -> list[list[str]]:
    """Of a table, as hosts cut it: https://github.github.com/gfm/#tables-extension-"""
    lines = [line for line in body.splitlines() if line.startswith("|")]
    found = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in found]


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
    sha, request = world.held_request()
    world.executor.usual = Succeed()
    comment = talk.say("/cancel\n/build api", request)
    world.run()
    assert talk.reaction(comment) == "accepted"
    first, second = world.executor.of("api", sha)
    assert (first.cancelled, second.cancelled) == (True, False)
    assert world.state(sha) == "success"


def test_a_comment_is_obeyed_once_however_often_it_is_delivered(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
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


def test_what_is_quoted_or_code_commands_nothing(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
    quiet = talk.say("> /build api\n\nand `/build web`", request)
    assert talk.reaction(quiet) == ""
    assert world.ran("api").count(sha) == 1
    assert world.reasons()[0] == ("ignored", "a comment without a command")


def test_refusals_stand_in_one_place_and_are_settled(talk: Talk, world: World) -> None:
    sha, request = world.built_request()
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
    sha, request = world.built_request()
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


def test_a_comment_on_a_commit_builds_its_tag(talk: Talk, world: World) -> None:
    sha = world.push(FILES)
    world.run()
    world.tag_commit("v1.2.3", sha)
    world.run()
    before = world.ran("api").count(sha)
    assert "name one" in _answer(talk, "/retest api", sha)
    talk.say("/build api tag:v1.2.3", sha=sha)
    world.run()
    assert world.ran("api").count(sha) == before + 1
    assert world.tags("api")["1.2.3"] == world.built("api", sha)
    assert "does not exist" in _answer(talk, "/build api tag:v9", sha)


def _answer(talk: Talk, line: str, sha: str) -> str:
    talk.say(line, sha=sha)
    return talk.refusal(sha, "ada")


def test_refusals_on_a_commit_stand_in_one_place_for_each_person(talk: Talk, world: World) -> None:
    sha = world.push(FILES)
    world.run()
    for count in range(1, 6):
        talk.say(f"/build api{count}", sha=sha, by="rita")
    assert len(talk.replies()) == 1
    assert "/build api5\n" in talk.refusal(sha, "rita")
    assert "/build needs write access" in talk.refusal(sha, "rita")
    talk.say("/build nope", sha=sha)
    assert len(talk.replies()) == 2
    later = world.push(CHANGE)
    world.run()
    talk.say("/build api", sha=later, by="rita")
    assert "/build api\n" in talk.refusal(later, "rita")
    assert "/build api5\n" in talk.refusal(sha, "rita"), "each commit has its own"
    talk.say("/status", sha=later, by="rita")
    assert talk.refusal(later, "rita") == "Settled: a later command of `rita` was accepted."


def test_a_commit_that_is_no_head_any_more(talk: Talk, world: World) -> None:
    """Its branch contains it: it is built again, and takes no name from what came after it."""
    sha = world.push(FILES)
    world.run()
    later = world.push(CHANGE)
    world.run()
    before = world.tags("api")
    for line in ("/build api branch:main", "/build api", "/retest api"):
        talk.say(line, sha=sha)
        world.run()
    assert world.ran("api").count(sha) == 4
    assert world.tags("api") == before == {"main": world.built("api", later)}
    assert world.state(sha) == world.state(later) == "success"
    for line, told in (
        ("/status", "Builds of"),
        ("/why", "What was decided"),
        ("/logs api", "api"),
    ):
        talk.say(line, sha=sha, by="rita")
        assert told in talk.replies()[-1]
    talk.say("/ok-to-test", sha=sha, by="ada")
    assert "works on pull and merge requests, not on commits" in talk.replies()[-1]


def test_an_old_commit_that_was_never_a_head_takes_no_name(talk: Talk, world: World) -> None:
    """Pushed together with its successor, whose build then fails: `main` stays where it was."""
    world.push(FILES)
    world.run()
    before = world.tags("api")
    with world.lost_webhooks():
        old = world.push({CHANGE: "old"})
    world.executor.script["api"] = [Fail(OutcomeClass.STEP, "RUN make failed (exit 2)")]
    head = world.push({CHANGE: "new"})
    world.run()
    assert (world.state(head), world.ran("api").count(old)) == ("failure", 0)
    talk.say("/build api", sha=old)
    world.run()
    assert world.ran("api").count(old) == 1
    assert world.state(old) == "success"
    assert world.tags("api") == before


def test_a_commit_that_no_branch_contains_is_read_and_never_built(talk: Talk, world: World) -> None:
    """Of a fork: GitHub finds it in the repository itself."""
    world.executor.untrusted = True
    world.push(FILES)
    world.run()
    _, request = talk.fork_request()
    world.run()
    sha = request.head_sha
    for line in ("/build api", "/build api branch:main", "/rebuild", "/retest", "/build tag:v1"):
        talk.say(line, sha=sha, by="olga")
        world.run(30)
    assert "main does not contain" in _answer(talk, "/build", sha)
    assert talk.reaction(talk.say("/cancel", sha=sha)) in ("nothing", "")
    talk.say("/status", sha=sha, by="rita")
    assert f"waiting for /ok-to-test {sha}" in talk.replies()[-1]
    # Even where something asked for it that the comment's own check did not stop.
    repository = RepositoryId(world.repository.id)
    hint = Hint(SOURCE, repository, "refs/heads/main", again=True, anyway=True, sha=Sha(sha))
    world.store.put_deliveries([incoming(hint, "late", world.clock.now())])
    world.run()
    assert world.reasons()[0] == ("ignored", f"main does not contain {sha[:12]}")
    assert [run for run in world.runs() if run.sha == sha] == []


def test_cancel_on_a_commit_leaves_its_successor_alone(talk: Talk, world: World) -> None:
    world.executor.usual = Hold()
    old = world.push(FILES)
    world.run(30)
    later = world.push(CHANGE)
    world.run(30)
    talk.say("/cancel", sha=old)
    world.run(30)
    stopped = {run.sha for run in world.runs() if run.cancelled}
    assert stopped == {old}
    assert world.state(later) == "pending"
