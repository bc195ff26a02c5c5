"""Check runs where it gets crowded: many builds at once, a host that is away, the merge queue, and
the button that runs a whole suite again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.builds import OutcomeClass
from tests.fakes.executor_memory import Fail, Hold, Succeed
from tests.scenarios.apps import check_runs, opened_with_app
from tests.scenarios.test_burst import BRANCHES, ENDS, away_for_an_hour, many, play
from tests.scenarios.test_merge_queue import asked, queue
from tests.scenarios.test_reruns import rerun_suite
from tests.scenarios.world import FILES, World

CHECKS = "/check-runs"


@pytest.fixture
def world(tmp_path: Path, keys: tuple[str, str]) -> Iterator[World]:
    with opened_with_app(tmp_path, keys) as made:
        yield made


def writes(world: World) -> list[int]:
    """What the host answered to each."""
    return [r.status for verb in ("POST", "PATCH") for r in world.host.calls(verb, CHECKS)]


def concluded(world: World) -> Counter[tuple[str, str, str | None]]:
    """(commit, name, conclusion) of the runs that ended, with how many there are."""
    ended = [run for run in world.repository.checks if run.status == "completed"]
    return Counter((run.sha, run.name, run.conclusion) for run in ended)


def wanted(shas: list[str], images: int) -> Counter[tuple[str, str, str | None]]:
    names = [*(f"pushwright/i{number:02}" for number in range(images)), "pushwright"]
    return Counter((sha, name, "success") for sha in shas for name in names)


@pytest.mark.timeout(600)
@ENDS
def test_many_builds_at_once_are_reported_within_the_limits(world: World, images: int) -> None:
    shas = many(world, images)
    before = len(writes(world))
    for number in range(images):
        world.executor.end(f"i{number:02}")
    began = world.clock.now()
    while concluded(world) != wanted(shas, images):
        play(world, 5.0, 1.0)
        assert world.clock.now() - began < 300, "five minutes are enough"
    world.clock.turn(60)
    world.settle()  # what was written is read back
    assert concluded(world) == wanted(shas, images)
    assert len(world.repository.checks) == (images + 1) * len(BRANCHES), "none is made twice"
    told = writes(world)[before:]
    assert set(writes(world)) <= {200, 201}, "nothing was refused"
    # The end of each image once; of each aggregate its end and its table.
    assert len(told) <= (images + 2) * len(BRANCHES)


@pytest.mark.parametrize("images", [3, pytest.param(20, marks=pytest.mark.long)])
def test_an_hour_of_outage_is_made_good_within_five_minutes(world: World, images: int) -> None:
    sha = away_for_an_hour(world, images)
    assert not concluded(world)
    world.host.faults.clear()
    play(world, 300, 1.0)
    assert concluded(world) == wanted([sha], images)
    assert len(world.repository.checks) == images + 1, "the runs of before are the ones that end"


def test_a_commit_of_the_merge_queue_has_the_checks_that_it_waits_for(world: World) -> None:
    _, sha = asked(world, Succeed())
    world.run()
    for context in ("", "/api"):
        (run,) = check_runs(world, sha, context)
        assert run.conclusion == "success"
    assert "built, not pushed" in (check_runs(world, sha, "/api")[0].title or "")
    assert set(world.tags("api")) == {"main"}, "and no name is moved"


def test_what_leaves_the_merge_queue_is_cancelled(world: World) -> None:
    ref, sha = asked(world, Hold())
    assert check_runs(world, sha)[0].conclusion is None
    queue(world, "destroyed", ref, sha, reason="dequeued")
    world.run()
    (run,) = check_runs(world, sha)
    assert run.conclusion == "cancelled"
    assert "left the merge queue" in (run.title or "")


def test_running_the_suite_again_builds_what_failed(world: World) -> None:
    world.executor.next("api", Fail(OutcomeClass.STEP, "RUN curl failed (exit 7)"))
    sha = world.push(FILES)
    world.run()
    assert check_runs(world, sha)[-1].conclusion == "failure"
    rerun_suite(world, sha)
    world.run()
    assert (world.ran("api"), world.ran("web")) == ([sha, sha], [sha])
    assert [run.conclusion for run in check_runs(world, sha, "/api")] == ["failure", "success"]
    assert check_runs(world, sha)[-1].conclusion == "success"
