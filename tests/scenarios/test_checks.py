"""A GitHub App that reports by check runs: what people read without opening a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.core.builds import LogLine, OutcomeClass, Place
from tests.core.markdown_reading import outside_of_code
from tests.fakes.executor_memory import Fail, Hold, MemoryExecutor
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.model import CheckRun
from tests.scenarios.apps import check_runs, opened_with_app
from tests.scenarios.test_reruns import rerun
from tests.scenarios.world import FILES, ONE_IMAGE, World

BROKEN = Fail(
    OutcomeClass.STEP, "RUN npm ci failed (exit 1)", Place("services/api/Dockerfile", 17, "RUN")
)
HOSTILE = "```\n</pre><img src=x onerror=alert(1)> @everyone closes #1 | \u202egnp.exe \x1b[31m"


@dataclass(slots=True)
class Talkative(MemoryExecutor):
    """Attempts print what a test says: records of the builder."""

    said: list[dict[str, object]] = field(default_factory=list)

    def read_log(self, name: str, after: int, limit: int) -> Sequence[LogLine]:
        lines = [
            LogLine(n, json.dumps({"n": n, "t": 1.0, **one})) for n, one in enumerate(self.said, 1)
        ]
        return [line for line in lines if line.n > after][:limit]


@pytest.fixture
def world(tmp_path: Path, keys: tuple[str, str]) -> Iterator[World]:
    with opened_with_app(tmp_path, keys) as made:
        made.executor = Talkative(made.clock, made.images.push)
        made.restart()
        yield made


def said(world: World, *records: dict[str, object]) -> None:
    assert isinstance(world.executor, Talkative)
    world.executor.said = list(records)


def run(world: World, sha: str, context: str = "") -> CheckRun:
    (found,) = check_runs(world, sha, context)
    return found


def step(line: int, name: str, **more: object) -> dict[str, object]:
    return {"k": "step", "id": f"s{line}", "line": line, "name": name, **more}


def test_queued_then_in_progress_then_a_conclusion(world: World) -> None:
    world.executor.usual = Hold()
    sha = world.push(ONE_IMAGE)
    world.settle()
    assert (run(world, sha).status, run(world, sha).title) == ("queued", "accepted: shop")
    world.run(5)
    assert run(world, sha, "/shop").status == "in_progress"
    assert run(world, sha, "/shop").title == "building"
    world.executor.end("shop")
    world.run()
    for context in ("", "/shop"):
        assert run(world, sha, context).conclusion == "success"
    shop = run(world, sha, "/shop")
    build = world.builds()[0]
    assert shop.external_id == build.id
    assert shop.details_url == f"https://bot.test/builds/{build.id}"
    assert shop.started_at is not None
    assert shop.completed_at is not None
    assert f"`{build.digest}`" in (shop.summary or "")
    assert "`reg.test/acme/shop:main`" in (shop.summary or "")


def test_a_failure_shows_steps_log_and_the_line_to_mend(world: World) -> None:
    said(
        world,
        step(3, "FROM node:20", hit=True),
        step(17, "RUN npm ci", hit=False, seconds=12.5, error="exit 1"),
        {"k": "log", "s": "s17", "x": "npm ERR! 404"},
        {"k": "log", "s": "s17", "x": HOSTILE},
    )
    world.executor.next("api", BROKEN)
    sha = world.push(FILES)
    world.run()
    api = run(world, sha, "/api")
    assert api.conclusion == "failure"
    (remark,) = api.annotations
    assert (remark["path"], remark["start_line"]) == ("services/api/Dockerfile", 17)
    assert remark["title"] == "RUN failed"
    summary = api.summary or ""
    assert "| 3 | `FROM node:20` | hit |  |" in summary
    assert "| 17 | `RUN npm ci` | **failed** | 12.5 s |" in summary
    assert "npm ERR! 404" in summary
    assert run(world, sha).conclusion == "failure"
    assert "[`pushwright/api`](https://bot.test/builds/" in (run(world, sha).summary or "")


def test_what_a_build_prints_stays_text(world: World) -> None:
    said(world, step(1, HOSTILE), {"k": "log", "s": "s1", "x": HOSTILE})
    message = f"RUN {HOSTILE} failed"
    world.executor.next("shop", Fail(OutcomeClass.STEP, message, Place("../../x", 1, HOSTILE)))
    sha = world.push(ONE_IMAGE)
    world.run()
    shop = run(world, sha, "/shop")
    assert shop.annotations == [], "no file of the repository"
    summary = shop.summary or ""
    assert "\u202e" not in summary
    assert "\x1b" not in summary
    outside = outside_of_code(summary)
    for text in ("@everyone", "<img", "</pre>", "#1", "gnp"):
        assert text in summary
        assert text not in outside


def test_mistakes_of_the_config_stand_at_their_lines(world: World) -> None:
    files = {"Dockerfile": "FROM scratch\n"}
    keys = "".join(f"  wrong{number}: 1\n" for number in range(70))
    text = f"version: 1\nimages:\n  api: {{context: .}}\ndefaults:\n{keys}"
    sha = world.push({**files, ".pushwright.yaml": text})
    world.run()
    aggregate = run(world, sha)
    assert aggregate.conclusion == "failure"
    lines = [row["start_line"] for row in aggregate.annotations]
    assert lines == list(range(5, 75)), "in two requests, for one takes fifty"
    assert {row["path"] for row in aggregate.annotations} == {".pushwright.yaml"}


def test_a_restarted_worker_makes_no_second_run(world: World) -> None:
    world.executor.usual = Hold()
    sha = world.push(ONE_IMAGE)
    world.run(20)
    world.restart()
    world.executor.end("shop")
    world.run()
    assert run(world, sha).conclusion == run(world, sha, "/shop").conclusion == "success"


def test_rerun_is_a_run_of_its_own_and_the_aggregate_goes_back(world: World) -> None:
    world.executor.next("api", BROKEN)
    sha = world.push(FILES)
    world.run()
    world.executor.usual = Hold()
    rerun(world, sha, "pushwright/api")
    world.run(30)
    assert [one.conclusion for one in check_runs(world, sha, "/api")] == ["failure", None]
    assert run(world, sha).status == "queued"
    world.executor.end("api")
    world.run()
    assert [one.conclusion for one in check_runs(world, sha, "/api")] == ["failure", "success"]
    assert run(world, sha).conclusion == "success"
    assert len(check_runs(world, sha, "/web")) == 1


def test_writes_are_no_more_than_those_of_statuses(world: World) -> None:
    said(world, step(1, "RUN make", hit=False, seconds=1.0))
    world.executor.usual = Hold()
    sha = world.push(FILES)
    world.run(200)
    world.executor.end("api", ending=Fail(OutcomeClass.STEP, "RUN make failed (exit 2)"))
    world.run(200)
    world.executor.end("web")
    world.run(300)
    # The aggregate twice (accepted, first failure, and no other text at the end), its table of
    # results once more, and each image at its start and its end.
    calls = [c for verb in ("POST", "PATCH") for c in world.host.calls(verb, "/check-runs")]
    assert len(calls) == 3 + 2 + 2
    assert run(world, sha).title == "api: RUN make failed (exit 2)"


def test_what_was_accepted_and_lost_is_written_again(world: World) -> None:
    world.executor.usual = Hold()
    sha = world.push(ONE_IMAGE)
    world.run(30)
    world.host.faults.add(Fault("not stored", method="PATCH", path="/check-runs", count=2))
    world.executor.end("shop")
    world.run(5)
    world.run(60)
    assert run(world, sha).conclusion == run(world, sha, "/shop").conclusion == "success"


def test_a_request_and_its_branch_are_one_report(world: World) -> None:
    world.push(FILES)
    world.run()
    sha = world.push("services/api/x", "topic")
    world.request("topic")
    world.run()
    assert run(world, sha).conclusion == "success"
    assert run(world, sha, "/api").conclusion == "success"
