"""What rendering reads of the rows that the store hands out. `bot.storage` satisfies it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bot.core.builds import BuildState, Outcome
from bot.core.events import Repository
from bot.core.ids import BuildId, ImageKey, Sha, Trust
from bot.core.plans import ClaimKind, TagWish
from bot.core.reports import CommitStatus, StatusState


class BuildLike(Protocol):
    @property
    def id(self) -> BuildId: ...
    @property
    def state(self) -> BuildState: ...
    @property
    def recipe(self) -> Mapping[str, object]: ...
    @property
    def check_only(self) -> bool: ...
    @property
    def attempt(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def outcome(self) -> Outcome | None: ...
    @property
    def queued_at(self) -> float: ...
    @property
    def started_at(self) -> float | None: ...
    @property
    def ended_at(self) -> float | None: ...


class ImageLike(Protocol):
    @property
    def image(self) -> ImageKey: ...
    @property
    def build(self) -> BuildLike: ...
    @property
    def tags(self) -> tuple[TagWish, ...]: ...
    @property
    def why(self) -> str: ...
    @property
    def required(self) -> bool: ...
    @property
    def tagging(self) -> str: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def tag_errors(self) -> tuple[str, ...]: ...
    @property
    def ahead(self) -> int | None: ...


class ClaimLike(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def sha(self) -> Sha: ...
    @property
    def page(self) -> str: ...
    @property
    def kind(self) -> ClaimKind: ...
    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def trust(self) -> Trust: ...
    @property
    def wish(self) -> Mapping[str, object]: ...
    @property
    def created_at(self) -> float: ...
    @property
    def images(self) -> Sequence[ImageLike]: ...


class RepositoryLike(Protocol):
    @property
    def repository(self) -> Repository: ...


class ReportLike(Protocol):
    """`claims`: newest first, withdrawn ones too."""

    @property
    def repository(self) -> RepositoryLike: ...
    @property
    def sha(self) -> Sha: ...
    @property
    def family(self) -> str: ...
    @property
    def claims(self) -> Sequence[ClaimLike]: ...
    @property
    def skips(self) -> Mapping[ImageKey, str]: ...


@dataclass(frozen=True, slots=True)
class Shown:
    """A status as it is wanted by now, and since when (seconds since the epoch)."""

    state: StatusState
    description: str
    at: float


@dataclass(frozen=True, slots=True)
class Known:
    """What a rendering may know beside the rows. `shown`: by context, so that a text that changes
    with time changes at most once a minute. `repeat_pending`: False where the host takes `pending`
    only once (GitLab). `limit`: builds at once. `eta`: seconds until a queued build may start."""

    report_url: str | None = None
    shown: Mapping[str, Shown] = field(default_factory=dict)
    repeat_pending: bool = True
    limit: int | None = None
    eta: Mapping[BuildId, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rendered:
    """Statuses with whether each is final, and when to render again though nothing happened."""

    statuses: tuple[tuple[CommitStatus, bool], ...]
    next_at: float | None = None


def live_claims(claims: Sequence[ClaimLike]) -> list[ClaimLike]:
    """Those whose word counts for the commit, in the order given. Whoever has a fork may open a
    request for anybody's commit: where a trusted claim builds it, or one that was approved, others
    that wait or are in vain neither hold nor fail what the commit shows."""
    live = [claim for claim in claims if claim.state == "live"]
    most = max((_weight(claim) for claim in live), default=0)
    return [one for one in live if one.trust is Trust.TRUSTED or _weight(one) >= most]


def by_word(claims: Sequence[ClaimLike]) -> list[ClaimLike]:
    """All of them, those first whose word goes before that of the others."""
    first = live_claims(claims)
    live = [claim for claim in claims if claim.state == "live" and claim not in first]
    return [*first, *live, *(claim for claim in claims if claim.state != "live")]


def _weight(claim: ClaimLike) -> int:
    """2: trusted, and judged by its files; 1: built, though untrusted."""
    if claim.trust is Trust.TRUSTED and (claim.images or claim.wish.get("mistakes")):
        return 2
    return 1 if claim.images else 0
