"""What one approval covers: a commit, a day, a few builds for the fork's author."""

from __future__ import annotations

from bot.core.builds import OutcomeClass
from bot.core.ids import HostKind
from tests.fakes.executor_memory import Fail, Hold
from tests.scenarios.approvals.words import Fork, ran
from tests.scenarios.talk import Talk
from tests.scenarios.world import World


def test_an_approval_is_for_one_commit(talk: Talk, world: World, fork: Fork) -> None:
    made, request = fork
    first = request.head_sha
    assert "approved before" not in talk.told(request)
    talk.say("/ok-to-test", request)
    world.run()
    later = talk.fork_commit(made)
    world.run(30)
    assert world.status(later) == ("pending", f"waiting for /ok-to-test {later}")
    told = f"`{first[:12]}` of this request was approved before: [what changed since]("
    assert told in talk.told(request)
    link = talk.told(request).partition(told)[2].partition(")")[0]
    web = world.store.repositories()[0].repository.web_url
    middle = "" if world.kind is HostKind.GITHUB else "/-"
    assert link.partition("?")[0] == f"{web}{middle}/compare/{first}..{later}"
    assert ran(world, later) == 0
    for body, by in (("/build", "ada"), ("/retest", "mallory"), ("/rebuild api", "ada")):
        assert talk.reaction(talk.say(body, request, by=by)) == "refused"
    assert f"/ok-to-test {later}" in talk.replies()[0]
    world.run()
    assert ran(world, later) == 0


def test_an_approved_forks_author_may_not_build_it_again_and_again(
    talk: Talk, world: World, fork: Fork
) -> None:
    _, request = fork
    talk.say(f"/ok-to-test {request.head_sha}", request)
    world.run()
    for line in ("/build", "/build api", "/rebuild api"):
        assert talk.reaction(talk.say(line, request, by="mallory")) == "refused"
        world.run()
    assert ran(world, request.head_sha) == 1
    assert talk.reaction(talk.say("/retest api", request, by="mallory")) == "refused"
    assert "api succeeded; the author of a fork builds again what failed" in talk.replies()[-1]
    talk.say("/build", request, by="mallory")
    assert "/build needs write access; you have" in talk.replies()[-1]
    assert talk.reaction(talk.say("/retest", request, by="mallory")) == "nothing"
    talk.say("/help", request, by="mallory")
    assert "`/retest [image…]`" in talk.replies()[-1]
    assert "/build [" not in talk.replies()[-1]
    talk.say("/build api", request)
    world.run()
    assert ran(world, request.head_sha) == 2


def test_an_approval_covers_a_few_builds_for_the_forks_author(
    talk: Talk, world: World, fork: Fork
) -> None:
    _, request = fork
    sha = request.head_sha
    world.executor.usual = Fail(OutcomeClass.STEP, "RUN curl failed (exit 7)")
    talk.say(f"/ok-to-test {sha}", request)
    world.run(60)
    for line in ("/retest", "/retest api", "/retest"):
        assert talk.reaction(talk.say(line, request, by="mallory")) == "accepted"
        world.run(60)
    assert ran(world, sha) == 4
    for line in ("/retest", "/retest api"):
        assert talk.reaction(talk.say(line, request, by="mallory")) == "refused"
    assert "api: built 4 times since this commit was approved" in talk.replies()[-1]
    world.executor.usual = Hold()
    assert talk.reaction(talk.say("/retest api", request)) == "accepted", "no bound for writers"
    world.run(60)
    assert ran(world, sha) == 5
    talk.say("/ok-to-test cancel", request)
    world.run(30)
    world.clock.turn(1)
    talk.say(f"/ok-to-test {sha}", request)
    world.run(60)
    assert ran(world, sha) == 6
    assert talk.reaction(talk.say("/retest api", request, by="mallory")) == "refused"
    assert "api is still being built" in talk.replies()[-1]
    assert talk.reaction(talk.say("/cancel\n/retest api", request, by="mallory")) == "refused"
    world.run(60)
    assert talk.reaction(talk.say("/retest", request, by="mallory")) == "accepted"
    world.run(60)
    assert ran(world, sha) == 7, "each approval counts anew"


def test_an_approval_lapses_after_a_day(talk: Talk, world: World, fork: Fork) -> None:
    _, request = fork
    world.executor.script["api"] = [Fail(OutcomeClass.STEP, "RUN curl failed (exit 7)")]
    talk.say("/ok-to-test", request)
    world.run()
    assert ran(world, request.head_sha) == 1
    assert talk.reaction(talk.say("/retest", request, by="mallory")) == "accepted"
    world.run()
    assert ran(world, request.head_sha) == 2
    world.clock.turn(24 * 3600)
    talk.say("/build api", request)
    world.run()
    assert ran(world, request.head_sha) == 2


def test_a_writers_fork_is_trusted_for_its_push_and_not_for_a_comment(
    talk: Talk, world: World
) -> None:
    world.configure(trust={"forks": "writers"})
    _, request = talk.fork_request(by="ada")
    world.run()
    assert ran(world, request.head_sha) == 1
    assert f"pr-{request.number}" in world.tags("api")
    world.run(60)
    assert talk.reaction(talk.say("/build api", request, by="olga")) == "refused"
    assert f"/ok-to-test {request.head_sha}" in talk.replies()[0]
    talk.say(f"/ok-to-test {request.head_sha}\n/build api", request, by="olga")
    world.run()
    trusts = [run.spec.trusted for run in world.runs() if run.sha == request.head_sha]
    assert trusts == [True, False, False], "what was approved, and what was asked for behind it"
