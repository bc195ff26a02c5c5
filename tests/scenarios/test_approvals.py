"""Forks and `/ok-to-test`: nothing runs before somebody approved that very commit; no push between
reading and commenting is approved by mistake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.builds import BuildState, OutcomeClass
from bot.core.ids import HostKind
from tests.fakes.executor_memory import Fail, Hold, Succeed
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.model import Repository as FakeRepository
from tests.fakes.githost.model import Request
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.talk import Talk
from tests.scenarios.world import FILES, World, opened


@pytest.fixture
def talk(kind: HostKind, tmp_path: Path) -> Iterator[Talk]:
    with opened(kind, tmp_path) as world:
        found = Talk(world).people()
        world.executor.untrusted = True
        world.push(FILES)
        world.run()
        yield found


@pytest.fixture
def world(talk: Talk) -> World:
    return talk.world


Fork = tuple[FakeRepository, Request]


@pytest.fixture
def fork(talk: Talk) -> Fork:
    """A fork's request that was said to wait a while ago."""
    made = talk.fork_request()
    talk.world.run(30)
    return made


def ran(world: World, sha: str) -> int:
    return sum(run.sha == sha for run in world.runs())


def test_nothing_of_a_fork_runs_until_it_is_approved(talk: Talk, world: World, fork: Fork) -> None:
    _, request = fork
    sha = request.head_sha
    assert world.status(sha) == ("pending", f"waiting for /ok-to-test {sha}")
    assert ran(world, sha) == 0
    comment = talk.say("/ok-to-test", request)
    world.run()
    assert talk.reaction(comment) == "accepted"
    assert talk.replies() == []
    assert [run.image for run in world.runs() if run.sha == sha] == ["api"]
    assert world.state(sha) == "success"
    assert world.status(sha, "/api")[1].endswith("built, not pushed")
    assert f"pr-{request.number}" not in world.tags("api")
    (entry,) = world.journal("command")
    assert entry == (f"@ada on request {request.number} at {sha[:12]}: /ok-to-test: approved {sha}")


def test_an_approved_build_has_no_credential_no_cache_to_write_and_no_frontend_of_its_own(
    talk: Talk, world: World, fork: Fork
) -> None:
    _, request = fork
    talk.say("/ok-to-test", request)
    world.run()
    (run,) = [run for run in world.runs() if run.sha == request.head_sha]
    assert not run.spec.trusted
    assert run.spec.secrets == ()
    build = run.spec.recipe["build"]
    assert isinstance(build, dict)
    assert build.get("push") is None
    assert run.spec.recipe["frontends"] == ["docker.io/docker/dockerfile"]
    assert all("frontends" not in run.spec.recipe for run in world.runs() if run.spec.trusted)


def test_the_config_of_an_approved_fork_is_the_base_branchs(talk: Talk, world: World) -> None:
    made = world.host.fork(world.repository, "mallory/shop")
    files = {".pushwright.yaml": "version: 1\nimages: {evil: {}}\n", "Dockerfile": "FROM scratch",
             "services/api/x": "y"}  # fmt: skip
    sha = world.host.commit(made, "topic", files, by="mallory")
    request = world.host.open_request(world.repository, "topic", head=made, by="mallory")
    world.run(30)
    talk.say(f"/ok-to-test {sha}", request)
    world.run()
    assert {run.image for run in world.runs() if run.sha == sha} == {"api"}
    assert "pushwright/evil" not in world.shown(sha)


def test_the_full_commit_counts_at_any_time(talk: Talk, world: World) -> None:
    _, request = talk.fork_request()
    world.settle()
    comment = talk.say(f"/ok-to-test {request.head_sha.upper()}", request)
    world.run()
    assert talk.reaction(comment) == "accepted"
    assert ran(world, request.head_sha) == 1


@pytest.mark.parametrize("digits", [7, 12, 39])
@ANY_HOST
def test_a_short_commit_is_refused_with_the_line_to_paste(
    talk: Talk, world: World, fork: Fork, digits: int
) -> None:
    _, request = fork
    comment = talk.say(f"/ok-to-test {request.head_sha[:digits]}", request)
    world.run()
    assert talk.reaction(comment) == "refused"
    assert f"paste: /ok-to-test {request.head_sha}" in talk.replies()[0]
    assert ran(world, request.head_sha) == 0


def test_an_older_and_an_unknown_commit_are_refused(talk: Talk, world: World, fork: Fork) -> None:
    made, request = fork
    first = request.head_sha
    talk.fork_commit(made)
    world.run(30)
    for sha in (first, "e" * 40):
        assert talk.reaction(talk.say(f"/ok-to-test {sha}", request)) == "refused"
        assert f"{sha[:12]} is not the head any more" in talk.replies()[0]
    world.run()
    assert ran(world, first) == ran(world, request.head_sha) == 0


# -- the race --------------------------------------------------------------------------------


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


# -- what an approval covers -----------------------------------------------------------------


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


# -- taken back ------------------------------------------------------------------------------


def held_builds(talk: Talk, request: Request) -> list[str]:
    """The request's head approved; its builds run and do not end. Their names."""
    world = talk.world
    world.executor.usual = Hold()
    assert talk.reaction(talk.say(f"/ok-to-test {request.head_sha}", request)) == "accepted"
    world.run(20)
    running = [build for build in world.builds() if build.sha == request.head_sha]
    assert {build.state for build in running} == {BuildState.RUNNING}
    return sorted(build.image for build in running)


def states(world: World, sha: str) -> list[BuildState]:
    """Of the builds of a commit, in the order in which they were asked for."""
    found = [build for build in world.builds() if build.sha == sha]
    return [build.state for build in sorted(found, key=lambda build: build.generation)]


def test_an_approval_that_is_taken_back_stops_what_it_started(
    talk: Talk, world: World, fork: Fork
) -> None:
    _, request = fork
    sha = request.head_sha
    assert held_builds(talk, request) == ["api"]
    for by in ("mallory", "rita", "stranger"):
        assert talk.reaction(talk.say("/ok-to-test cancel", request, by=by)) == "refused"
    world.run()
    assert states(world, sha) == [BuildState.RUNNING]
    comment = talk.say("/ok-to-test Cancel", request, by="olga")
    world.run(30)
    assert talk.reaction(comment) == "accepted"
    assert states(world, sha) == [BuildState.CANCELLED]
    assert world.status(sha) == ("pending", f"waiting for /ok-to-test {sha}")
    assert world.status(sha, "/api")[1] == "approval taken back by @olga"
    told = f"@olga on request {request.number} at {sha[:12]}: /ok-to-test Cancel"
    assert world.journal("command")[0] == f"{told}: approval taken back"
    for body, by in (("/retest", "mallory"), ("/retest api", "mallory"), ("/build api", "ada")):
        assert talk.reaction(talk.say(body, request, by=by)) == "refused"
    world.run(700)
    assert states(world, sha) == [BuildState.CANCELLED]
    assert world.status(sha) == ("pending", f"waiting for /ok-to-test {sha}")
    assert talk.reaction(talk.say("/ok-to-test cancel", request)) == "nothing"


def test_what_was_taken_back_can_be_approved_again(talk: Talk, world: World, fork: Fork) -> None:
    _, request = fork
    sha = request.head_sha
    held_builds(talk, request)
    talk.say("/ok-to-test cancel", request)
    world.executor.usual = Succeed()
    # Bare, it counts once the host showed anew that the head waits.
    world.run(30)
    assert talk.reaction(talk.say("/ok-to-test", request)) == "accepted", talk.replies()
    world.run()
    assert states(world, sha) == [BuildState.CANCELLED, BuildState.SUCCEEDED]
    assert world.state(sha) == world.state(sha, "/api") == "success"


def test_what_ended_stays_when_its_approval_is_taken_back(
    talk: Talk, world: World, fork: Fork
) -> None:
    _, request = fork
    talk.say("/ok-to-test", request)
    world.run()
    before = world.status(request.head_sha), world.status(request.head_sha, "/api")
    assert talk.reaction(talk.say("/ok-to-test cancel", request)) == "accepted"
    world.run(700)
    assert (world.status(request.head_sha), world.status(request.head_sha, "/api")) == before
    assert talk.reaction(talk.say("/retest api", request, by="mallory")) == "refused"
    assert talk.reaction(talk.say("/build api", request)) == "refused"
    world.run()
    assert ran(world, request.head_sha) == 1


def test_one_image_ended_and_another_runs_when_the_approval_is_taken_back(
    talk: Talk, world: World, fork: Fork
) -> None:
    _, request = fork
    sha = request.head_sha
    world.executor.script["web"] = [Hold()]
    talk.say(f"/ok-to-test {sha}\n/build api web", request)
    world.run(20)
    assert world.state(sha, "/api") == "success"
    talk.say("/ok-to-test cancel", request)
    world.run(30)
    assert world.status(sha) == ("pending", f"waiting for /ok-to-test {sha}")
    assert world.state(sha, "/api") == "success"
    assert world.status(sha, "/web")[1] == "approval taken back by @ada"


@pytest.mark.parametrize(
    ("body", "runs"),
    [("/ok-to-test {sha}\n/ok-to-test cancel", 0), ("/ok-to-test cancel\n/ok-to-test {sha}", 1)],
)
@ANY_HOST
def test_the_last_word_on_an_approval_counts(
    talk: Talk, world: World, fork: Fork, body: str, runs: int
) -> None:
    _, request = fork
    talk.say(body.format(sha=request.head_sha), request)
    world.run()
    assert ran(world, request.head_sha) == runs


def test_there_is_nothing_to_take_back(talk: Talk, world: World, fork: Fork) -> None:
    made, request = fork
    assert talk.reaction(talk.say("/ok-to-test cancel", request)) == "nothing"
    talk.say(f"/ok-to-test {request.head_sha}", request)
    world.run()
    talk.fork_commit(made)
    world.run(30)
    assert talk.reaction(talk.say("/ok-to-test cancel", request)) == "nothing"
    assert talk.replies() == []
