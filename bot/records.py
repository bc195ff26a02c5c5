"""What the store gives and takes: rows as values, leases, and the errors that only a store has.

A value with a `fence` is a lease on its row. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.core.builds import BuildState, Outcome
from bot.core.events import Repository
from bot.core.facts import LiveClaim
from bot.core.ids import BuildId, Digest, ImageKey, Sha, SourceName, Trust
from bot.core.plans import ClaimKind, Plan, TagWish
from bot.core.reports import CommitStatus


class LeaseLost(Exception):
    """Somebody else holds the row by now; nothing was written."""


class StaleFacts(Exception):
    """Ref state changed since the facts were read; nothing was written: make the plan again."""


class SchemaTooNew(Exception):
    """The database was migrated by a newer release than this process knows."""


class SchemaTooOld(Exception):
    """The database lacks migrations (or is empty): run pushwright migrate."""


@dataclass(frozen=True, slots=True)
class IncomingDelivery:
    """A verified webhook request. `body` is compressed with zlib; `size` counts it uncompressed."""

    source: SourceName
    delivery: str
    event: str
    content_type: str
    body: bytes
    size: int
    received_at: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """A leased row of the inbox. `body` is uncompressed; None after its retention."""

    id: int
    source: SourceName
    delivery: str
    event: str
    content_type: str
    body: bytes | None
    received_at: float
    tries: int
    seen: int
    fence: int


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """A row of the inbox for its page. `plan`: JSON of the explained plan. `claims`: what it asked
    for, each with the page of its report."""

    delivery: str
    source: str
    event: str
    repository: str
    received_at: float
    handled_at: float | None
    seen: int
    state: str
    reason: str
    plan: str | None
    has_body: bool
    claims: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RepositoryRow:
    """A repository as the store knows it. `swept_at` None: the sweep never looked at it;
    `heard_from`: comments that are older no sweep looks for, None: any until now."""

    id: int
    source: SourceName
    repository: Repository
    swept_at: float | None
    heard_from: float | None = None


@dataclass(frozen=True, slots=True)
class LeasedRepository:
    row: RepositoryRow
    fence: int


@dataclass(frozen=True, slots=True)
class RefRow:
    """`sha` None: the ref is gone."""

    sha: Sha | None
    sequence: int


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """All that a plan depends on, at one `version`. `bases`: (ref, image) to a commit."""

    version: int
    refs: Mapping[str, RefRow]
    bases: Mapping[tuple[str, ImageKey], Sha]
    claims: tuple[LiveClaim, ...]
    approvals: Mapping[tuple[str, Sha], float] = field(default_factory=dict)
    """(`request/7`, commit) to when the approval lapses."""


@dataclass(frozen=True, slots=True)
class BuildRow:
    """One build. `recipe` and `plan` are what planning made; `plan` is JSON of PlannedImage less
    its recipe (names, cache_mode, cache_from, secrets, needs, timeout_seconds, labels)."""

    id: BuildId
    repository_id: int
    image: ImageKey
    sha: Sha
    trust: Trust
    check_only: bool
    recipe: Mapping[str, object]
    recipe_hash: str
    plan: Mapping[str, object]
    state: BuildState
    attempt: int
    reason: str
    withdrawn: str
    outcome: Outcome | None
    digest: Digest | None
    size_bytes: int | None
    queued_at: float
    admitted_at: float | None
    started_at: float | None
    ended_at: float | None
    watched_until: float
    log_n: int
    """Sequence number of the last stored line of the current attempt."""
    fence: int
    generation: int = 0


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """How many builds may be active at once: in all, and of one repository."""

    builds: int
    per_repository: int


@dataclass(frozen=True, slots=True)
class ClaimImageView:
    """One image of a claim with its build, for reports and pages."""

    image: ImageKey
    build: BuildRow
    tags: tuple[TagWish, ...]
    why: str
    required: bool
    tagging: str
    notes: tuple[str, ...]
    tag_errors: tuple[str, ...] = ()
    ahead: int | None = None
    """How many queued builds stand before it; None when it is not queued."""


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim with all that reports tell of it. `wish` is JSON: mistakes, waiting, nothing,
    skipped, base_branch, observe."""

    id: int
    kind: ClaimKind
    name: str
    sha: Sha
    state: str
    text: str
    event: str
    trust: Trust
    wish: Mapping[str, object]
    created_at: float
    images: tuple[ClaimImageView, ...]
    page: str = ""
    """128 random bits in hex: the id of its own page."""
    delivery: str = ""
    """The id of the page of the delivery that it came from; empty where that is not kept."""


@dataclass(frozen=True, slots=True)
class DueReport:
    """A commit whose statuses may have to change. `claims`: newest first, withdrawn ones too."""

    repository: RepositoryRow
    sha: Sha
    family: str
    wanted: int
    fence: int
    claims: tuple[ClaimView, ...]
    shown: Mapping[str, tuple[CommitStatus, float]] = field(default_factory=dict)
    """By context: the status that is wanted by now, and since when."""
    skips: Mapping[ImageKey, str] = field(default_factory=dict)
    """Images that somebody skipped on this commit, and the text that says so."""


@dataclass(frozen=True, slots=True)
class WantedStatus:
    """A leased status to write. `applied` is what we wrote last; `ours` every text we ever wrote.

    `checking`: it was applied; read it back and put right an older value of our own.
    `wait`: seconds until its credential may write; 0: it may now, the slot is taken.
    """

    repository: RepositoryRow
    sha: Sha
    status: CommitStatus
    sequence: int
    final: bool
    applied: CommitStatus | None
    ours: tuple[str, ...]
    checking: bool
    tries: int
    fence: int
    wait: float


@dataclass(frozen=True, slots=True)
class WantedTag:
    """A leased tag to move. `ours`: digests that we wrote under it before."""

    name: str
    tag: str
    digest: Digest
    from_name: str
    repository: RepositoryRow
    build_id: BuildId
    sequence: int
    applied_digest: Digest | None
    ours: tuple[Digest, ...]
    checking: bool
    tries: int
    fence: int


@dataclass(frozen=True, slots=True)
class SpareTag:
    """A tag that nobody needs: an immutable reference (`build_id`) whose digest another tag holds,
    or a name of a request that closed long ago (`build_id` None)."""

    name: str
    tag: str
    build_id: BuildId | None


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One thing that happened, for people who ask why."""

    at: float
    kind: str
    text: str
    repository_id: int | None = None
    build_id: BuildId | None = None
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decided:
    """A plan to apply. `explained`: JSON for the deliveries page. `again`: make new builds (the
    next generation) even where equal ones succeeded."""

    plan: Plan
    explained: str | None = None
    again: bool = False
    named: tuple[str, Sha] | None = None
    """The request and the commit that the delivery itself named as its head."""


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a build. `next_at`: look again then. None leaves a field as it is."""

    state: BuildState
    reason: str = ""
    next_at: float | None = None
    outcome: Outcome | None = None
    started_at: float | None = None
    recipe_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What a plan came to. `builds`: (image, build id, "new" | "joined" | "reused")."""

    builds: tuple[tuple[ImageKey, BuildId, str], ...]
    cancelled: tuple[BuildId, ...]
