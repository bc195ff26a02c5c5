"""Everything that a tag can depend on, in GitHub's words for events of either host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bot.core.events import BranchPushed, MergeGroupRequested, RequestChanged, TagPushed

Kind = Literal["branch", "tag", "request", "merge_group", "schedule", "other"]

_BRANCH = "refs/heads/"
_TAG = "refs/tags/"
_REQUEST = "refs/pull/"


@dataclass(frozen=True, slots=True)
class TagContext:
    """One event. `now` and `commit_date` are aware; `commit_date` None stands for `now`.

    `ref` is full: `refs/heads/main`, `refs/tags/v1`, `refs/pull/2/merge` (merge requests too).
    `sha` is the commit that is built: a request's head.
    `base_ref` is the request's target branch, or the branch that GitHub names beside a pushed tag.
    `event_name` is a GitHub workflow's.
    """

    kind: Kind
    ref: str
    sha: str
    repository: str
    event_name: str
    now: datetime
    default_branch: str | None = None
    number: int | None = None
    base_ref: str | None = None
    head_ref: str | None = None
    commit_date: datetime | None = None
    short_sha: int = 7

    @property
    def branch(self) -> str | None:
        return self.ref.removeprefix(_BRANCH) if self.ref.startswith(_BRANCH) else None

    @property
    def tag(self) -> str | None:
        return self.ref.removeprefix(_TAG) if self.ref.startswith(_TAG) else None

    @property
    def request(self) -> str | None:
        """What `type=ref,event=pr` is made of: the number."""
        if not self.ref.startswith(_REQUEST):
            return None
        return self.ref.removeprefix(_REQUEST).removesuffix("/merge")

    @property
    def repository_owner(self) -> str:
        """The path without its last part: on GitLab the group with its parents."""
        return self.repository.rpartition("/")[0]

    @property
    def is_default_branch(self) -> bool:
        """As the action: events without a ref of their own count, a pushed tag never does."""
        branch = self.ref.removeprefix(_BRANCH)
        if not branch:
            return False
        if self.default_branch is not None and branch == self.default_branch:
            return True
        ways = ("create", "discussion", "issues", "schedule")
        return any(way in self.event_name for way in ways)

    def names(self) -> Mapping[str, str]:
        """The values that `${{ … }}` expressions may read."""
        request = self.kind == "request"
        name = self.ref.split("/", 2)[-1] if self.ref.startswith("refs/") else self.ref
        return {
            "github.ref": self.ref,
            "github.ref_name": name,
            "github.ref_type": "tag" if self.tag is not None else "branch",
            "github.sha": self.sha,
            "github.repository": self.repository,
            "github.repository_owner": self.repository_owner,
            "github.event_name": self.event_name,
            "github.head_ref": (self.head_ref or "") if request else "",
            "github.base_ref": (self.base_ref or "") if request else "",
            "github.event.repository.default_branch": self.default_branch or "",
        }


def context_of(
    event: BranchPushed | TagPushed | RequestChanged | MergeGroupRequested,
    now: datetime,
    *,
    commit_date: datetime | None = None,
) -> TagContext:
    """The context of an event that can be built. `now` is aware; where `commit_date` was not read
    the payload's own counts."""
    path, default = event.repository.path, event.repository.default_branch
    match event:
        case BranchPushed(branch=branch, sha=sha, committed=committed):
            date = commit_date or committed
            return TagContext(
                "branch", _BRANCH + branch, sha, path, "push", now, default, commit_date=date
            )
        case TagPushed(tag=tag, sha=sha, base_branch=base, committed=committed):
            return TagContext(
                kind="tag",
                ref=_TAG + tag,
                sha=sha,
                repository=path,
                event_name="push",
                now=now,
                default_branch=default,
                base_ref=base,
                commit_date=commit_date or committed,
            )
        case RequestChanged(request=request):
            return TagContext(
                kind="request",
                ref=f"{_REQUEST}{request.number}/merge",
                sha=request.head_sha,
                repository=path,
                event_name="pull_request",
                now=now,
                default_branch=default,
                number=request.number,
                base_ref=request.base_branch,
                head_ref=request.head_branch,
                commit_date=commit_date,
            )
        case MergeGroupRequested(head_ref=ref, sha=sha):
            full = ref if ref.startswith("refs/") else _BRANCH + ref
            return TagContext(
                "merge_group", full, sha, path, "merge_group", now, default, commit_date=commit_date
            )
