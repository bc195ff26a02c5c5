"""What a delivery means: one closed union, the same for every Git host."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from bot.core.ids import RepositoryId, Sha


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as its host names it. `path` is `owner/name` (GitLab: with its groups).

    `description` (one line) and `licenses` (SPDX) are for labels only; empty where nobody said.
    """

    id: RepositoryId
    path: str
    default_branch: str | None
    clone_url: str
    web_url: str
    private: bool = False
    description: str = ""
    licenses: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at the host. `id` is None for a deleted account ("ghost").

    `login` is empty where the host gives the number alone (GitLab's authors of merge requests).
    """

    id: int | None
    login: str
    bot: bool = False


@dataclass(frozen=True, slots=True)
class BranchPushed:
    """A branch now points at `sha`. `before` is None where the branch is new."""

    repository: Repository
    sender: Person
    branch: str
    sha: Sha
    before: Sha | None
    message: str | None
    forced: bool = False
    skip_asked: bool = False
    """GitLab's push option `ci.skip`."""
    committed: datetime | None = None
    """When the commit was made, where the payload says so; aware."""


@dataclass(frozen=True, slots=True)
class BranchDeleted:
    repository: Repository
    sender: Person
    branch: str
    before: Sha | None


@dataclass(frozen=True, slots=True)
class TagPushed:
    """A tag was made or moved. `sha` is the commit: annotated tags come peeled.

    `base_branch` is the branch that GitHub names beside some tags, `committed` when the commit was
    made (aware); both only where the payload says so.
    """

    repository: Repository
    sender: Person
    tag: str
    sha: Sha
    moved: bool = False
    base_branch: str | None = None
    committed: datetime | None = None


@dataclass(frozen=True, slots=True)
class TagDeleted:
    repository: Repository
    sender: Person
    tag: str


RequestAction = Literal[
    "opened", "synchronize", "reopened", "ready", "drafted", "retargeted", "labeled", "edited"
]


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A pull or merge request as it stands: what the listing and the events both tell.

    `head_repository` is None where the fork was deleted; the request then counts as a fork's.
    """

    number: int
    head_sha: Sha
    head_branch: str
    head_repository: RepositoryId | None
    base_branch: str
    author: Person
    base_sha: Sha | None = None
    draft: bool = False
    labels: tuple[str, ...] = ()
    title: str = ""

    def from_fork(self, repository: Repository) -> bool:
        """Of a request to that repository: whether its head lies in another one."""
        return self.head_repository != repository.id


@dataclass(frozen=True, slots=True)
class RequestChanged:
    """A pull or merge request was opened or changed in a way that may want a build."""

    repository: Repository
    sender: Person
    action: RequestAction
    request: RequestHead

    @property
    def fork(self) -> bool:
        return self.request.from_fork(self.repository)


@dataclass(frozen=True, slots=True)
class RequestClosed:
    repository: Repository
    sender: Person
    request: RequestHead
    merged: bool


@dataclass(frozen=True, slots=True)
class CommentCreated:
    """A new comment, never an edit: on a pull/merge request (`number`) or a commit (`sha` alone).

    With a `number`, `sha` is the request's head where the event tells it (GitLab does).
    """

    repository: Repository
    author: Person
    comment_id: int
    body: str
    number: int | None = None
    sha: Sha | None = None
    request_open: bool = True
    created_at: float | None = None
    """Seconds since the epoch, by the host's clock."""
    internal: bool = False
    """Not for everybody who sees the conversation (GitLab's internal notes): nothing that the bot
    writes there may show what stands in it."""


@dataclass(frozen=True, slots=True)
class Released:
    """A release was published. The tag has its own event; this one only wakes the sweep."""

    repository: Repository
    sender: Person
    tag: str
    prerelease: bool


@dataclass(frozen=True, slots=True)
class RerunRequested:
    """Somebody pressed Re-run on one check (`check`) or on all checks (None) of a commit."""

    repository: Repository
    sender: Person
    sha: Sha
    check: str | None
    head_branch: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class MergeGroupRequested:
    """The merge queue wants its required checks on `sha`."""

    repository: Repository
    sender: Person
    sha: Sha
    head_ref: str
    base_branch: str
    base_sha: Sha | None


@dataclass(frozen=True, slots=True)
class MergeGroupDestroyed:
    repository: Repository
    sender: Person
    sha: Sha
    head_ref: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pinged:
    """The host tests the webhook. `events` are those that the hook will send."""

    hook_id: int | None
    events: tuple[str, ...]
    repository: Repository | None = None


@dataclass(frozen=True, slots=True)
class InstallationChanged:
    """A GitHub App was installed, removed, suspended, or its set of repositories changed."""

    action: str
    installation_id: int
    account: str
    repositories: tuple[tuple[RepositoryId, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """A delivery that wants nothing from us, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A signed delivery that can't be read, and why. It is kept, for replay after a fix."""

    reason: str
    where: str = field(default="")
    """The JSON path of the field that was wrong, where one was."""


RefEvent = BranchPushed | BranchDeleted | TagPushed | TagDeleted
RequestEvent = RequestChanged | RequestClosed
Event = (
    RefEvent
    | RequestEvent
    | CommentCreated
    | Released
    | RerunRequested
    | MergeGroupRequested
    | MergeGroupDestroyed
    | Pinged
    | InstallationChanged
)
Parsed = Event | Ignored | Malformed
