"""Statuses arrive, whatever the host does meanwhile: late, once, in order, within its limits."""

from __future__ import annotations

import json

from bot.core.builds import OutcomeClass
from bot.core.ids import HostKind
from tests.fakes.executor_memory import Fail, Hold
from tests.fakes.githost.faults import Fault
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.world import FILES, ONE_IMAGE, World

STATUSES = "/statuses/"
ORDER = {"pending": 0, "running": 1, "success": 2, "failure": 2, "failed": 2, "error": 2}


def states(world: World, sha: str, context: str) -> list[str]:
    """Those that the host took, in its own words."""
    told = []
    for record in world.host.calls("POST", f"{STATUSES}{sha}"):
        body = json.loads(record.body)
        if body.get("context", body.get("name")) == context and record.status < 300:
            told.append(body["state"])
    return told


@ANY_HOST
def test_a_host_that_is_down_for_an_hour_loses_no_report(world: World) -> None:
    world.executor.usual = Hold()
    sha = world.push(ONE_IMAGE)
    world.run(30)
    assert world.state(sha) == "pending"
    world.host.faults.outage = True
    world.executor.end("shop")
    world.run(3600)
    assert world.state(sha) == "pending"
    assert world.tags()["main"] == world.built("shop", sha), "tags do not wait for the host"
    world.host.faults.clear()
    asked = len(world.host.calls("POST", STATUSES))
    world.run(310)
    assert world.state(sha) == world.state(sha, "/shop") == "success"
    contexts = [json.loads(r.body) for r in world.host.calls("POST", STATUSES)[asked:]]
    said = [(c["state"], c.get("context", c.get("name"))) for c in contexts]
    assert said == [("success", "pushwright"), ("success", "pushwright/shop")], "final ones alone"


def test_what_was_accepted_and_lost_is_written_again(world: World) -> None:
    world.push(ONE_IMAGE)
    world.run()
    world.executor.usual = Hold()
    sha = world.push("a.txt")
    world.run(30)
    fault = Fault("not stored", status=201, method="POST", path=STATUSES, count=2)
    world.host.faults.add(fault)
    world.executor.end("shop")
    world.run(5)
    assert world.state(sha) == "pending"
    world.run(60)
    assert world.state(sha) == world.state(sha, "/shop") == "success"


def test_an_answer_that_got_lost_does_no_harm(world: World) -> None:
    world.host.faults.add(Fault("drop after", method="POST", path=STATUSES, count=3))
    sha = world.push(ONE_IMAGE)
    world.run()
    assert world.state(sha) == world.state(sha, "/shop") == "success"


def test_somebody_elses_status_is_left_alone_and_journalled(world: World) -> None:
    sha = world.push(ONE_IMAGE)
    world.run(10)
    (status,) = [
        s for s in world.repository.statuses if s.sha == sha and s.context == "pushwright/shop"
    ][-1:]
    status.state, status.description = "pending", "set by hand"
    world.run()
    assert world.status(sha, "/shop") == ("pending", "set by hand")
    (entry,) = world.journal("status-overwritten")
    assert "set by somebody else" in entry
    assert world.state(sha) == "success"


def test_no_status_ever_goes_back(world: World) -> None:
    world.host.faults.add(Fault("answer", method="POST", path=STATUSES, count=2, status=502))
    world.host.faults.add(Fault("drop before", method="POST", path=STATUSES, count=2))
    world.executor.next("api", Fail(OutcomeClass.REGISTRY_UNAVAILABLE, "the registry said 503"))
    sha = world.push(FILES)
    world.run(300)
    for context in ("pushwright", "pushwright/api", "pushwright/web"):
        told = [ORDER[state] for state in states(world, sha, context)]
        assert told == sorted(told), states(world, sha, context)
        assert told[-1] == 2
    assert world.state(sha) == "success"


def test_no_text_is_longer_than_the_hosts_take(world: World) -> None:
    message = "RUN " + "x" * 400 + " \U0001f4a5 failed\u202e (exit 1)"
    world.executor.next("shop", Fail(OutcomeClass.STEP, message))
    sha = world.push(ONE_IMAGE)
    world.run()
    for context in ("", "/shop"):
        state, text = world.status(sha, context)
        assert state == "failure"
        assert 100 < len(text) <= 140
        assert text.isprintable()
    assert len(world.executor.of("shop", sha)) == 1


def test_writes_keep_their_distance_and_final_ones_go_first(world: World) -> None:
    world.configure(pace="1s")
    world.executor.usual = Hold()
    for number in range(3):
        world.push(FILES if number == 0 else f"services/{('api', 'web')[number % 2]}/{number}")
    world.settle()
    for _ in range(40):
        before = len(world.host.calls("POST", STATUSES))
        world.settle()
        assert len(world.host.calls("POST", STATUSES)) - before <= 1
        world.clock.turn(0.9)
    for image in ("api", "web"):
        world.executor.end(image)
    world.executor.usual = type(world.executor.usual)()
    world.run(30)
    assert world.host.calls("POST", STATUSES)


def test_a_rate_limit_is_waited_out(world: World) -> None:
    world.push(ONE_IMAGE)
    world.run()
    world.host.limits.writes = 1
    shas = [world.push(f"{number}.txt") for number in range(3)]
    world.run(900)
    for sha in shas:
        assert world.state(sha) == world.state(sha, "/shop") == "success"
    refused = [r for r in world.host.calls("POST", STATUSES) if r.status in (403, 429)]
    assert len(refused) <= 8, "the host says when, and is asked again then"


def test_the_aggregate_changes_at_accepted_first_failure_and_end(world: World) -> None:
    world.executor.usual = Hold()
    sha = world.push(FILES)
    world.run(200)
    world.executor.end("api", ending=Fail(OutcomeClass.STEP, "RUN make failed (exit 2)"))
    world.run(200)
    world.executor.end("web")
    world.run()
    assert world.history(sha) == [
        ("pending", "accepted: api, web"),
        ("failure", "api: RUN make failed (exit 2)"),
    ]


def test_gitlab_conflicts_and_refused_transitions_are_no_failures(world: World) -> None:
    if world.kind is HostKind.GITHUB:
        text, status = "Validation Failed", 502
        world.host.faults.add(Fault("answer", method="POST", path=STATUSES, status=status))
    else:
        text = "409 Conflict: Another update to this commit status is in progress"
        world.host.faults.add(
            Fault("answer", method="POST", path=STATUSES, status=409, message=text, count=3)
        )
    sha = world.push(ONE_IMAGE)
    world.run()
    assert world.state(sha) == world.state(sha, "/shop") == "success"


def test_a_commit_that_is_gone_ends_its_reports(world: World) -> None:
    fault = Fault("answer", method="POST", path=STATUSES, status=404, message="404 Not Found")
    fault.count = 1000
    world.host.faults.add(fault)
    world.push(ONE_IMAGE)
    world.run(600)
    tried = len(world.host.calls("POST", STATUSES))
    assert 0 < tried <= 12
    world.host.faults.clear()
    sha = world.push("a.txt")
    world.run()
    assert world.state(sha) == "success"


def test_a_token_that_may_not_write_statuses_is_asked_again(world: World) -> None:
    fault = Fault("answer", method="POST", path=STATUSES, status=403, message="Forbidden")
    fault.count = 1000
    world.host.faults.add(fault)
    sha = world.push(ONE_IMAGE)
    world.run(600)
    assert world.shown(sha) == {}
    world.host.faults.clear()
    world.run(400)
    assert world.state(sha) == world.state(sha, "/shop") == "success"
