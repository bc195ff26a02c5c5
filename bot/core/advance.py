"""The one function that says what becomes of an active build: pure, so that replaying an
observation, a restart or a second worker changes nothing but timing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from bot.core.builds import (
    BuilderResult,
    BuildState,
    Ended,
    NotThere,
    Observation,
    Outcome,
    OutcomeClass,
    Pending,
    Progress,
    Running,
)
from bot.core.outcomes import (
    Finish,
    Retry,
    classify,
    failure,
    settle,
    span,
    withdrawn_outcome,
)

__all__ = [
    "Cancel",
    "Deadlines",
    "Finish",
    "Retry",
    "Started",
    "Stay",
    "Step",
    "Verify",
    "advance",
]

ACCEPT_SECONDS = 30.0
"""An attempt that was just started may not show yet."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds. `grace`: how long a builder that was told to stop may take to say its result;
    `look`: between two looks at an attempt of which nothing was heard."""

    queue: float = 900.0
    grace: float = 60.0
    look: float = 5.0


DEFAULT = Deadlines()


@dataclass(frozen=True, slots=True)
class Stay:
    """Nothing changes; look again at `next_at`. `reason` is for the user."""

    next_at: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """The builder runs since `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class Verify:
    """The builder says it succeeded: ask the registry, then `outcomes.classify`."""

    result: BuilderResult


@dataclass(frozen=True, slots=True)
class Cancel:
    """Tell the executor to stop the attempt, and look again at `next_at`."""

    why: Literal["cancelled", "superseded", "timeout", "queue-deadline"]
    next_at: float


Step = Stay | Started | Verify | Finish | Retry | Cancel


def advance(
    progress: Progress, seen: Observation, now: float, deadlines: Deadlines = DEFAULT
) -> Step:
    """What follows from a fresh look at the attempt of a build that is starting, running or
    verifying. Any other state: `Stay`, the build is not the executor's."""
    if not progress.state.active:
        return Stay(now + deadlines.look)
    match seen:
        case NotThere():
            return _not_there(progress, now, deadlines)
        case Pending(reason):
            return _pending(progress, reason, now, deadlines)
        case Running(started):
            return _running(progress, started, now, deadlines)
        case Ended():
            return _ended(progress, seen, now, deadlines)
    assert_never(seen)


def _not_there(progress: Progress, now: float, deadlines: Deadlines) -> Step:
    if progress.withdrawn:
        return Finish(withdrawn_outcome(progress.withdrawn, progress.withdrawn_by))
    late = _too_late(progress, now, deadlines)
    if late is not None:
        return settle(late, progress.attempt)  # told to stop, it went without a word
    if progress.state is BuildState.STARTING and now - _since(progress) < ACCEPT_SECONDS:
        return Stay(now + 1.0, "starting")
    what = (
        "the builder never started"
        if progress.state is BuildState.STARTING
        else "the builder is gone and left no result"
    )
    return settle(failure(OutcomeClass.BUILDER_LOST, what), progress.attempt)


def _pending(progress: Progress, reason: str, now: float, deadlines: Deadlines) -> Step:
    if progress.withdrawn:
        return Cancel(progress.withdrawn, now + 1.0)
    if now - _since(progress) >= deadlines.queue:
        return Cancel("queue-deadline", now + 1.0)
    return Stay(min(now + deadlines.look, _since(progress) + deadlines.queue), reason)


def _running(progress: Progress, started: float, now: float, deadlines: Deadlines) -> Step:
    if progress.withdrawn:
        return Cancel(progress.withdrawn, now + 1.0)
    # The builder keeps the same deadline itself and says more; this one is for when it can't.
    over = started + progress.timeout_seconds + deadlines.grace
    if now >= over:
        return Cancel("timeout", now + 1.0)
    if progress.state is BuildState.STARTING:
        return Started(started)
    return Stay(min(now + deadlines.look, over))


def _ended(progress: Progress, ended: Ended, now: float, deadlines: Deadlines) -> Step:
    result = ended.result
    if result is not None and result.outcome is OutcomeClass.SUCCEEDED:
        # Also when it was withdrawn meanwhile: what is proven stays a success, its claims are gone
        # and so no tag moves.
        if progress.push:
            return Verify(result)
        return Finish(classify(ended, push=False, head=None))
    if progress.withdrawn:
        return Finish(withdrawn_outcome(progress.withdrawn, progress.withdrawn_by))
    stopped = result is None or result.outcome is OutcomeClass.CANCELLED
    late = _too_late(progress, now, deadlines) if stopped else None
    outcome = late or classify(ended, push=progress.push, head=None)
    return settle(outcome, progress.attempt)


def _too_late(progress: Progress, now: float, deadlines: Deadlines) -> Outcome | None:
    """Why we told it to stop, worked out again from the clock: nothing else remembers."""
    if progress.state is BuildState.STARTING:
        if now - _since(progress) >= deadlines.queue:
            return failure(
                OutcomeClass.QUEUE_DEADLINE, f"did not start within {span(deadlines.queue)}"
            )
        return None
    started = progress.started_at
    if started is not None and now >= started + progress.timeout_seconds:
        limit = span(progress.timeout_seconds)
        return failure(OutcomeClass.TIMEOUT, f"took longer than its limit of {limit}")
    return None


def _since(progress: Progress) -> float:
    """When the current attempt was asked for, as nearly as the build's row tells."""
    known = (progress.admitted_at, progress.started_at)
    return max((at for at in known if at is not None), default=progress.queued_at)
