"""How builds end: whose fault, what the status says, what is tried again, what is never green."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.core.builds import OutcomeClass, Place, Running
from bot.core.ids import HostKind
from tests.fakes.executor_memory import Die, Ending, Fail, Hold, Succeed, Vanish, Wait
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.world import ONE_IMAGE, World, name, opened

THEIRS = [
    (OutcomeClass.STEP, "RUN npm ci failed (exit 1)", Place("Dockerfile", 17, "RUN npm ci")),
    (OutcomeClass.DOCKERFILE, "no Dockerfile in services/api", None),
    (OutcomeClass.CONTEXT, "COPY app.txt: no such file in the context", Place("Dockerfile", 3, "")),
    (OutcomeClass.UNKNOWN_TARGET, "the Dockerfile has no stage `final`", None),
    (
        OutcomeClass.BASE_NOT_FOUND,
        "the base image node:99 does not exist",
        Place("Dockerfile", 1, ""),
    ),
    (OutcomeClass.BASE_FORBIDDEN, "the base image may not be read", Place("Dockerfile", 1, "")),
    (OutcomeClass.PUSH_DENIED, "the registry refused the push", None),
    (OutcomeClass.TIMEOUT, "took longer than its limit of 30m", None),
    (OutcomeClass.OUT_OF_MEMORY, "RUN make was killed", None),
    (OutcomeClass.OUT_OF_DISK, "no space left", None),
    (OutcomeClass.COMMIT_GONE, "the commit is not in the repository any more", None),
    (OutcomeClass.CONFIG, "the build's settings can't be used", None),
]
OURS = [
    Fail(OutcomeClass.FETCH_NETWORK, "the source could not be fetched"),
    Fail(OutcomeClass.REGISTRY_UNAVAILABLE, "the registry said 503"),
    Die(OutcomeClass.NODE_LOST, "the machine was lost"),
    Die(),
    Vanish(),
]


def test_what_is_theirs_fails_at_once_and_says_what(kind: HostKind, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as world:
        world.push(ONE_IMAGE)
        world.run(60)
        for number, (outcome, message, place) in enumerate(THEIRS):
            world.executor.next("shop", Fail(outcome, message, place))
            sha = world.push(f"{number}.txt")
            world.run(60)
            assert len(world.executor.of("shop", sha)) == 1, "theirs is never tried again"
            state, text = world.status(sha, "/shop")
            assert (state, outcome) == ("failure", outcome)
            assert message in text
            assert place is None or text.startswith(f"Dockerfile:{place.line} ")
            assert world.status(sha)[0] == "failure"
            assert message in world.status(sha)[1]
            assert len(text) <= 140


@pytest.mark.parametrize("ending", OURS, ids=lambda ending: type(ending).__name__)
@ANY_HOST
def test_what_is_ours_is_tried_again_visibly(world: World, ending: Ending) -> None:
    world.executor.next("shop", ending, ending)
    sha = world.push(ONE_IMAGE)
    world.run(40)
    told = [text for _, text in world.history(sha, "/shop")]
    assert any(text.endswith("retry 1/2") for text in told) or world.kind is HostKind.GITLAB
    world.run(200)
    assert [run.spec.name[-2:] for run in world.executor.of("shop", sha)] == ["-1", "-2", "-3"]
    assert world.state(sha) == "success"
    assert world.tags()["main"] == world.built("shop", sha)
    times = [run.started for run in world.executor.of("shop", sha)]
    assert times[1] - times[0] >= 10
    assert times[2] - times[1] >= 60


def test_what_is_ours_ends_as_an_error_after_three_attempts(world: World) -> None:
    ending = Fail(OutcomeClass.REGISTRY_UNAVAILABLE, "the registry said 503")
    world.executor.next("shop", ending, ending, ending, ending)
    sha = world.push(ONE_IMAGE)
    world.run(300)
    assert len(world.executor.of("shop", sha)) == 3
    shown = world.shown(sha)["pushwright/shop"]
    assert shown.state == ("error" if world.kind is HostKind.GITHUB else "failed")
    assert "the registry said 503" in (shown.description or "")
    assert "main" not in world.tags()


def test_a_build_that_hangs_is_ended_by_its_timeout(world: World) -> None:
    text = "version: 1\nimages: {shop: {timeout: 10m}}\n"
    world.executor.usual = Hold()
    sha = world.push(ONE_IMAGE | {".pushwright.yaml": text})
    world.run(900)
    assert world.ran() == [sha], "no second attempt"
    assert world.status(sha, "/shop") == ("failure", "took longer than its limit of 10m")


def test_a_build_that_can_not_start_waits_until_its_deadline(world: World) -> None:
    world.executor.usual = Wait("no machine has room: 0/3 nodes are available")
    sha = world.push(ONE_IMAGE)
    world.run(200)
    (build,) = world.builds()
    assert build.reason == "no machine has room: 0/3 nodes are available"
    world.run(900)
    assert "did not start within 15m" in world.status(sha, "/shop")[1]
    assert world.ran() == [sha]


def test_a_withdrawn_build_ends_whatever_its_state(world: World) -> None:
    """Queued, waiting for its machine, running, deaf, and dead meanwhile."""
    world.push(ONE_IMAGE)
    world.run(60)
    world.configure(limits={"builds": 9, "builds-per-repository": 4})
    endings: list[Ending] = [Wait("no room"), Hold(), Hold(deaf=True), Hold()]
    shas = []
    for number, ending in enumerate([*endings, Hold()]):
        world.executor.next("shop", ending)
        shas.append(world.push(f"{number}.txt"))
        world.run(5)
    assert len(world.runs()) == 5, "the fifth of these waits in the queue"
    world.refs(**{"heads/main": None})
    world.run(30)
    world.executor.end("shop", shas[2], Die())
    world.run(60)
    for sha in shas:
        state, text = world.status(sha)
        assert state in ("cancelled", "error")
        assert text == "cancelled: branch main was deleted"
    assert len(world.runs()) == 5
    assert all(build.state.final for build in world.builds())


def test_a_success_that_came_before_the_cancel_is_kept_and_tags_nothing(world: World) -> None:
    world.executor.usual = Hold(deaf=True)
    sha = world.push(ONE_IMAGE)
    world.run(10)
    world.refs(**{"heads/main": None})
    world.settle()
    world.executor.end("shop", sha, Succeed())
    world.run(60)
    assert "main" not in world.tags()
    assert all(build.state.final for build in world.builds())
    assert world.status(sha)[0] != "pending"


def test_nothing_is_green_without_proof(world: World) -> None:
    world.executor.next("shop", *[Succeed(stored=False)] * 3)
    sha = world.push(ONE_IMAGE)
    world.run(300)
    assert len(world.executor.of("shop", sha)) == 3
    assert "success" not in [state for state, _ in world.history(sha)]
    assert "success" not in [state for state, _ in world.history(sha, "/shop")]
    assert "the registry does not have it" in world.status(sha, "/shop")[1]
    assert world.tags() == {}


def test_a_registry_that_is_down_delays_the_result_and_loses_none(world: World) -> None:
    world.executor.usual = Hold()
    sha = world.push(ONE_IMAGE)
    world.run(10)
    world.executor.end("shop")
    (run,) = world.runs()
    world.executor.observe(run.spec.name)
    world.images.down = True
    world.run(600)
    assert world.state(sha) == "pending"
    world.images.down = False
    world.run(60)
    assert world.ran() == [sha]
    assert world.state(sha) == "success"
    assert world.tags()["main"] == world.built("shop", sha)


def test_who_has_not_heard_of_the_end_yet_builds_nothing_again(world: World) -> None:
    """Another worker may take over a build that is being verified; its watch may be behind."""
    world.executor.usual = Hold()
    sha = world.push(ONE_IMAGE)
    world.run(10)
    world.executor.end("shop")
    (run,) = world.runs()
    ended = world.executor.observe(run.spec.name)
    world.images.down = True
    world.run(10)
    world.images.down = False
    run.observation = Running(run.started)
    world.run(10)
    assert world.state(sha) == "pending"
    run.observation = ended
    world.run(60)
    assert [one.spec.name for one in world.runs()] == [run.spec.name]
    assert world.state(sha) == "success"


def test_a_registry_that_goes_down_before_the_tags_are_set(world: World) -> None:
    sha = world.push(ONE_IMAGE)

    def down() -> None:
        world.images.down = True

    world.images.before_move = down
    world.run(600)
    assert world.state(sha) == "pending"
    assert world.tags() == {}
    world.images.before_move = lambda: None
    world.images.down = False
    world.run(600)
    assert world.state(sha) == "success"
    assert world.tags()["main"] == world.built("shop", sha)


def test_check_only_builds_push_nothing_and_say_so(world: World) -> None:
    text = "version: 1\nimages: {shop: {push: [tag], on: {push: {branches: [main], tags: [v1]}}}}\n"
    sha = world.push(ONE_IMAGE | {".pushwright.yaml": text})
    world.run()
    assert world.images.shelves == {}
    assert world.state(sha) == "success"
    assert "built, not pushed" in world.status(sha, "/shop")[1]
    world.tag_commit("v1", sha)
    world.run()
    assert world.tags()
    assert len(world.runs()) == 2, "what was only checked is built for the tag"


def test_the_fault_is_told_before_its_consequences(world: World) -> None:
    """Two images fail, one by their fault: the aggregate names that one."""
    text = "version: 1\nimages: {a: {context: a}, b: {context: b}}\n"
    files = {".pushwright.yaml": text, "a/Dockerfile": "FROM scratch", "b/Dockerfile": "FROM x"}
    world.executor.next("a", *[Die()] * 3)
    world.executor.next("b", Fail(OutcomeClass.STEP, "RUN make failed (exit 2)"))
    sha = world.push(files)
    world.run(300)
    assert world.status(sha) == ("failure", "b: RUN make failed (exit 2) (+1 more)")
    assert name("a").endswith("/a")
