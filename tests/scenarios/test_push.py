"""A push becomes an image: what a user of either host sees of it."""

from __future__ import annotations

from dataclasses import replace

from bot.core.builds import OutcomeClass
from tests.fakes.executor_memory import Fail, Hold, Succeed
from tests.fakes.githost.faults import Fault
from tests.scenarios.world import FILES, ONE_IMAGE, World


def test_a_push_becomes_images_tags_and_statuses(world: World) -> None:
    world.executor.usual = Hold()
    sha = world.push(FILES)
    world.run(5)
    assert world.state(sha, "/api") == world.state(sha, "/web") == "pending"
    world.executor.end("api")
    world.executor.end("web")
    world.run()
    assert world.tags("api") == {"main": world.built("api", sha)}
    assert world.tags("web") == {"main": world.built("web", sha)}
    assert world.history(sha) == [("pending", "accepted: api, web"), ("success", "ok: api, web")]
    states = [state for state, _ in world.history(sha, "/api")]
    assert list(dict.fromkeys(states)) == ["pending", "success"]
    assert "api:main" in world.status(sha, "/api")[1]
    link = world.shown(sha)["pushwright/api"].target_url
    assert link is not None
    assert link.startswith("https://bot.test/builds/")


def test_a_repository_without_a_file_is_built_from_its_dockerfile(world: World) -> None:
    sha = world.push(ONE_IMAGE)
    world.run()
    assert world.tags() == {
        "main": world.built("shop", sha),
        f"sha-{sha[:7]}": world.built("shop", sha),
    }


def test_only_what_changed_is_built(world: World) -> None:
    first = world.push(FILES)
    world.run()
    second = world.push("services/api/app.txt")
    world.run()
    third = world.push("README.md")
    world.run()
    assert world.ran("api") == [first, second]
    assert world.ran("web") == [first]
    assert world.status(third)[1].startswith("nothing to build: ")


def test_a_required_image_reports_though_nothing_of_it_changed(world: World) -> None:
    world.push(FILES | {".pushwright.yaml": FILES[".pushwright.yaml"] + "    required: true\n"})
    world.run()
    sha = world.push("services/api/app.txt")
    world.run()
    assert len(world.ran("web")) == 1
    assert world.state(sha, "/web") == "success"
    assert "services/web" in world.status(sha, "/web")[1]


def test_skip_tokens_and_their_text(world: World) -> None:
    world.push(FILES)
    world.run()
    skipped = world.push("services/api/app.txt", message="Docs [skip ci]")
    world.run()
    assert world.status(skipped) == ("success", "nothing to build: [skip ci] in the commit message")
    following = world.push("README.md")
    world.run()
    assert world.ran("api")[1:] == [following], "what was skipped is built with the next push"


def test_a_branch_builds_each_push_in_order(world: World) -> None:
    world.executor.usual = Hold()
    first = world.push(FILES)
    world.run(30)
    second = world.push("services/api/app.txt")
    world.run(30)
    world.executor.usual = Succeed()
    world.executor.end("api")
    world.executor.end("web")
    world.run()
    assert world.ran("api") == [first, second]
    assert world.state(first) == world.state(second) == "success"
    assert world.tags("api")["main"] == world.built("api", second)


def test_cancel_in_progress_on_a_branch(world: World) -> None:
    text = FILES[".pushwright.yaml"] + "concurrency: {cancel-in-progress: true}\n"
    world.executor.usual = Hold()
    first = world.push(FILES | {".pushwright.yaml": text})
    world.run(30)
    second = world.push("services/api/app.txt")
    world.run(30)
    assert world.state(first) in ("error", "cancelled")
    assert world.status(first)[1] == f"superseded by {second[:7]}"
    assert all(run.cancelled for run in world.executor.of("api", first))
    world.executor.end("api", second)
    world.executor.end("web", second)
    world.run()
    assert world.state(second) == "success"
    assert world.ran("web") == [first, second], "the base did not move, so web is built again"


def test_a_group_limits_how_many_run_at_once(world: World) -> None:
    text = FILES[".pushwright.yaml"] + "concurrency: {limit: 1}\n"
    world.executor.usual = Hold()
    world.push(FILES | {".pushwright.yaml": text})
    world.run(60)
    assert len(world.runs()) == 1
    (first,) = world.runs()
    world.executor.end(first.image)
    world.run(60)
    assert len(world.runs()) == 2


def test_a_needed_image_is_handed_over_by_digest(world: World) -> None:
    sha = world.push(NEEDS)
    world.run()
    (run,) = world.executor.of("api", sha)
    built = world.built("base", sha)
    assert run.spec.recipe["build"]["contexts"] == {  # type: ignore[index]  # a JSON document
        "base": f"docker-image://reg.test/acme/shop/base@{built}"
    }
    assert world.state(sha) == "success"


def test_what_needs_an_image_that_fails_is_not_built(world: World) -> None:
    world.executor.next("base", Fail(OutcomeClass.STEP, "RUN make failed (exit 2)"))
    sha = world.push(NEEDS)
    world.run()
    assert world.ran("api") == []
    assert world.state(sha, "/api") == "failure"
    assert "base" in world.status(sha, "/api")[1]
    assert world.status(sha)[0] == "failure"
    assert "RUN make failed" in world.status(sha)[1]


NEEDS = {
    ".pushwright.yaml": """\
version: 1
images:
  base: {context: base}
  api: {context: api, needs: [base]}
""",
    "base/Dockerfile": "FROM scratch\n",
    "api/Dockerfile": "FROM base\n",
}


def test_mistakes_are_told_with_their_place_and_mended_by_the_next_push(world: World) -> None:
    wrong = FILES[".pushwright.yaml"].replace("context: services/api", "contxt: services/api")
    sha = world.push(FILES | {".pushwright.yaml": wrong})
    world.run()
    state, text = world.status(sha)
    assert state == "failure"
    assert text.startswith(".pushwright.yaml:4 ")
    assert "contxt" in text
    assert world.runs() == []
    mended = world.push({".pushwright.yaml": FILES[".pushwright.yaml"]})
    world.run()
    assert world.state(mended) == "success"
    assert world.ran("api") == world.ran("web") == [mended]


def test_observe_plans_and_starts_nothing(world: World) -> None:
    world.configure(
        repositories=[{"match": "acme/*", "mode": "observe", "images": ["reg.test/**"]}]
    )
    sha = world.push(FILES)
    world.run()
    assert world.status(sha) == (
        "success",
        "observed only, nothing was started: would build api, web",
    )
    assert world.runs() == []


def test_repositories_outside_the_config_are_left_alone(world: World) -> None:
    other = world.host.create_repository("other/thing")
    world.hook(other)
    sha = world.host.commit(other, "main", dict(ONE_IMAGE))
    world.run()
    assert world.runs() == []
    assert world.host.statuses(other, sha) == {}
    state, reason = world.reasons()[-1]
    assert state == "ignored"
    assert "other/thing" in reason
    answers = [delivery.answers for delivery in world.host.hooks.deliveries]
    assert all(answer == [202] for answer in answers)


def test_a_credential_that_is_mended_late_loses_nothing(world: World) -> None:
    world.central = replace(world.central, sweep_seconds=10 * 86400)
    world.push(ONE_IMAGE)
    world.run()
    world.host.faults.add(Fault("answer", count=10**6, status=401, message="Bad credentials"))
    sha = world.push("a.txt")
    world.run(2 * 3600)
    assert len(world.runs()) == 1
    asked = len(world.host.records)
    world.run(3600)
    assert len(world.host.records) - asked < 12, "seldom"
    world.host.faults.clear()
    world.run(3600)
    assert world.ran()[1:] == [sha]
    assert world.state(sha) == "success"


def test_a_credential_that_nobody_mends_is_given_up_after_a_day(world: World) -> None:
    world.push(ONE_IMAGE)
    world.run()
    world.host.faults.add(Fault("answer", count=10**6, status=403, message="Forbidden"))
    world.push("a.txt")
    world.run()
    assert world.reasons()[0][0] == "new"
    held = world.store.deliveries(1)[0]
    assert held["repository_id"] is not None  # approvals elsewhere do not wait for it
    world.clock.turn(86400.0)
    world.bot.step("decide")
    state, reason = world.reasons()[0]
    assert (state, "refused for a day" in reason) == ("dead", True)


def test_a_deleted_branch_cancels_its_builds(world: World) -> None:
    world.push(FILES)
    world.run()
    world.executor.usual = Hold()
    sha = world.push("services/api/app.txt", "release/1")
    world.run(30)
    assert world.state(sha) == "pending"
    world.refs(**{"heads/release/1": None})
    world.run(60)
    assert world.status(sha)[1] == "cancelled: branch release/1 was deleted"
    assert all(run.cancelled for run in world.executor.of("api", sha))
    assert "release-1" not in world.tags("api")


def test_a_force_push_gives_the_names_to_the_new_head(world: World) -> None:
    first = world.push(FILES)
    world.run()
    second = world.push("services/api/app.txt")
    world.run()
    assert world.tags("api")["main"] == world.built("api", second)
    other = world.repository.git.commit({"services/api/app.txt": "else"}, "Else", [first])
    world.refs(**{"heads/main": other})
    world.run()
    assert world.ran("api") == [first, second, other]
    assert world.tags("api")["main"] == world.built("api", other)
    world.refs(**{"heads/main": first})
    world.run()
    assert world.tags("api")["main"] == world.built("api", first)
