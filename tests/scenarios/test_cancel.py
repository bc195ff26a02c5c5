"""`/cancel` in the last moments of a build: what it still stops, and when it comes too late. Never
are some of its tags moved and others not."""

from __future__ import annotations

from tests.fakes.executor_memory import Succeed
from tests.fakes.registry_memory import nothing
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.talk import Talk
from tests.scenarios.world import CHANGE, FILES, World

pytestmark = ANY_HOST


def test_cancel_holds_though_the_build_succeeds_meanwhile(talk: Talk, world: World) -> None:
    """It was on its last step when it was told to stop, or does not listen."""
    sha, request = world.held_request(deaf=True)
    tags = world.tags("api")
    assert talk.reaction(talk.say("/cancel", request)) == "accepted"
    world.executor.end("api", sha, Succeed())
    world.run(60)
    assert world.status(sha, "/api")[1] == "cancelled by @ada"
    assert world.status(sha)[0] != "pending"
    assert world.tags("api") == tags


def test_cancel_while_a_build_is_verified_does_not_wait_for_the_registry(
    talk: Talk, world: World
) -> None:
    sha, request = world.held_request()
    tags = world.tags("api")
    world.executor.end("api", sha, Succeed())
    (run,) = world.executor.of("api", sha)
    world.executor.observe(run.spec.name)  # which is when it pushes
    world.images.down = True
    world.run(30)
    assert [one.state for one in world.builds() if not one.state.final] == ["verifying"]
    assert talk.reaction(talk.say("/cancel", request)) == "accepted"
    world.run(30)
    assert world.status(sha, "/api")[1] == "cancelled by @ada"
    world.images.down = False
    world.run(60)
    assert world.tags("api") == tags


def test_cancel_is_too_late_once_tags_are_written(talk: Talk, world: World) -> None:
    """None of them is left behind: the image is proven and gets all of its names."""
    world.push(FILES)
    world.run()
    sha = world.push(CHANGE, "topic")

    def down() -> None:
        world.images.down = True

    world.images.before_move = down
    request = world.request("topic")
    world.run(30)
    assert [one.state for one in world.builds() if not one.state.final] == ["tagging"]
    assert talk.reaction(talk.say("/cancel", request)) == "nothing"
    world.images.before_move, world.images.down = nothing, False
    world.run(600)
    assert world.state(sha, "/api") == "success"
    assert world.tags("api")[f"pr-{request.number}"] == world.built("api", sha)
