"""What an event asks for, in the words that the rest of planning uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from bot.core.events import (
    BranchDeleted,
    BranchPushed,
    MergeGroupDestroyed,
    MergeGroupRequested,
    RequestChanged,
    RequestClosed,
    TagDeleted,
    TagPushed,
)
from bot.core.facts import EventFacts
from bot.core.ids import Sha
from bot.core.plans import ClaimKind
from bot.core.tags_context import TagContext, context_of


@dataclass(frozen=True, slots=True)
class Asked:
    """A commit that may want builds. `key` is that of ref state; `refs` where its cache may be;
    `word` the event in the words of `on` and of secrets' `events`."""

    kind: ClaimKind
    name: str
    sha: Sha
    word: str
    key: str
    ref: str
    refs: tuple[str, ...]
    context: TagContext
    base_branch: str | None = None
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Over:
    """A ref or request that is gone. `text` is what its statuses say then."""

    kind: ClaimKind
    name: str
    key: str
    text: str


def asked(facts: EventFacts) -> Asked | Over:
    """The event of the facts as one of the two."""
    event = facts.event
    match event:
        case BranchDeleted(branch=branch):
            return Over(
                ClaimKind.BRANCH, branch, f"refs/heads/{branch}", f"branch {branch} was deleted"
            )
        case TagDeleted(tag=tag):
            return Over(ClaimKind.TAG, tag, f"refs/tags/{tag}", f"tag {tag} was deleted")
        case RequestClosed(request=request, merged=merged):
            said = "merged" if merged else "closed"
            number = str(request.number)
            return Over(
                ClaimKind.REQUEST, number, f"request/{number}", f"request {number} was {said}"
            )
        case MergeGroupDestroyed(head_ref=ref, reason=reason):
            text = f"left the merge queue: {reason}" if reason else "left the merge queue"
            return Over(ClaimKind.MERGE_GROUP, _short(ref), f"refs/heads/{_short(ref)}", text)
        case BranchPushed() | TagPushed() | RequestChanged() | MergeGroupRequested():
            context = context_of(event, facts.now, commit_date=facts.commit_date)
            return _asked(event, context)
    assert_never(event)


def _asked(
    event: BranchPushed | TagPushed | RequestChanged | MergeGroupRequested, context: TagContext
) -> Asked:
    match event:
        case BranchPushed(branch=branch, sha=sha):
            key = f"refs/heads/{branch}"
            return Asked(ClaimKind.BRANCH, branch, sha, "push", key, branch, (key,), context)
        case TagPushed(tag=tag, sha=sha):
            key = f"refs/tags/{tag}"
            return Asked(ClaimKind.TAG, tag, sha, "tag", key, tag, (key,), context)
        case RequestChanged(request=request):
            key, target = f"request/{request.number}", f"refs/heads/{request.base_branch}"
            return Asked(
                ClaimKind.REQUEST,
                str(request.number),
                request.head_sha,
                "pull_request",
                key,
                request.head_branch,
                (key, target),
                context,
                request.base_branch,
                request.draft,
            )
        case MergeGroupRequested(head_ref=ref, sha=sha, base_branch=base):
            key = f"refs/heads/{_short(ref)}"
            return Asked(
                ClaimKind.MERGE_GROUP,
                _short(ref),
                sha,
                "merge_group",
                key,
                _short(ref),
                (f"refs/heads/{base}",),
                context,
                base,
            )
    assert_never(event)


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")
