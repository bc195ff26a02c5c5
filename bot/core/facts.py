"""What a plan is made from: the event, and all that was read about it before deciding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bot.core.centralconfig import CentralConfig, RepositoryRule
from bot.core.events import (
    BranchDeleted,
    BranchPushed,
    MergeGroupDestroyed,
    MergeGroupRequested,
    Repository,
    RequestChanged,
    RequestClosed,
    TagDeleted,
    TagPushed,
)
from bot.core.ids import Digest, ImageKey, Sha, SourceName, Trust
from bot.core.mistakes import Mistake
from bot.core.plans import ClaimKind
from bot.core.repoconfig import RepoConfig

PlannedEvent = (
    BranchPushed
    | BranchDeleted
    | TagPushed
    | TagDeleted
    | RequestChanged
    | RequestClosed
    | MergeGroupRequested
    | MergeGroupDestroyed
)
"""The events that a plan is made for; the others are answered before."""


@dataclass(frozen=True, slots=True)
class KnownPaths:
    """Every path that differs, both names of a rename."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnknownPaths:
    """The host can't tell (no common ancestor, more files than it lists): all may differ."""

    reason: str


ChangedPaths = KnownPaths | UnknownPaths


@dataclass(frozen=True, slots=True)
class LiveClaim:
    """A claim that was not withdrawn, and whether any build of it is not final yet."""

    id: int
    kind: ClaimKind
    name: str
    sha: Sha
    sequence: int
    unfinished: bool


@dataclass(frozen=True, slots=True)
class NoConfig:
    """The repository has no `.pushwright.yaml`; `dockerfile`: whether its root has a Dockerfile."""

    dockerfile: bool


@dataclass(frozen=True, slots=True)
class EventFacts:
    """`config` comes from the commit itself (trusted) or from the base branch (untrusted).

    `changed` is per image, because each has its own base; an image that is missing there counts
    as unknown. `head`: what the host's API says the ref or request points at now; None: gone.
    """

    source: SourceName
    event: PlannedEvent
    repository: Repository
    central: CentralConfig
    rule: RepositoryRule | None
    config: RepoConfig | NoConfig | tuple[Mistake, ...]
    now: datetime
    trust: Trust = Trust.TRUSTED
    head: Sha | None = None
    message: str | None = None
    commit_date: datetime | None = None
    changed: Mapping[ImageKey, ChangedPaths] = field(default_factory=dict)
    git_tags: tuple[str, ...] = ()
    last_digests: Mapping[ImageKey, tuple[str, Digest]] = field(default_factory=dict)
    claims: tuple[LiveClaim, ...] = ()
    refused: str | None = None
    """Why the executor never runs a build of this trust; None where it does."""
    known: Sha | None = None
    """What ref state held for this ref or request before: a late delivery of an older head then
    does not show that one as head again."""
    proposed: RepoConfig | NoConfig | tuple[Mistake, ...] | None = None
    """The config in the commit itself, where `config` is the base branch's and they differ."""
    only: tuple[ImageKey, ...] = ()
    """A person named these images: filters and skip tokens do not count for them."""
    anyway: bool = False
    """A person asked for all that the event can build: changes and skip tokens do not count."""
    past: bool = False
    """A person asked for a commit that the branch contains and its head followed."""
    no_cache: bool = False
    """A person asked that nothing is taken from a cache."""
    approved: bool = False
    """Somebody approved this very commit of a fork, and the approval holds."""
    approved_before: Sha | None = None
    """The other commit of the same request that was approved last."""

    @property
    def start(self) -> str:
        """What commands begin with at the source."""
        return self.central.sources[self.source].start

    @property
    def by_hand(self) -> bool:
        return bool(self.only) or self.anyway
