"""Proof of success, whose fault, and words for every class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.builds import (
    MAX_ATTEMPTS,
    OURS,
    RETRIED,
    RETRY_AFTER,
    BuilderResult,
    BuildState,
    Ended,
    OutcomeClass,
    Place,
)
from bot.core.ids import Digest, ImageKey
from bot.core.outcomes import (
    STATES,
    WORDS,
    Finish,
    Retry,
    classify,
    failure,
    need_failed,
    refused_tag,
    sentence,
    settle,
    span,
)

DIGEST = Digest("sha256:" + "d" * 64)
OTHER = Digest("sha256:" + "e" * 64)


def succeeded(digest: Digest | None = DIGEST) -> Ended:
    return Ended(BuilderResult(OutcomeClass.SUCCEEDED, "built", digest, size_bytes=5))


def test_a_push_succeeds_only_when_the_registry_has_its_digest() -> None:
    outcome = classify(succeeded(), push=True, head=DIGEST)
    assert (outcome.state, outcome.digest) == (BuildState.SUCCEEDED, DIGEST)


@pytest.mark.parametrize(
    ("ended", "head", "kind"),
    [
        (succeeded(), None, OutcomeClass.REGISTRY_UNAVAILABLE),
        (succeeded(), OTHER, OutcomeClass.INTERNAL),
        (succeeded(None), DIGEST, OutcomeClass.INTERNAL),
        (succeeded(None), None, OutcomeClass.INTERNAL),
        (Ended(None), DIGEST, OutcomeClass.BUILDER_LOST),
    ],
)
def test_anything_less_is_no_success(ended: Ended, head: Digest | None, kind: OutcomeClass) -> None:
    outcome = classify(ended, push=True, head=head)
    assert (outcome.state, outcome.kind) == (BuildState.ERROR, kind)


def test_what_the_registry_said_is_told() -> None:
    outcome = classify(succeeded(), push=True, head=None, registry_error="503 from reg.test")
    assert outcome.message == f"pushed as {DIGEST}, and 503 from reg.test"


def test_a_check_needs_no_digest_and_never_has_one() -> None:
    outcome = classify(succeeded(), push=False, head=None)
    assert (outcome.state, outcome.digest) == (BuildState.SUCCEEDED, None)
    assert classify(Ended(None), push=False, head=None).state is not BuildState.SUCCEEDED


@pytest.mark.parametrize("kind", [OutcomeClass.CANCELLED, OutcomeClass.SUPERSEDED])
def test_a_builder_that_something_else_stopped_is_lost_not_cancelled(kind: OutcomeClass) -> None:
    outcome = classify(Ended(BuilderResult(kind, "terminated")), push=True, head=None)
    assert outcome.kind is OutcomeClass.BUILDER_LOST


@pytest.mark.parametrize("kind", list(OutcomeClass))
def test_every_class_has_words_a_state_and_a_rule(kind: OutcomeClass) -> None:
    assert WORDS[kind].what
    assert WORDS[kind].next
    outcome = failure(kind)
    assert outcome.state.final
    assert outcome.message
    if kind in OURS:
        assert STATES[kind] is BuildState.ERROR
    assert sentence(outcome)
    assert isinstance(settle(outcome, 1), Retry if kind in RETRIED else Finish)


def test_ours_is_tried_again_twice_and_theirs_never() -> None:
    lost = failure(OutcomeClass.NODE_LOST)
    found = [settle(lost, attempt) for attempt in range(1, MAX_ATTEMPTS + 1)]
    assert [step.after for step in found if isinstance(step, Retry)] == list(RETRY_AFTER)
    assert isinstance(found[-1], Finish)
    assert settle(failure(OutcomeClass.STEP), 1) == Finish(failure(OutcomeClass.STEP))


def test_a_refused_tag_fails_and_keeps_the_digest() -> None:
    done = classify(succeeded(), push=True, head=DIGEST)
    why = "tag 1.2.3 refused: it exists and the registry forbids overwriting"
    outcome = refused_tag(done, "reg.test/api", DIGEST, (why,))
    assert (outcome.state, outcome.kind) == (BuildState.FAILED, OutcomeClass.TAG_REFUSED)
    assert outcome.message == f"image pushed as reg.test/api@{DIGEST}; {why}"
    assert outcome.digest == DIGEST


def test_a_sentence_says_what_where_and_what_next() -> None:
    place = Place("Dockerfile", 17, "RUN")
    result = BuilderResult(OutcomeClass.STEP, "RUN npm ci failed (exit 1)", place=place)
    outcome = classify(Ended(result), push=True, head=None)
    assert sentence(outcome) == (
        "Dockerfile:17 RUN npm ci failed (exit 1). "
        "What to do: read the log of that step; its command is yours to mend."
    )
    printed = replace(outcome, message=f"{outcome.message}\nnpm ERR! E401")
    assert sentence(printed) == f"{sentence(outcome)}\nnpm ERR! E401"
    assert need_failed(ImageKey("base")).message == "the needed image base did not build"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0s"),
        (44, "44s"),
        (99, "99s"),
        (185, "3m 05s"),
        (180, "3m"),
        (3720, "1h 02m"),
        (7200, "2h"),
    ],
)
def test_spans_are_short(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_the_documentation_lists_every_class_with_its_words() -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "statuses.md").read_text()
    for kind in OutcomeClass:
        again = "up to twice" if kind in RETRIED else "no"
        words = WORDS[kind]
        row = f"| `{kind}` | {STATES[kind]} | {again} | {words.what} | {words.next} |"
        assert row in text.splitlines()
