"""What no webhook told: found by the sweep, once, and by replays."""

from __future__ import annotations

from pathlib import Path

from bot.core.ids import HostKind
from tests.fakes.executor_memory import Hold
from tests.fakes.githost.faults import Fault
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.world import FILES, ONE_IMAGE, World, opened

API = "services/api/app.txt"
SWEEP = 320.0
"""A little more than the five minutes between two rounds."""


def test_the_first_sight_of_a_repository_only_records(kind: HostKind, tmp_path: Path) -> None:
    with opened(kind, tmp_path, fresh=False) as world:
        with world.lost_webhooks():
            sha = world.push(ONE_IMAGE)
            world.refs(**{f"tags/v1.0.{n}": sha for n in range(300)})
        world.run(SWEEP)
        assert world.runs() == []
        assert world.shown(sha) == {}
        assert any("first sight: 301 refs recorded" in text for text in world.journal("refs"))
        with world.lost_webhooks():
            following = world.push("a.txt")
        world.run(SWEEP)
        assert world.ran() == [following]


def test_ten_tags_in_one_push_are_all_found(world: World) -> None:
    """GitHub and GitLab send no event for more than three tags."""
    sha = world.push(ONE_IMAGE)
    world.run()
    sent = len(world.host.hooks.deliveries)
    world.refs(**{f"tags/v1.0.{n}": sha for n in range(10)})
    assert len(world.host.hooks.deliveries) == sent
    world.run(SWEEP)
    assert {f"1.0.{n}" for n in range(10)} <= set(world.tags())
    assert world.tags()["latest"] == world.built("shop", sha)
    assert world.ran() == [sha]
    assert world.state(sha, " (tag)") == "success"


def test_an_hour_of_lost_webhooks_is_made_good(world: World) -> None:
    main = world.push(FILES)
    world.run()
    old = world.push(API, "old")
    moved = world.push(API, "moved")
    closing, changing = world.request("old"), world.request("moved")
    world.executor.next("api", Hold(), Hold())
    world.run()
    world.executor.end("api", moved)
    world.run(30)
    with world.lost_webhooks():
        pushed = world.push("services/web/app.txt")
        fresh = world.push("services/api/new.txt", "fresh")
        opened_request = world.request("fresh")
        moved = world.push("services/api/more.txt", "moved")
        world.close_request(closing)
        world.refs(**{"heads/old": None})
        world.run(3600)
    assert world.ran("web") == [main, pushed]
    assert world.state(pushed) == "success"
    assert world.tags("web")["main"] == world.built("web", pushed)
    assert world.tags("api")[f"pr-{opened_request.number}"] == world.built("api", fresh)
    assert world.tags("api")[f"pr-{changing.number}"] == world.built("api", moved)
    assert world.state(fresh) == world.state(moved) == "success"
    assert all(run.cancelled for run in world.executor.of("api", old))
    assert "closed" in world.status(old)[1]
    assert f"pr-{closing.number}" not in world.tags("api")


def test_too_many_new_refs_are_recorded_and_one_is_built_on_request(world: World) -> None:
    sha = world.push(ONE_IMAGE)
    world.run()
    commits = {
        f"tags/v2.0.{n}": world.repository.git.commit({"n": str(n)}, "N", [sha]) for n in range(21)
    }
    world.refs(**commits)
    world.run(2 * SWEEP)
    assert world.ran() == [sha]
    assert any("21 new refs at once, more than 20" in text for text in world.journal("refs"))
    world.command("refs/tags/v2.0.7")
    world.run()
    chosen = commits["tags/v2.0.7"]
    assert world.ran() == [sha, chosen]
    assert world.tags()["2.0.7"] == world.built("shop", chosen)


def test_a_redelivered_webhook_is_handled_again_and_changes_nothing(world: World) -> None:
    sha = world.push(FILES)
    world.run()
    told, written = len(world.host.calls("POST", "/statuses/")), list(world.images.writes)
    for delivery in list(world.host.hooks.deliveries):
        world.host.hooks.redeliver(delivery)
    world.run(SWEEP)
    assert world.ran("api") == world.ran("web") == [sha]
    assert len(world.host.calls("POST", "/statuses/")) == told
    assert world.images.writes == written
    assert all(state in {"done", "ignored"} for state, _ in world.reasons())


def test_the_redeliver_button_brings_back_what_was_lost(world: World) -> None:
    world.push(FILES)
    world.run()
    with world.lost_webhooks():
        sha = world.push(API)
    lost = [d for d in world.host.hooks.deliveries if d.lost]
    for delivery in lost:
        world.host.hooks.redeliver(delivery)
    world.run(60)
    assert world.ran("api")[1:] == [sha]
    assert world.state(sha) == "success"


@ANY_HOST
def test_replaying_everything_changes_nothing(world: World) -> None:
    world.push(FILES)
    sha = world.push(API, "topic")
    request = world.request("topic")
    world.tag_commit("v1.0.0", sha)
    world.run()
    world.close_request(request)
    world.push("README.md")
    world.run()
    runs, tags = len(world.runs()), (world.tags("api"), world.tags("web"))
    shown = {s: world.shown(s) for s in {run.sha for run in world.runs()}}
    said = {
        s: {c: (v.state, v.description) for c, v in found.items()} for s, found in shown.items()
    }
    for delivery in world.store.deliveries(100):
        assert world.store.replay(str(delivery["delivery"]), world.clock.now())
    world.run(SWEEP)
    assert len(world.runs()) == runs
    assert (world.tags("api"), world.tags("web")) == tags
    again = {s: {c: (v.state, v.description) for c, v in world.shown(s).items()} for s in said}
    assert again == said


def test_webhooks_in_the_wrong_order(world: World) -> None:
    world.push(FILES)
    world.run()
    world.host.hooks.hold()
    first = world.push(API, "topic")
    request = world.request("topic")
    second = world.push("services/api/other.txt", "topic")
    world.host.hooks.release(turned=True)
    world.run()
    assert world.tags("api")[f"pr-{request.number}"] == world.built("api", second)
    assert world.state(second) == "success"
    assert first not in world.ran("api"), "a newer head was there before it was planned"


@ANY_HOST
def test_hosts_that_can_not_be_asked_are_asked_later(world: World) -> None:
    world.push(ONE_IMAGE)
    world.run()
    with world.lost_webhooks():
        sha = world.push("a.txt")
    world.host.faults.outage = True
    world.run(1000)
    assert len(world.ran()) == 1
    world.host.faults.clear()
    world.run(SWEEP)
    assert world.ran()[1:] == [sha]
    assert world.state(sha) == "success"


def rounds_at_once(world: World) -> int:
    """How many requests the host gets from fifty rounds at one moment: every commit wakes the
    sweep, whoever made it."""
    asked = len(world.host.records)
    for _ in range(50):
        world.bot.step("sweep")
    return len(world.host.records) - asked


def test_a_host_that_is_down_is_not_asked_over_and_over(world: World) -> None:
    world.push(ONE_IMAGE)
    world.run()
    world.host.faults.outage = True
    world.clock.turn(2 * 3600.0)
    few = rounds_at_once(world)
    assert 0 < few <= 20, "the repository, the listing, and each one's tries"
    assert rounds_at_once(world) == 0
    world.clock.turn(SWEEP)
    assert 0 < rounds_at_once(world) <= few


def test_a_host_that_wants_to_be_left_alone_is(world: World) -> None:
    world.push(ONE_IMAGE)
    world.run()
    limited = Fault("answer", count=100, status=429, headers=(("Retry-After", "900"),))
    world.host.faults.add(limited)
    world.clock.turn(2 * 3600.0)
    assert 0 < rounds_at_once(world) <= 20
    world.clock.turn(600.0)
    assert rounds_at_once(world) == 0
    world.host.faults.clear()
    world.clock.turn(310.0)
    assert rounds_at_once(world) > 0
