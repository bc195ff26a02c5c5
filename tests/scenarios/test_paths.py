"""Changed since what: the base of an image moves with its successes, and with nothing else."""

from __future__ import annotations

import pytest

from bot.core.builds import OutcomeClass
from tests.fakes.executor_memory import Ending, Fail, Hold, Succeed
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.world import FILES, World

pytestmark = ANY_HOST


API = "services/api/app.txt"


@pytest.mark.parametrize("ending", [Fail(OutcomeClass.STEP, "RUN make failed"), Hold()])
def test_what_failed_or_was_cancelled_is_built_by_the_next_push(
    world: World, ending: Ending
) -> None:
    text = FILES[".pushwright.yaml"] + "concurrency: {cancel-in-progress: true}\n"
    world.push(FILES | {".pushwright.yaml": text})
    world.run()
    world.executor.next("api", ending)
    first = world.push(API)
    world.run(60)
    second = world.push("README.md")
    world.run()
    assert world.ran("api")[1:] == [first, second]
    assert world.ran("web")[1:] == []
    assert world.state(second) == "success"
    assert world.tags("api")["main"] == world.built("api", second)


def test_a_push_whose_webhook_was_lost_is_built_by_the_next(world: World) -> None:
    world.push(FILES)
    world.run()
    with world.lost_webhooks():
        world.push(API)
    second = world.push("README.md")
    world.run()
    assert world.ran("api")[1:] == [second]
    assert world.state(second) == "success"


def test_nothing_is_built_again_where_nothing_changed(world: World) -> None:
    first = world.push(FILES)
    world.run()
    for number in range(3):
        sha = world.push(f"docs/{number}.md")
        world.run(60)
        assert world.state(sha) == "success"
    assert world.ran("api") == world.ran("web") == [first]


def test_a_new_branch_starts_from_where_it_left_the_default_branch(world: World) -> None:
    main = world.push(FILES)
    world.run()
    sha = world.push("README.md", "release/1")
    world.run()
    assert world.ran("api") == [main]
    assert world.state(sha) == "success"
    changed = world.push(API, "release/1")
    world.run()
    assert world.ran("api") == [main, changed]
    assert set(world.tags("api")) == {"main", "release-1"}


def test_history_that_was_rewritten_is_built(world: World) -> None:
    first = world.push(FILES)
    world.run()
    world.push("README.md")
    world.run()
    other = world.repository.git.commit(dict(FILES) | {"README.md": "new"}, "Anew", [])
    world.refs(**{"heads/main": other})
    world.run()
    assert world.ran("api") == [first, other]
    assert world.tags("api")["main"] == world.built("api", other)


def test_a_build_that_ends_late_does_not_move_the_base_back(world: World) -> None:
    world.configure(limits={"builds": 9, "builds-per-repository": 9})
    world.executor.usual = Hold()
    first = world.push(FILES)
    world.run(30)
    second = world.push(API)
    world.run(30)
    world.executor.usual = Succeed()
    world.executor.end("api", second)
    world.executor.end("web", first)
    world.run(30)
    world.executor.end("api", first)
    world.run(30)
    third = world.push("README.md")
    world.run()
    assert world.ran("api") == [first, second]
    assert world.state(third) == "success"
    assert world.tags("api")["main"] == world.built("api", second)
