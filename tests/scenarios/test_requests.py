"""Pull and merge requests: what builds, what waits, what stops, and what they may write."""

from __future__ import annotations

from tests.fakes.executor_memory import Hold, Succeed
from tests.scenarios.world import FILES, World

CHANGE = "services/api/app.txt"


def test_a_request_of_an_own_branch_builds_under_its_number(world: World) -> None:
    main = world.push(FILES)
    world.run()
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run()
    assert world.ran("api") == [main, sha]
    assert world.tags("api") == {
        "main": world.built("api", main),
        f"pr-{request.number}": world.built("api", sha),
    }
    assert world.state(sha) == "success"
    assert world.ran("web") == [main]


def test_push_and_request_of_one_commit_are_one_build(world: World) -> None:
    world.push(FILES)
    world.run()
    sha = world.push(CHANGE, "release/1")
    request = world.request("release/1")
    world.run()
    assert world.ran("api")[1:] == [sha], "one attempt"
    built = world.built("api", sha)
    assert world.tags("api")["release-1"] == built
    assert world.tags("api")[f"pr-{request.number}"] == built
    assert world.state(sha) == "success"
    states = [state for state, _ in world.history(sha)]
    assert set(states) <= {"pending", "running", "success"}
    assert states[-1] == "success"


def test_a_fork_waits_for_approval_and_nothing_runs(world: World) -> None:
    main = world.push(FILES)
    world.run()
    fork = world.host.fork(world.repository, "mallory/shop")
    sha = world.host.commit(fork, "topic", {CHANGE: "evil"}, by="mallory")
    world.host.open_request(world.repository, "topic", head=fork, by="mallory")
    world.run()
    assert world.ran("api") == [main]
    where = world.repository if world.status(sha) != ("", "") else fork
    shown = world.host.statuses(where, sha)["pushwright"]
    assert shown.state in ("pending", "running")
    assert (shown.description or "").startswith(f"waiting for /ok-to-test {sha}")
    assert set(world.tags("api")) == {"main"}


def test_a_fork_does_not_hold_the_gate_of_somebody_elses_commit(world: World) -> None:
    """Whoever can read may push the commit of an open request to a fork, and open another one."""
    world.executor.untrusted = True
    sha, _ = world.built_request()
    before = world.status(sha), world.status(sha, "/api")
    fork = world.host.fork(world.repository, "mallory/shop")
    world.host.set_refs(fork, {"refs/heads/same": sha}, by="mallory")
    request = world.host.open_request(world.repository, "same", head=fork, by="mallory")
    world.run()
    assert request.head_sha == sha
    assert (world.status(sha), world.status(sha, "/api")) == before
    assert ("pending", f"waiting for /ok-to-test {sha}") not in world.history(sha)
    assert len(world.ran("api")) == 2, "main and the own request"


def test_a_fork_can_not_change_the_config_that_judges_it(world: World) -> None:
    world.push(FILES)
    world.run()
    fork = world.host.fork(world.repository, "mallory/shop")
    config = "version: 1\nimages: {evil: {tags: [type=raw,value=main]}}\n"
    files = {".pushwright.yaml": config, "Dockerfile": "FROM scratch", CHANGE: "x"}
    sha = world.host.commit(fork, "topic", files, by="mallory")
    world.host.open_request(world.repository, "topic", head=fork, by="mallory")
    world.run()
    assert {run.image for run in world.runs()} == {"api", "web"}
    assert "pushwright/evil" not in world.shown(sha)


def test_a_request_can_not_write_the_tag_of_another(world: World) -> None:
    world.push(FILES)
    world.run()
    text = FILES[".pushwright.yaml"].replace('"type=ref,event=pr"', '"type=raw,value=pr-12"')
    sha = world.push({".pushwright.yaml": text, CHANGE: "x"}, "topic")
    request = world.request("topic")
    world.run()
    assert world.state(sha) in ("success", "failure")
    assert "pr-12" not in world.tags("api")
    assert all(
        tag in ("main", f"pr-{request.number}") or tag.startswith(f"pr-{request.number}-")
        for image in ("api", "web")
        for tag in world.tags(image)
    )


def test_drafts_wait_where_the_config_says_so(world: World) -> None:
    text = FILES[".pushwright.yaml"].replace(
        'pull_request: {paths: ["services/api/**"]}',
        'pull_request: {paths: ["services/api/**"], drafts: false}',
    )
    world.push(FILES | {".pushwright.yaml": text})
    world.run()
    sha = world.push(CHANGE, "topic")
    request = world.request("topic", draft=True)
    world.run()
    assert world.ran("api")[1:] == []
    assert world.state(sha) == "success"
    assert "draft" in world.status(sha)[1]
    world.host.change_request(world.repository, request, "ready_for_review")
    world.run()
    assert world.ran("api")[1:] == [sha]
    assert world.status(sha) == world.status(sha, "/api")


def test_a_new_push_takes_the_place_of_the_older_one(world: World) -> None:
    first, request = world.held_request()
    second = world.push("services/api/other.txt", "topic")
    world.run(60)
    assert all(run.cancelled for run in world.executor.of("api", first))
    assert world.status(first)[1] == f"superseded by {second[:7]}"
    world.executor.end("api", second)
    world.run()
    assert world.tags("api")[f"pr-{request.number}"] == world.built("api", second)
    assert world.state(second) == "success"


def test_closing_cancels_the_requests_builds_and_no_others(world: World) -> None:
    world.push(FILES)
    world.run()
    world.executor.usual = Hold()
    shared = world.push(CHANGE, "release/1")
    own = world.push("services/api/else.txt", "topic")
    one, two = world.request("release/1"), world.request("topic")
    world.run(30)
    world.close_request(one)
    world.close_request(two)
    world.run(60)
    assert not any(run.cancelled for run in world.executor.of("api", shared))
    assert all(run.cancelled for run in world.executor.of("api", own))
    assert "closed" in world.status(own)[1]
    assert world.state(own) in ("cancelled", "error")
    world.executor.end("api", shared)
    world.run()
    assert world.state(shared) == "success"
    assert "release-1" in world.tags("api")
    assert f"pr-{one.number}" not in world.tags("api")


def test_a_request_that_is_opened_again_builds_again(world: World) -> None:
    sha, request = world.held_request()
    world.close_request(request)
    world.run(30)
    world.executor.usual = Succeed()
    world.host.change_request(world.repository, request, "reopened")
    world.run()
    assert world.state(sha) == "success"
    assert f"pr-{request.number}" in world.tags("api")


def test_a_request_that_points_elsewhere_is_decided_anew(world: World) -> None:
    text = FILES[".pushwright.yaml"].replace(
        'pull_request: {paths: ["services/api/**"]}',
        'pull_request: {branches: [main], paths: ["services/api/**"]}',
    )
    main = world.push(FILES | {".pushwright.yaml": text})
    world.refs(**{"heads/release/1": main})
    world.run()
    world.executor.usual = Hold()
    sha = world.push(CHANGE, "topic")
    request = world.request("topic")
    world.run(30)
    assert len(world.executor.of("api", sha)) == 1
    world.retarget(request, "release/1")
    world.run(60)
    assert all(run.cancelled for run in world.executor.of("api", sha))
    assert world.status(sha)[1].startswith("nothing to build: "), "as for a new request to there"


def test_no_request_waits_for_a_status_that_never_comes(world: World) -> None:
    world.push(FILES)
    world.run()
    sha = world.push("README.md", "topic")
    world.request("topic")
    world.run()
    state, text = world.status(sha)
    assert state == "success"
    assert text.startswith("nothing to build: ")
