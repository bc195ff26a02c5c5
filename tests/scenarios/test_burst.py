"""Many builds that end in one moment: all are reported, each once, within the limits."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.fakes.executor_memory import Hold
from tests.scenarios.world import World

BRANCHES = ("main", "release/1")
ENDS = pytest.mark.parametrize("images", [5, pytest.param(100, marks=pytest.mark.long)])
"""On each branch: two hundred builds, and a few that show the same where there is no time."""
WRITES, HOURLY, POINTS = 80, 500, 900
"""Writes a minute and an hour; points a minute, of which a write costs five:
https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api.
GitLab's limits are an administrator's to set; the same numbers stand for them."""


def files(images: int) -> dict[str, str]:
    lines = ["version: 1", "defaults:", "  on: {push: {branches: [main, 'release/*']}}", "images:"]
    lines += [f"  i{number:02}: {{context: i{number:02}}}" for number in range(images)]
    return {".pushwright.yaml": "\n".join(lines) + "\n"}


def finals(world: World) -> Counter[tuple[str, str]]:
    """(commit, context) of the final statuses that the host took, with how often."""
    told: Counter[tuple[str, str]] = Counter()
    for record in world.host.calls("POST", "/statuses/"):
        body = json.loads(record.body)
        if record.status in (200, 201) and body["state"] not in ("pending", "running"):
            context = body.get("context", body.get("name"))
            told[record.path.rpartition("/")[2], context] += 1
    return told


def many(world: World, images: int) -> list[str]:
    """The commits of two branches whose builds all run, at a host that has limits."""
    hold(world)
    shas: list[str] = [world.push(files(images), branch) for branch in BRANCHES]
    world.run(30)
    assert len(world.runs()) == images * len(BRANCHES)
    world.configure(pace="1s")
    limits = world.host.limits
    limits.writes, limits.hourly, limits.points = WRITES, HOURLY, POINTS
    return shas


def away_for_an_hour(world: World, images: int) -> str:
    """The commit of builds that all end while the host is away, for an hour by now."""
    hold(world)
    sha = world.push(files(images))
    world.run(30)
    world.configure(pace="1s")
    world.host.faults.outage = True
    for number in range(images):
        world.executor.end(f"i{number:02}")
    play(world, 3600, 20.0)
    return sha


def hold(world: World) -> None:
    world.configure(limits={"builds": 200, "builds-per-repository": 200})
    world.executor.usual = Hold()


@pytest.mark.timeout(600)
@ENDS
def test_all_are_reported_once_within_the_limits(world: World, images: int) -> None:
    shas = many(world, images)
    for number in range(images):
        world.executor.end(f"i{number:02}")
    began = world.clock.now()
    while sum(finals(world).values()) < images * len(BRANCHES) + len(BRANCHES):
        play(world, 1.0, 1.0)
        assert world.clock.now() - began < 300, "five minutes are enough"
    world.clock.turn(60)
    world.settle()  # what was written is read back
    wanted = {f"pushwright/i{number:02}" for number in range(images)} | {"pushwright"}
    assert finals(world) == Counter({(sha, context): 1 for sha in shas for context in wanted})
    refused = [r for r in world.host.calls("POST") if r.status in (403, 429)]
    assert refused == []
    for sha in shas:
        assert {status.state for status in world.shown(sha).values()} == {"success"}


@pytest.mark.parametrize("images", [3, pytest.param(60, marks=pytest.mark.long)])
def test_the_backlog_of_an_outage_is_made_good_within_five_minutes(
    world: World, images: int
) -> None:
    """The host is away for an hour, in which the builds end: all is told within five minutes of
    its return, at one write a second."""
    sha = away_for_an_hour(world, images)
    assert not finals(world)
    world.host.faults.clear()
    play(world, 300, 1.0)
    wanted = {f"pushwright/i{number:02}" for number in range(images)} | {"pushwright"}
    assert finals(world) == Counter({(sha, context): 1 for context in wanted})


def play(world: World, seconds: float, hop: float) -> None:
    """Time passes for the flows that report."""
    end = world.clock.now() + seconds
    while world.clock.now() < end:
        for flow in ("schedule", "tag", "report", "status"):
            while world.bot.step(flow):
                pass
        world.clock.turn(hop)
