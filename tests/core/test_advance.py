"""The life of a build, one look at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.advance import (
    ACCEPT_SECONDS,
    Cancel,
    Deadlines,
    Finish,
    Retry,
    Started,
    Stay,
    Verify,
    advance,
)
from bot.core.builds import (
    ACTIVE,
    BuilderResult,
    BuildState,
    Ended,
    NotThere,
    Observation,
    OutcomeClass,
    Pending,
    Progress,
    Running,
)
from bot.core.ids import BuildId, Digest

DIGEST = Digest("sha256:" + "d" * 64)
DONE = Ended(BuilderResult(OutcomeClass.SUCCEEDED, "built", DIGEST))
STOPPED = Ended(BuilderResult(OutcomeClass.CANCELLED, "the build was cancelled"))
START = Progress(
    BuildId("1" * 32), BuildState.STARTING, 1, True, "", 0.0, None, 600.0, admitted_at=5000.0
)
RUN = replace(START, state=BuildState.RUNNING, started_at=5010.0)


def test_an_attempt_that_was_just_started_may_not_show_yet() -> None:
    assert isinstance(advance(START, NotThere(), 5001.0), Stay)
    step = advance(START, NotThere(), 5000.0 + ACCEPT_SECONDS)
    assert isinstance(step, Retry)
    assert step.outcome.message == "the builder never started"


def test_what_is_not_there_is_never_a_success() -> None:
    for state in ACTIVE:
        step = advance(replace(RUN, state=state), NotThere(), 5500.0)
        assert isinstance(step, Retry)
        assert step.outcome.kind is OutcomeClass.BUILDER_LOST


def test_what_was_told_to_stop_and_is_gone_ended_for_that_reason() -> None:
    """A pod that nobody took to a node is gone at once when it is cancelled."""
    for progress, now, kind in (
        (START, 5900.0, OutcomeClass.QUEUE_DEADLINE),
        (RUN, 5700.0, OutcomeClass.TIMEOUT),
    ):
        step = advance(progress, NotThere(), now)
        assert isinstance(step, Finish)
        assert step.outcome.kind is kind


def test_waiting_shows_its_reason_until_the_queue_deadline() -> None:
    wait = Pending("no node has 4 CPUs")
    step = advance(START, wait, 5100.0)
    assert isinstance(step, Stay)
    assert step.reason == "no node has 4 CPUs"
    over = advance(START, wait, 5900.0)
    assert isinstance(over, Cancel)
    assert over.why == "queue-deadline"
    end = advance(START, Ended(None, "deleted"), 5901.0)
    assert isinstance(end, Finish)
    assert end.outcome.kind is OutcomeClass.QUEUE_DEADLINE


def test_waiting_for_a_slot_of_ours_does_not_count() -> None:
    queued_long_ago = replace(START, queued_at=-10_000.0)
    assert isinstance(advance(queued_long_ago, Pending("starting"), 5001.0), Stay)


def test_running_is_seen_once_and_then_watched() -> None:
    assert advance(START, Running(5010.0), 5011.0) == Started(5010.0)
    assert isinstance(advance(RUN, Running(5010.0), 5011.0), Stay)


def test_the_timeout_is_the_builders_first_and_then_ours() -> None:
    assert isinstance(advance(RUN, Running(5010.0), 5615.0), Stay)
    step = advance(RUN, Running(5010.0), 5010.0 + 660.0)
    assert isinstance(step, Cancel)
    assert step.why == "timeout"
    end = advance(RUN, STOPPED, 5680.0)
    assert isinstance(end, Finish)
    assert (end.outcome.kind, end.outcome.state) == (OutcomeClass.TIMEOUT, BuildState.FAILED)


@pytest.mark.parametrize("why", ["cancelled", "superseded"])
def test_a_withdrawn_build_is_stopped_and_ends_so(why: str) -> None:
    taken = replace(RUN, withdrawn=why)  # type: ignore[arg-type]  # one of the two words
    for seen in (Running(5010.0), Pending("starting")):
        step = advance(taken, seen, 5020.0)
        assert isinstance(step, Cancel)
        assert step.why == why
    for gone in (STOPPED, Ended(None), NotThere()):
        end = advance(taken, gone, 5021.0)
        assert isinstance(end, Finish)
        assert end.outcome.state == why


def test_a_success_that_was_proven_while_it_was_withdrawn_stays_one() -> None:
    taken = replace(RUN, withdrawn="cancelled")
    assert isinstance(advance(taken, DONE, 5020.0), Verify)


def test_a_success_goes_to_the_registry_first_and_a_check_ends_at_once() -> None:
    assert advance(RUN, DONE, 5020.0) == Verify(DONE.result)  # type: ignore[arg-type]  # it has one
    end = advance(replace(RUN, push=False), DONE, 5020.0)
    assert isinstance(end, Finish)
    assert end.outcome.state is BuildState.SUCCEEDED


def test_theirs_ends_and_ours_is_tried_again_until_the_last_attempt() -> None:
    theirs = Ended(BuilderResult(OutcomeClass.STEP, "RUN false failed (exit 1)"))
    assert isinstance(advance(RUN, theirs, 5020.0), Finish)
    ours = Ended(BuilderResult(OutcomeClass.FETCH_NETWORK, "the Git host closed the connection"))
    assert advance(RUN, ours, 5020.0).after == 10.0  # type: ignore[union-attr]  # a Retry
    assert advance(replace(RUN, attempt=2), ours, 5020.0).after == 60.0  # type: ignore[union-attr]
    last = advance(replace(RUN, attempt=3), ours, 5020.0)
    assert isinstance(last, Finish)
    assert last.outcome.state is BuildState.ERROR


def test_a_builder_stopped_from_outside_is_tried_again() -> None:
    assert isinstance(advance(RUN, STOPPED, 5020.0), Retry)


RESULTS = st.builds(
    BuilderResult, st.sampled_from(OutcomeClass), st.text(max_size=5), st.none() | st.just(DIGEST)
)
SEEN: st.SearchStrategy[Observation] = st.one_of(
    st.just(NotThere()),
    st.builds(Pending, st.text(max_size=5)),
    st.builds(Running, st.floats(0, 9000)),
    st.builds(Ended, st.none() | RESULTS),
)
PROGRESS = st.builds(
    Progress,
    id=st.just(BuildId("1" * 32)),
    state=st.sampled_from(BuildState),
    attempt=st.integers(0, 5),
    push=st.booleans(),
    withdrawn=st.sampled_from(["", "cancelled", "superseded"]),
    queued_at=st.floats(0, 9000),
    started_at=st.none() | st.floats(0, 9000),
    timeout_seconds=st.floats(1, 9000),
    admitted_at=st.none() | st.floats(0, 9000),
)


@given(PROGRESS, SEEN, st.floats(0, 20_000))
def test_whatever_is_seen_nothing_is_green_without_proof(
    progress: Progress, seen: Observation, now: float
) -> None:
    step = advance(progress, seen, now)
    if isinstance(step, Finish) and step.outcome.state is BuildState.SUCCEEDED:
        assert not progress.push
        assert isinstance(seen, Ended)
        assert seen.result is not None
        assert seen.result.outcome is OutcomeClass.SUCCEEDED
    if not progress.state.active:
        assert isinstance(step, Stay)
    if isinstance(step, Retry):
        assert progress.attempt < 3
        assert not progress.withdrawn
    if isinstance(step, Stay):
        assert step.next_at >= now
    assert advance(progress, seen, now) == step


@given(PROGRESS, st.floats(0, 20_000))
def test_every_active_build_comes_to_an_end(progress: Progress, now: float) -> None:
    """Once all deadlines are over, no observation leaves an attempt alone."""
    late = now + 20_000 + 9000 + Deadlines().queue + Deadlines().grace
    for seen in (NotThere(), Pending("x"), Running(now), Ended(None)):
        step = advance(progress, seen, late)
        assert not progress.state.active or not isinstance(step, Stay)
