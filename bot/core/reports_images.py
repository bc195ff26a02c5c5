"""The status of one image: what its build and its tags say, as one claim sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from bot.core.builds import BuildState, Outcome
from bot.core.ids import BuildId, ImageKey
from bot.core.outcomes import internal
from bot.core.reports import StatusState
from bot.core.reports_rows import BuildLike, ClaimLike, ImageLike, Known, Shown
from bot.core.reports_texts import building, built, checked, failed, queued, retrying

QUIET_SECONDS = 10.0
"""An image that waits shorter than this says nothing of it."""
REPEAT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ImageState:
    """`text` None: nothing to be written yet. `next_at`: the text may change then."""

    image: ImageKey
    build: BuildId | None
    state: StatusState
    text: str | None
    final: bool
    ended_at: float = 0.0
    next_at: float | None = None


def withdrawn_state(claim: ClaimLike, view: ImageLike) -> ImageState:
    """An image that no live claim wants. What ended before stays as it ended."""
    build = view.build
    ended = build.ended_at or 0.0
    outcome = build.outcome
    if build.state.final and outcome is not None and build.state not in _TAKEN_BACK:
        return _ended(view, outcome, view.notes)
    text = claim.text or "cancelled"
    return ImageState(view.image, build.id, StatusState.CANCELLED, text, True, ended)


def live_state(
    views: Sequence[ImageLike], now: float, known: Known, shown: Shown | None
) -> ImageState:
    """An image as live claims want it: the newest first; the others have the same build, and it is
    done only when each one's tags are."""
    view = views[0]
    build = view.build
    match build.state:
        case BuildState.WAITING | BuildState.QUEUED | BuildState.STARTING:
            return _waiting(view, now, known, shown)
        case BuildState.RUNNING | BuildState.VERIFYING | BuildState.TAGGING:
            return _running(view, building(build.attempt))
        case BuildState.SUCCEEDED:
            return _succeeded(views)
        case BuildState.FAILED | BuildState.ERROR | BuildState.CANCELLED | BuildState.SUPERSEDED:
            return _ended(view, build.outcome or internal("the outcome was lost"), ())
    assert_never(build.state)


def _running(view: ImageLike, text: str) -> ImageState:
    return ImageState(view.image, view.build.id, StatusState.RUNNING, text, False)


def _waiting(view: ImageLike, now: float, known: Known, shown: Shown | None) -> ImageState:
    build = view.build
    if build.attempt > 1 or (build.attempt == 1 and build.state is BuildState.QUEUED):
        # It ran before: a host that was told so takes no `pending` after it.
        again = build.state is BuildState.QUEUED
        text = retrying(build.reason, build.attempt) if again else building(build.attempt)
        return _running(view, text)
    pending = ImageState(view.image, build.id, StatusState.PENDING, None, False)
    first = build.queued_at + QUIET_SECONDS
    if now < first and shown is None:
        return _again(pending, None, first)
    text = (
        queued(view.ahead, known.limit, known.eta.get(build.id), build.reason)
        if build.state is not BuildState.STARTING
        else build.reason or "starting"
    )
    if not known.repeat_pending:
        return _again(pending, "queued", None)
    if shown is not None and shown.state is StatusState.PENDING and now < shown.at + REPEAT_SECONDS:
        return _again(pending, shown.description, shown.at + REPEAT_SECONDS)
    return _again(pending, text, now + REPEAT_SECONDS)


def _again(pending: ImageState, text: str | None, next_at: float | None) -> ImageState:
    return ImageState(pending.image, pending.build, pending.state, text, False, next_at=next_at)


def _succeeded(views: Sequence[ImageLike]) -> ImageState:
    view = views[0]
    build = view.build
    outcome = build.outcome or internal("the outcome was lost")
    if build.check_only:
        return _ended(view, outcome, ())
    errors = tuple(dict.fromkeys(error for one in views for error in one.tag_errors))
    if errors or any(one.tagging == "refused" for one in views):
        text = "; ".join(errors) or "a tag was refused"
        return ImageState(
            view.image, build.id, StatusState.FAILURE, text, True, build.ended_at or 0.0
        )
    if any(_unsettled(one) for one in views):
        return _running(view, "built, setting its tags")
    notes = tuple(dict.fromkeys(note for one in views for note in _notes(one)))
    return _ended(view, outcome, notes)


def _unsettled(view: ImageLike) -> bool:
    wanted = any(tag.withheld is None for tag in view.tags)
    return view.tagging == "wanted" or (view.tagging == "waiting" and wanted)


def _notes(view: ImageLike) -> tuple[str, ...]:
    return (*(tag.withheld for tag in view.tags if tag.withheld is not None), *view.notes)


_TAKEN_BACK = frozenset({BuildState.CANCELLED, BuildState.SUPERSEDED})
_STATES: dict[BuildState, StatusState] = {
    BuildState.SUCCEEDED: StatusState.SUCCESS,
    BuildState.FAILED: StatusState.FAILURE,
    BuildState.ERROR: StatusState.ERROR,
    BuildState.CANCELLED: StatusState.CANCELLED,
    BuildState.SUPERSEDED: StatusState.CANCELLED,
}


def _ended(view: ImageLike, outcome: Outcome, notes: Sequence[str]) -> ImageState:
    build = view.build
    state = _STATES[build.state]
    if build.state is not BuildState.SUCCEEDED:
        text = failed(outcome)
    elif build.check_only:
        text = checked(outcome, _seconds(build))
    else:
        text = built(outcome, _seconds(build), _first_tag(view), notes)
    return ImageState(view.image, build.id, state, text, True, build.ended_at or 0.0)


def _seconds(build: BuildLike) -> float | None:
    if build.started_at is None or build.ended_at is None:
        return None
    return max(0.0, build.ended_at - build.started_at)


def _first_tag(view: ImageLike) -> str | None:
    """`api:pr-12`: the last part of the name says enough."""
    written = (tag for tag in view.tags if tag.withheld is None)
    tag = next(written, None)
    return None if tag is None else f"{tag.name.rpartition('/')[2]}:{tag.tag}"
