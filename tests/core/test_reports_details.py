"""What check runs show, within the limits of the host, whatever builders and files hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.core.builds import BuilderResult, BuildState, CacheUse, Ended, OutcomeClass, Place
from bot.core.ids import BuildId
from bot.core.outcomes import classify
from bot.core.reports import SUMMARY, Detail
from bot.core.reports_details import Evidence, with_details
from bot.core.reports_render import render
from bot.core.reports_rows import Known
from bot.core.steps import StepView
from tests.core.markdown_reading import outside_of_code
from tests.core.reports_scene import URL, Claim, Report, T, View, broken, ok, view

HOSTILE = st.text(alphabet=st.sampled_from("`|\\ <@#[]\n\u202eé"), max_size=30)


def details(*claims: Claim, now: float = T + 100, **evidence: Evidence) -> dict[str, Detail]:
    report = Report(claims)
    rendered = render(report, now, URL, Known(report_url="https://bot.test/reports/1"))
    by_build = {BuildId(key.ljust(32, "0")): value for key, value in evidence.items()}
    shown = with_details(report, rendered, by_build, "https://bot.test")
    return {one.context: one.detail for one, _ in shown.statuses if one.detail is not None}


def step(name: str = "RUN x", **more: Any) -> StepView:
    values: dict[str, Any] = {"line": 1, "hit": "no", "pulled_bytes": None, "seconds": 1.0}
    return StepView(name, **{**values, "error": "", **more})


def test_success() -> None:
    api = details(Claim((ok(),)), api=Evidence((step(hit="yes"),), ("secret log",)))[
        "pushwright/api"
    ]
    assert "- size: 142 MB, compressed" in api.summary
    assert "- cache: 6 of 7 steps" in api.summary
    assert "| 1 | `RUN x` | hit | 1.0 s |" in api.summary
    assert "secret log" not in api.summary, "the log of a success is on its page"
    assert (api.started_at, api.ended_at, api.annotations) == (T + 2, T + 46, ())


def test_the_first_miss_and_why_and_warnings() -> None:
    image = ok()
    outcome = image.build.outcome
    assert outcome is not None
    use = CacheUse(1, 3, first_miss="[2/3] RUN x (Dockerfile:2)", found=1, why="it changed")
    told = replace(outcome, cache=use, warnings=("dockerd 27.0.3: broken",))
    claim = Claim((replace(image, build=replace(image.build, outcome=told)),))
    summary = details(claim)["pushwright/api"].summary
    first = "first miss: `[2/3] RUN x (Dockerfile:2)` (`it changed`)"
    assert f"- cache: 1 of 3 steps; {first}" in summary
    assert "- warning: `dockerd 27.0.3: broken`" in summary


def test_what_waits_again_leads_to_what_changed_since_the_approval_before() -> None:
    since = {"approved": "b" * 40, "url": "https://git.test/s/compare/b..c"}
    waiting = Claim(wish={"waiting": "waiting for /ok-to-test c", "since": since})
    told = "was approved before: [what changed since](https://git.test/s/compare/b..c)"
    assert told in details(waiting)["pushwright"].summary


def test_failure() -> None:
    api = details(Claim((broken(),)), api=Evidence((), ("npm ERR!",)))["pushwright/api"]
    assert "Dockerfile:17 RUN npm ci failed (exit 1)" in api.summary
    assert "What to do: read the log of that step" in api.summary
    assert "```text\nnpm ERR!\n```" in api.summary
    (remark,) = api.annotations
    assert (remark.path, remark.line, remark.title) == ("Dockerfile", 17, "RUN failed")


def test_a_build_that_goes_on_shows_its_plan_and_never_changes() -> None:
    running = View(
        view(BuildState.RUNNING).image, view(BuildState.RUNNING).build, why="branch main"
    )
    first = details(Claim((running, ok("web"))))
    later = details(Claim((running, ok("web"))), now=T + 500)
    assert first == later
    assert "`branch main`" in first["pushwright/api"].summary
    assert "result" not in first["pushwright"].summary


def test_results_at_the_end() -> None:
    summary = details(Claim((ok(), broken("web"))))["pushwright"].summary
    assert "| [`pushwright/api`](https://bot.test/builds/api" in summary
    assert "| success | `ok 44s, cache 6/7, api:pr-12 142 MB` |" in summary
    assert "| failure | `Dockerfile:17 RUN npm ci failed (exit 1)` |" in summary


def test_what_was_not_built_and_why() -> None:
    wish = {"skipped": [{"image": "web", "why": "not affected: no file under web"}]}
    summary = details(Claim((ok(),), wish=wish))["pushwright"].summary
    assert "| `web` | `not affected: no file under web` |" in summary


@given(HOSTILE, HOSTILE)
def test_nothing_hostile_leaves_its_code(one: str, other: str) -> None:
    result = BuilderResult(OutcomeClass.STEP, one or "x", place=Place("Dockerfile", 1, other))
    outcome = classify(Ended(result), push=True, head=None)
    failing = view(BuildState.FAILED, outcome, why=other)
    wish = {"mistakes": [{"file": one, "line": 1, "column": 1, "message": other}]}
    evidence = Evidence((step(other, error=one),), (one, other))
    for claim in (Claim((failing,)), Claim((failing,), wish=wish)):
        for detail in details(claim, api=evidence).values():
            outside = outside_of_code(detail.summary)
            assert not set("<@#\u202e`") & set(outside), outside


PATHS = st.one_of(
    st.text(max_size=40),
    st.lists(st.sampled_from(["..", ".", "a", "Dockerfile", "", "\n", "é", "x" * 600])).map(
        "/".join
    ),
)


@given(PATHS, st.integers(-3, 10**12), st.text(max_size=20))
def test_a_place_that_a_host_would_refuse_is_no_annotation(
    file: str, line: int, instruction: str
) -> None:
    result = BuilderResult(OutcomeClass.STEP, "failed", place=Place(file, line, instruction))
    failing = view(BuildState.FAILED, classify(Ended(result), push=True, head=None))
    wish = {"mistakes": [{"file": file, "line": line, "column": 1, "message": instruction}]}
    for claim in (Claim((failing,)), Claim((failing,), wish=wish)):
        for detail in details(claim).values():
            for one in detail.annotations:
                assert one.path.isprintable()
                assert not {"", ".", ".."} & set(one.path.split("/"))
                assert len(one.path.encode()) <= 1000
                assert 1 <= one.line <= 1_000_000
                assert all(part.isprintable() for part in one.message.split("\n"))


def test_a_usual_place_is_one() -> None:
    result = BuilderResult(OutcomeClass.STEP, "failed", place=Place("./a//Dockerfile", 3, "RUN"))
    failing = view(BuildState.FAILED, classify(Ended(result), push=True, head=None))
    (remark,) = details(Claim((failing,)))["pushwright/api"].annotations
    assert (remark.path, remark.line) == ("a/Dockerfile", 3)


def test_limits() -> None:
    outcome = classify(
        Ended(BuilderResult(OutcomeClass.STEP, "é" * 100_000, warnings=("w" * 5000,) * 300)),
        push=True,
        head=None,
    )
    steps = tuple(step("é" * 9000, line=n) for n in range(1, 3000))
    evidence = Evidence(steps, ("ü" * 100_000,) * 500)
    rows = [
        {"file": "f" * 900, "line": n, "column": 1, "message": "m" * 9000} for n in range(1, 400)
    ]
    skipped = [{"image": f"{n}" * 50, "why": "w" * 900} for n in range(400)]
    failing = view(BuildState.FAILED, outcome)
    wish = {"mistakes": rows, "skipped": skipped}
    for claim in (Claim((failing,)), Claim((failing,), wish=wish)):
        for detail in details(claim, api=evidence).values():
            assert len(detail.summary.encode()) <= SUMMARY
            assert len(detail.annotations) <= 200
            assert all(len(one.message) <= 2000 for one in detail.annotations)


def test_a_line_that_failed_is_kept_among_many() -> None:
    steps = (*(step(f"RUN {n}", line=n) for n in range(1, 200)), step("RUN last", error="exit 1"))
    summary = details(Claim((broken(),)), api=Evidence(steps))["pushwright/api"].summary
    assert "| 1 | `RUN last` | **failed** | 1.0 s |" in summary
    assert "99 more steps are on the build's page." in summary
