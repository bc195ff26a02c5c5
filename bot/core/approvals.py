"""`/ok-to-test`: which commit of a fork somebody approves, and when a bare approval counts.

A comment's event names no commit, and whoever owns the fork may push between the moment somebody
reads a commit and the moment we read the request's head. A bare approval therefore counts only for
a commit that the host itself showed as waiting before the comment was written, and that nothing
replaced since. Two clocks are in play and never compared with one another: the host's (when it took
our status, when the comment was made) and ours (when heads were seen).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot.core.ids import Sha

LAPSES_SECONDS: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Our status that this head waits, as it was written. `accepted_at` by the host's clock in
    whole seconds; None: unknown. `applied_at` by ours."""

    sha: Sha
    applied_at: float
    accepted_at: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the head of a request from a fork. `other_seen_at`: when, by our clock, an
    event last named another commit as its head. `approved_until`: of the head."""

    waiting: Waiting | None = None
    other_seen_at: float | None = None
    approved_until: float | None = None

    def approved(self, now: float) -> bool:
        """Whether an approval of the head holds."""
        return (self.approved_until or 0.0) > now


@dataclass(frozen=True, slots=True)
class Asking:
    """An `/ok-to-test`: of `sha`, or bare; when the comment was made and, where the host's event
    names it (GitLab), the head that the request had then."""

    sha: Sha | None
    created_at: float | None
    told_head: Sha | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """A commit that may be built, by whom and until when (seconds since the epoch)."""

    number: int
    sha: Sha
    person_id: int
    login: str
    role: str
    at: float
    until: float


@dataclass(frozen=True, slots=True)
class Revocation:
    """An approval that is taken back. `text`: why its builds stop."""

    number: int
    sha: Sha
    text: str


def doubt(  # noqa: PLR0911 - one line for each doubt
    asking: Asking, head: Sha, standing: Standing
) -> str | None:
    """Why this does not approve `head`; None where it does. The text leads to the line to paste."""
    if asking.sha is not None:
        return None if asking.sha == head else f"{asking.sha[:12]} is not the head any more"
    if asking.told_head is not None and asking.told_head != head:
        return "the head changed after your comment"
    waiting = standing.waiting
    if waiting is None or waiting.sha != head:
        return "nothing said yet that this head waits, so you may have read another one"
    if standing.other_seen_at is not None and standing.other_seen_at >= waiting.applied_at:
        return "another head was there since this one was said to wait"
    if waiting.accepted_at is None or asking.created_at is None:
        return "the host does not say whether your comment came after this head was said to wait"
    # The host's moment is cut to seconds: it was taken before the end of that second.
    if asking.created_at < waiting.accepted_at + 1:
        return "your comment came before this head was said to wait"
    return None
