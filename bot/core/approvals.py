"""`/ok-to-test`: which commit of a fork somebody approves, and when a bare approval counts.

A comment's event names no commit, and whoever owns the fork may push between the moment somebody
reads a commit and the moment we read the request's head. A bare approval therefore counts only for
a commit that the host itself showed as waiting before the comment was written, and that nothing
replaced since. Where the host's webhook of the comment was lost nobody knows the latter, so that
it never counts. Two clocks are in play and never compared with one another: the host's (when it
took our status, when the comment was made) and ours (when heads were seen).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bot.core.events import Repository
from bot.core.ids import HostKind, ImageKey, Sha

LAPSES_SECONDS: Final = 24 * 3600.0
BUILDS: Final = 4
"""Of one image that one approval covers, as far as the fork's author asks for them: the first one
and three more. Who may approve is not bound by it."""


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
    event last named another commit as its head. `approved_until`: of the head. `built`: how many
    builds there were of each image since it was approved."""

    waiting: Waiting | None = None
    other_seen_at: float | None = None
    approved_until: float | None = None
    built: Mapping[ImageKey, int] = field(default_factory=dict)

    def approved(self, now: float) -> bool:
        """Whether an approval of the head holds."""
        return (self.approved_until or 0.0) > now


@dataclass(frozen=True, slots=True)
class Asking:
    """An `/ok-to-test`: of `sha`, or bare; when the comment was made and, where the host's event
    names it (GitLab), the head that the request had then. `swept`: its webhook was lost."""

    sha: Sha | None
    created_at: float | None
    told_head: Sha | None = None
    swept: bool = False


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


@dataclass(frozen=True, slots=True)
class Since:
    """A commit of the same request that was approved before, and where its host shows what changed
    between it and the head."""

    approved: Sha
    url: str


def approved_before(
    approvals: Mapping[tuple[str, Sha], float], request: str, head: Sha
) -> Sha | None:
    """The other commit of that request (`request/7`) that was approved last. `approvals`: until
    when each holds; one that lapsed counts, since somebody read that commit."""
    mine = [(until, sha) for (key, sha), until in approvals.items() if key == request]
    return max(((until, sha) for until, sha in mine if sha != head), default=(0.0, None))[1]


def since(kind: HostKind, repository: Repository, approved: Sha, head: Sha) -> Since | None:
    """Two dots on every host: the trees themselves are compared. Three would compare with the
    merge base, and what an ancestor of the approved commit brought and that commit took out again
    could come back unseen. Commits of forks are found in the repository that the request is to.

    https://docs.github.com/pull-requests/committing-changes-to-your-project/viewing-and-comparing-commits/comparing-commits
    https://gitlab.com/gitlab-org/gitlab/-/merge_requests/80031 (15.5); a project that is a fork
    itself would else look for the first commit in its own upstream.
    https://github.com/go-gitea/gitea/pull/22857
    """
    web = repository.web_url.rstrip("/")
    if not web.startswith(("https://", "http://")):
        return None
    both = f"{approved}..{head}"
    if kind is HostKind.GITLAB:
        return Since(approved, f"{web}/-/compare/{both}?from_project_id={repository.id}")
    return Since(approved, f"{web}/compare/{both}")


def doubt(  # noqa: PLR0911 - one line for each doubt
    asking: Asking, head: Sha, standing: Standing
) -> str | None:
    """Why this does not approve `head`; None where it does. The text leads to the line to paste."""
    if asking.sha is not None:
        return None if asking.sha == head else f"{asking.sha[:12]} is not the head any more"
    if asking.swept:
        # What was pushed around it may have been lost as well: heads that came and went unseen.
        return "the webhook of your comment was lost, and so may be that of a push before it"
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
