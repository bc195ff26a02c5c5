"""Words of the scenarios about approvals."""

from __future__ import annotations

from bot.core.builds import BuildState
from tests.fakes.executor_memory import Hold
from tests.fakes.githost.model import Repository as FakeRepository
from tests.fakes.githost.model import Request
from tests.scenarios.talk import Talk
from tests.scenarios.world import World

Fork = tuple[FakeRepository, Request]


def ran(world: World, sha: str) -> int:
    return sum(run.sha == sha for run in world.runs())


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
