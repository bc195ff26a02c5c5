"""The comment on a request: when it is due, what it says, and how long it may be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.builds import BuilderResult, BuildState, Ended, OutcomeClass, Place
from bot.core.outcomes import classify
from bot.core.plans import ClaimKind
from bot.core.repoconfig import CommentMode, allowed_comment
from bot.core.reports_comment import (
    BODY,
    MARKER,
    Comment,
    Material,
    comment,
    comment_mode,
)
from bot.core.reports_render import image_states
from bot.core.reports_results import Measured
from bot.core.reports_rows import Known
from tests.core.markdown_reading import outside_of_code
from tests.core.reports_scene import Claim, Report, T, View, broken, ok, view

HOSTILE = st.text(alphabet=st.sampled_from("`|\\ <@#[]/\n\u202eé"), max_size=30)


def request(*images: View, **more: Any) -> Claim:
    return Claim(images, kind=ClaimKind.REQUEST, name="7", page="f" * 32, **more)


def made(claim: Claim, mode: CommentMode = "always", **material: Any) -> Comment | None:
    states = image_states(Report((claim,)), T + 100, Known())
    return comment(claim, mode, Material(states, "https://bot.test", **material))


def body(claim: Claim, mode: CommentMode = "always", **material: Any) -> str:
    found = made(claim, mode, **material)
    assert found is not None
    return found.body


RUNNING = view(BuildState.RUNNING, key="web")
NOTHING = {"nothing": "nothing to build: not affected"}
WRONG = {"mistakes": [{"file": ".pushwright.yaml", "line": 3, "message": "no", "hint": "yes"}]}
WAITING = {"waiting": "waiting for /ok-to-test abc"}


@pytest.mark.parametrize(
    ("claim", "due"),
    [
        # In the order off, on-failure, on-change, always: "" none, "?" only where one is, "!" made.
        (request(RUNNING), ["", "", "", "!"]),
        (request(ok(), RUNNING), ["", "", "", "!"]),
        (request(broken(), RUNNING), ["", "!", "!", "!"]),
        (request(ok()), ["", "?", "!", "!"]),
        (request(broken()), ["", "!", "!", "!"]),
        (request(wish=NOTHING), ["", "?", "?", "!"]),
        (request(wish=WRONG), ["", "!", "!", "!"]),
        (request(wish=WAITING), ["", "?", "!", "!"]),
        (request(ok(), state="cancelled", text="request 7 was closed"), ["", "?", "?", "?"]),
        (request(wish={"observe": True, **NOTHING}), ["", "", "", ""]),
        (replace(request(ok()), kind=ClaimKind.BRANCH, name="7"), ["", "", "", ""]),
    ],
)
def test_when_it_is_due(claim: Claim, due: list[str]) -> None:
    modes: list[CommentMode] = ["off", "on-failure", "on-change", "always"]
    found = [made(claim, mode) for mode in modes]
    assert ["" if one is None else "?" if one.only_known else "!" for one in found] == due


def test_a_row() -> None:
    claim = request(ok())
    build = claim.images[0].build
    text = body(claim, measured={build.id: Measured(50.0, 100_000_000)})
    assert text.startswith(f"{MARKER}\n**pushwright** `aaaaaaaaaaaa`: 1 image built\n")
    row = (
        f"| [`api`](https://bot.test/builds/{build.id}) | built | `pr-12` | `dddddddddddd` | "
        "142 MB (+42 MB) | 44s (median 50s) | 6/7 |"
    )
    assert row in text
    assert "[why](https://bot.test/reports/ffff" in text


def test_a_check_names_no_tag_and_no_digest() -> None:
    text = body(request(ok(check_only=True)))
    assert "| built, not pushed |  |  |  | 44s | 6/7 |" in text
    assert "docker pull" not in text


def test_what_is_told_of_a_cache_stands_below_the_table() -> None:
    images = ok()
    outcome = images.build.outcome
    assert outcome is not None
    told = replace(outcome, notes=("cache found, no step hit, twice running",))
    claim = request(replace(images, build=replace(images.build, outcome=told)), ok("web"))
    text = body(claim)
    assert "\n- `api`: `cache found, no step hit, twice running`\n" in text
    assert "- `web`" not in text


@pytest.mark.parametrize(
    ("size", "shown"), [(142_300_000, "(±0)"), (150_000_000, "(-7.7 MB)"), (None, "142 MB |")]
)
def test_the_change_of_size(size: int | None, shown: str) -> None:
    claim = request(ok())
    measured = {claim.images[0].build.id: Measured(None, size)}
    assert shown in body(claim, measured=measured)


def test_texts_that_change_with_time_are_not_in_it() -> None:
    waiting = view(BuildState.QUEUED, attempt=0, reason="the cluster is full", ahead=3)
    claim = request(waiting)
    states = image_states(Report((claim,)), T + 5000, Known())
    later = comment(claim, "always", Material(states, "https://bot.test"))
    assert later == made(claim)
    assert "| queued |" in body(claim)


def test_failures_show_their_last_lines() -> None:
    claim = request(broken())
    text = body(claim, logs={claim.images[0].build.id: [f"line {n}" for n in range(100)]})
    assert "The last lines of `api`:\n\n```text\nline 80\n" in text
    assert "line 79" not in text


def test_mistakes_and_the_effect_of_a_change() -> None:
    effect = {"effect": ["~ api: target none -> debug"]}
    text = body(request(wish={**WRONG, **effect}))
    assert "- `.pushwright.yaml:3` `no` (`yes`)" in text
    assert "With this change:\n\n```text\n~ api: target none -> debug\n```" in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "https://git.test/s/compare/b..c",
            "[what changed since](https://git.test/s/compare/b..c)",
        ),
        ("javascript:alert(1)", "what changed since\n"),
    ],
)
def test_what_changed_since_the_approval_before(url: str, shown: str) -> None:
    text = body(request(wish={**WAITING, "since": {"approved": "b" * 40, "url": url}}))
    assert f"`{'b' * 12}` of this request was approved before: {shown}" in text
    assert "approved before" not in body(request(wish=WAITING))


@given(HOSTILE, HOSTILE)
def test_nothing_hostile_leaves_its_code(one: str, other: str) -> None:
    result = BuilderResult(OutcomeClass.STEP, one or "x", place=Place("Dockerfile", 1, other))
    outcome = classify(Ended(result), push=True, head=None)
    recipe = {"source": {"sha": one}, "build": {"context": other, "args": {other: one}}}
    failing = view(BuildState.FAILED, outcome, recipe=recipe)
    skipped = [{"image": one, "why": other}]
    wish = {"skipped": skipped, "effect": [one, other]}
    mistakes = {"mistakes": [{"file": one, "line": 1, "message": other, "hint": one}]}
    logs = {failing.build.id: (one, other)}
    for told in (wish, wish | mistakes, {"waiting": one}, {"nothing": other}):
        for images in ((failing,), ()):
            outside = outside_of_code(body(request(*images, wish=told), logs=logs))
            ours = outside.replace(MARKER, "").replace("<details><summary>", "")
            ours = ours.replace("</summary>", "").replace("</details>", "")
            assert not set("<@#\u202e`") & set(ours), ours


def test_its_length() -> None:
    outcome = classify(Ended(BuilderResult(OutcomeClass.STEP, "é" * 100_000)), push=True, head=None)
    recipe = {
        "source": {"sha": "a" * 40},
        "build": {"args": {f"a{n}": "v" * 900 for n in range(9)}},
    }
    images = [view(BuildState.FAILED, outcome, f"i{n}", recipe=recipe) for n in range(120)]
    logs = {one.build.id: ["é" * 9000] * 300 for one in images}
    wish = {
        "skipped": [{"image": f"{n}", "why": "w" * 900} for n in range(400)],
        "effect": ["e" * 900] * 400,
        "mistakes": [{"file": "f" * 900, "line": n, "message": "m" * 900} for n in range(400)],
    }
    text = body(request(*images, wish=wish), logs=logs)
    assert len(text.encode()) <= BODY
    outside_of_code(text)
    assert "The rest is on [the page of this report](https://bot.test/reports/" in text


def test_bounds_of_the_administrator() -> None:
    assert allowed_comment("always", "off", "on-failure") == "on-failure"
    assert allowed_comment("off", "on-change", "always") == "on-change"
    assert allowed_comment("on-change", "off", "always") == "on-change"
    assert allowed_comment("off", "always", "off") == "always"


def test_claims_of_before_there_were_comments_ask_for_none() -> None:
    assert comment_mode(request()) == "off"
    assert comment_mode(request(wish={"comment": "always"})) == "always"
