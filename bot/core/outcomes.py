"""How a build ended, in one place: proof of success, whose fault, whether again, and the words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from bot.core.builds import (
    MAX_ATTEMPTS,
    OURS,
    RETRIED,
    RETRY_AFTER,
    BuilderResult,
    BuildState,
    Ended,
    Outcome,
    OutcomeClass,
    Place,
)
from bot.core.ids import Digest, ImageKey


@dataclass(frozen=True, slots=True)
class Words:
    """`what` happened when nothing better is known, and what to do `next`."""

    what: str
    next: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The build has ended so."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Retry:
    """This attempt ended so, by no fault of theirs; another one after that many seconds."""

    after: float
    outcome: Outcome


WORDS: dict[OutcomeClass, Words] = {
    OutcomeClass.SUCCEEDED: Words("built", "nothing to do"),
    OutcomeClass.CONFIG: Words(
        "the build's settings can't be used", "mend .pushwright.yaml and push"
    ),
    OutcomeClass.CONTEXT: Words(
        "the context or a file that is copied from it is not there",
        "check `context`, the paths of COPY and .dockerignore",
    ),
    OutcomeClass.DOCKERFILE: Words(
        "the Dockerfile is missing or can't be read", "check `dockerfile` and the line named"
    ),
    OutcomeClass.STEP: Words(
        "a step of the Dockerfile failed", "read the log of that step; its command is yours to mend"
    ),
    OutcomeClass.UNKNOWN_TARGET: Words(
        "the Dockerfile has no such stage", "name one of its stages in `target`"
    ),
    OutcomeClass.BASE_NOT_FOUND: Words(
        "a base image does not exist", "check the name and tag after FROM"
    ),
    OutcomeClass.BASE_FORBIDDEN: Words(
        "a base image may not be read",
        "ask the administrator for a credential of that registry (`registries`)",
    ),
    OutcomeClass.PUSH_DENIED: Words(
        "the registry refused the push",
        "ask the administrator: the image name, or the credential under `registries`",
    ),
    OutcomeClass.TAG_REFUSED: Words(
        "the registry refused a tag", "choose a tag that does not exist yet, or allow overwriting"
    ),
    OutcomeClass.TIMEOUT: Words("took longer than its limit", "raise `timeout` or speed it up"),
    OutcomeClass.OUT_OF_MEMORY: Words(
        "out of memory at the build's own limit", "raise `resources.memory`"
    ),
    OutcomeClass.OUT_OF_DISK: Words(
        "out of disk at the build's own limit", "make the image or its context smaller"
    ),
    OutcomeClass.NEED_FAILED: Words(
        "a needed image did not build", "mend that image; this one follows with the next push"
    ),
    OutcomeClass.COMMIT_GONE: Words(
        "the commit is not in the repository any more", "push again; nobody can build this one"
    ),
    OutcomeClass.CANCELLED: Words("cancelled", "nothing to do"),
    OutcomeClass.SUPERSEDED: Words("superseded by a newer commit", "nothing to do"),
    OutcomeClass.FETCH_NETWORK: Words(
        "the source could not be fetched", "wait; the Git host did not answer as it should"
    ),
    OutcomeClass.REGISTRY_UNAVAILABLE: Words(
        "the registry did not answer as it should", "wait until it is back, then build again"
    ),
    OutcomeClass.DOCKERD_DOWN: Words(
        "the docker daemon of the build did not answer", "the administrator finds why in its log"
    ),
    OutcomeClass.NODE_LOST: Words("the machine was lost", "build again"),
    OutcomeClass.EVICTED: Words(
        "the platform took the build's place away", "the administrator gives builds more room"
    ),
    OutcomeClass.BUILDER_LOST: Words(
        "the builder ended without a result", "the administrator finds why in the worker's log"
    ),
    OutcomeClass.QUEUE_DEADLINE: Words(
        "did not start in time", "the administrator finds the reason on the build's page"
    ),
    OutcomeClass.ADMISSION_DENIED: Words(
        "the platform refused the build", "the administrator reads the reason and changes policy"
    ),
    OutcomeClass.INTERNAL: Words(
        "an error of pushwright's own", "report it with the build's address"
    ),
}

STATES: dict[OutcomeClass, BuildState] = {
    kind: (BuildState.ERROR if kind in OURS else BuildState.FAILED) for kind in OutcomeClass
} | {
    OutcomeClass.SUCCEEDED: BuildState.SUCCEEDED,
    OutcomeClass.CANCELLED: BuildState.CANCELLED,
    OutcomeClass.SUPERSEDED: BuildState.SUPERSEDED,
}
"""Whose fault: `failed` is theirs, `error` ours or the platform's."""


def classify(ended: Ended, *, push: bool, head: Digest | None, registry_error: str = "") -> Outcome:
    """The outcome of an attempt that has ended.

    `push`: the plan wants it pushed; then it succeeds only when `head`, the digest that the
    registry answers for what was pushed, is the builder's. `registry_error`: what it said instead,
    to whoever asked until it was too late.
    """
    result = ended.result
    if result is None:
        return failure(ended.outcome, ended.cause)
    if result.outcome is OutcomeClass.SUCCEEDED and push:
        return _proven(result, head, registry_error)
    if result.outcome in (OutcomeClass.CANCELLED, OutcomeClass.SUPERSEDED):
        # Nobody withdrew the build (advance knows those): something else stopped the builder.
        return failure(OutcomeClass.BUILDER_LOST, "the builder was stopped from outside")
    outcome = _of(result, result.outcome, result.message)
    if result.outcome is OutcomeClass.SUCCEEDED:
        return replace(outcome, digest=None, message=result.message or "built, not pushed")
    return outcome


def _proven(result: BuilderResult, head: Digest | None, registry_error: str) -> Outcome:
    if result.digest is None:
        return failure(OutcomeClass.INTERNAL, "the builder pushed and named no digest")
    if head is None:
        said = registry_error or "the registry does not have it"
        return _of(
            result,
            OutcomeClass.REGISTRY_UNAVAILABLE,
            f"pushed as {result.digest}, and {said}",
        )
    if head != result.digest:
        return _of(
            result,
            OutcomeClass.INTERNAL,
            f"pushed as {result.digest}, and the registry answers {head}",
        )
    return _of(result, OutcomeClass.SUCCEEDED, result.message)


def _of(result: BuilderResult, kind: OutcomeClass, message: str) -> Outcome:
    return Outcome(
        STATES[kind],
        kind,
        message or WORDS[kind].what,
        result.digest,
        result.size_bytes,
        result.place,
        result.phases,
        result.cache,
        result.warnings,
        client=result.client,
        daemon=result.daemon,
    )


def failure(kind: OutcomeClass, message: str = "") -> Outcome:
    """An outcome that no builder told of."""
    return Outcome(STATES[kind], kind, message or WORDS[kind].what)


def withdrawn_outcome(state: Literal["cancelled", "superseded"], text: str = "") -> Outcome:
    """Nobody wants the build any more; `text` says who or what took it back."""
    return failure(OutcomeClass(state), text)


def internal(message: str) -> Outcome:
    """An exception of ours, in words."""
    return failure(OutcomeClass.INTERNAL, message)


def need_failed(image: ImageKey) -> Outcome:
    return failure(OutcomeClass.NEED_FAILED, f"the needed image {image} did not build")


def refused_tag(outcome: Outcome, name: str, digest: Digest, refused: tuple[str, ...]) -> Outcome:
    """A proven success whose tags the registry did not all take. `refused`: what it said, such as
    `tag 1.2.3 refused: it exists and the registry forbids overwriting`."""
    pushed = f"image pushed as {name}@{digest}"
    return replace(
        outcome,
        state=BuildState.FAILED,
        kind=OutcomeClass.TAG_REFUSED,
        message="; ".join([pushed, *refused]),
    )


def settle(outcome: Outcome, attempt: int) -> Finish | Retry:
    """Whether that was the last attempt. `attempt` counts from 1."""
    if outcome.kind not in RETRIED or attempt >= MAX_ATTEMPTS:
        return Finish(outcome)
    after = RETRY_AFTER[min(max(attempt, 1), len(RETRY_AFTER)) - 1]
    return Retry(after, outcome)


def sentence(outcome: Outcome) -> str:
    """What happened, where, and what to do next, for the page of a build; on further lines what the
    step printed last."""
    message, newline, printed = outcome.message.partition("\n")
    text = f"{where(outcome.place, message)}{message}"
    if outcome.state not in (BuildState.SUCCEEDED, BuildState.CANCELLED, BuildState.SUPERSEDED):
        text = f"{text}. What to do: {WORDS[outcome.kind].next}."
    return f"{text}{newline}{printed}"


def where(place: Place | None, message: str) -> str:
    """What stands in front of a message that does not name its own place."""
    if place is None:
        return ""
    spot = f"{place.file}:{place.line}"
    if message.startswith(spot):
        return ""
    word = place.instruction.split(" ", 1)[0]
    return f"{spot} " if not word or message.startswith(word) else f"{spot} {word}: "


def span(seconds: float) -> str:
    """`44s`, `3m 05s`, `1h 02m`: as short as it can be read."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s" if rest else f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m" if minutes else f"{hours}h"
