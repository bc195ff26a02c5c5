"""What a plan says: which images to build for an event and why, or why not. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from bot.core.approvals import Since
from bot.core.ids import Digest, ImageKey, RepositoryId, Sha, Trust
from bot.core.mistakes import Mistake
from bot.core.repoconfig import CommentMode


class ClaimKind(StrEnum):
    """What wants a build. `name` of a claim: branch, tag, request number, merge-queue ref."""

    BRANCH = "branch"
    TAG = "tag"
    REQUEST = "request"
    MERGE_GROUP = "merge_group"


Family = Literal["", " (tag)"]
"""The suffix of a claim's status contexts: a release never turns a merged commit pending."""


def family(kind: ClaimKind) -> Family:
    """The status contexts that claims of this kind write."""
    return " (tag)" if kind is ClaimKind.TAG else ""


def ref_key(kind: ClaimKind, name: str) -> str:
    """The key, in the store and in hints, of what a claim is for."""
    match kind:
        case ClaimKind.BRANCH:
            return f"refs/heads/{name}"
        case ClaimKind.TAG:
            return f"refs/tags/{name}"
        case ClaimKind.REQUEST:
            return f"request/{name}"
        case ClaimKind.MERGE_GROUP:
            return name if name.startswith("refs/") else f"refs/heads/{name}"


def lasting_key(kind: ClaimKind, name: str) -> str:
    """The same; "" for a merge group, whose ref is gone after it."""
    return "" if kind is ClaimKind.MERGE_GROUP else ref_key(kind, name)


def claim_key(ref: str) -> tuple[ClaimKind, str]:
    """The reverse of `ref_key`, for branches, tags and requests."""
    for prefix, kind in (
        ("refs/heads/", ClaimKind.BRANCH),
        ("refs/tags/", ClaimKind.TAG),
        ("request/", ClaimKind.REQUEST),
    ):
        if ref.startswith(prefix):
            return kind, ref.removeprefix(prefix)
    return ClaimKind.MERGE_GROUP, ref


@dataclass(frozen=True, slots=True)
class VersionOrder:
    """A tag of a version line. `key` compares as text (it is made to sort like the versions)."""

    version: str
    key: str


@dataclass(frozen=True, slots=True)
class SequenceOrder:
    """A tag that follows the order in which the host first showed the commit as head."""


@dataclass(frozen=True, slots=True)
class TagWish:
    """One tag that people asked for. `withheld`: why it is not written, known at plan time."""

    name: str
    tag: str
    order: VersionOrder | SequenceOrder
    withheld: str | None = None

    @property
    def reference(self) -> str:
        return f"{self.name}:{self.tag}"


@dataclass(frozen=True, slots=True)
class PlannedNeed:
    """A needed image: built in the same claim (`identity`), or an earlier `digest` of it."""

    image: ImageKey
    arg: str | None
    name: str
    identity: str | None
    digest: Digest | None


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """One image to build. `recipe` is the builder's document less credentials, cache and attempt.

    `identity` names the build: equal identity, same build (`bot.core.recipe`).
    """

    image: ImageKey
    names: tuple[str, ...]
    tags: tuple[TagWish, ...]
    recipe: Mapping[str, object]
    identity: str
    why: str
    check_only: bool = False
    required: bool = False
    needs: tuple[PlannedNeed, ...] = ()
    timeout_seconds: int = 1800
    secrets: tuple[tuple[str, str], ...] = ()
    cache_mode: str = "inline"
    cache_from: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    refs: tuple[str, ...] = ()
    """Whose last success is the best cache: the own ref (`refs/heads/x`, `request/7`), then the
    target branch."""
    left_out: tuple[TagWish, ...] = ()
    """Under the first name, what is no tag (`withheld` says why): told, and never written."""
    warnings: tuple[Mistake, ...] = ()
    """Of its tag lines: said by `pushwright plan` and `tags`, and kept nowhere."""


@dataclass(frozen=True, slots=True)
class SkippedImage:
    """An image of the config that this event does not build. `paths`: the path filter decided."""

    image: ImageKey
    why: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class ClaimWish:
    """One ref or request that wants its commit built, with everything that was decided for it."""

    kind: ClaimKind
    name: str
    sha: Sha
    event: str
    trust: Trust
    images: tuple[PlannedImage, ...] = ()
    skipped: tuple[SkippedImage, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    waiting: str | None = None
    """Why nothing runs until somebody approves; the status text."""
    nothing: str | None = None
    """Why there is nothing to build at all; the text of a green status."""
    group: str | None = None
    group_limit: int | None = None
    cancel_in_progress: bool = False
    observe: bool = False
    """Plan and report only: start nothing, write no tag."""
    base_branch: str | None = None
    ref: str | None = None
    """The branch or tag that holds the commit (a request's head branch): GitLab asks for it."""
    fork: RepositoryId | None = None
    """The repository that a request's head lies in, where it is another one; 0: it was deleted."""
    comment: CommentMode = "on-change"
    effect: tuple[str, ...] = ()
    """What the request's own config would change, line by line, where the target's holds."""
    since: Since | None = None
    """What a commit that waits for an approval is compared with."""
    past: bool = False
    """A commit of a branch that its head followed: where it was never seen as head, every name goes
    to whoever has it."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Take back claims of one ref or request; builds that nobody claims then are stopped.

    `keep`: a claim of this commit stays.
    """

    kind: ClaimKind
    name: str
    state: Literal["cancelled", "superseded"]
    text: str
    keep: Sha | None = None


@dataclass(frozen=True, slots=True)
class RefSeen:
    """What the host shows of a ref or request now; `sha` None: it is gone.

    `key` is the full ref name, or `request/<number>`.
    """

    key: str
    sha: Sha | None


@dataclass(frozen=True, slots=True)
class BaseMoved:
    """Nothing under the image's paths changed up to this commit: compare from here next time."""

    ref: str
    image: ImageKey
    sha: Sha


@dataclass(frozen=True, slots=True)
class Plan:
    """All that one event changes. An empty plan is an answer too; `note` says why."""

    note: str
    claims: tuple[ClaimWish, ...] = ()
    withdraw: tuple[Withdrawal, ...] = ()
    seen: tuple[RefSeen, ...] = ()
    bases: tuple[BaseMoved, ...] = ()
