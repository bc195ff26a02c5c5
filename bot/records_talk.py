"""Rows of what people say to the bot and what it answers, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.core.approvals import Approval, Revocation
from bot.core.conversation import Reaction, Spot
from bot.core.ids import Digest, ImageKey, Sha
from bot.core.plans import ClaimKind
from bot.core.promotion import GivenTag
from bot.records import IncomingDelivery, JournalEntry, RepositoryRow


@dataclass(frozen=True, slots=True)
class StopBuilds:
    """Stop unfinished builds of the live claims of one ref or request. No images: all of them;
    `sha`: of that commit alone."""

    kind: ClaimKind
    name: str
    images: tuple[ImageKey, ...]
    text: str
    sha: Sha | None = None


@dataclass(frozen=True, slots=True)
class SkipImage:
    """Show an image as success on one commit."""

    sha: Sha
    family: str
    image: ImageKey
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A comment of ours, found again by its marker: on a request (`number`) or a commit."""

    marker: str
    body: str
    number: int | None = None
    sha: Sha | None = None


@dataclass(frozen=True, slots=True)
class Obeyed:
    """All that one comment comes to, for one transaction. `note` says it in the delivery's row.
    `approvals`: in their order. `settles`: the marker of an older reply that `settled` takes the
    place of, where it is there."""

    spot: Spot
    person_id: int
    note: str
    reaction: Reaction | None = None
    hints: tuple[IncomingDelivery, ...] = ()
    stops: tuple[StopBuilds, ...] = ()
    approvals: tuple[Approval | Revocation, ...] = ()
    skips: tuple[SkipImage, ...] = ()
    promoted: tuple[GivenTag, ...] = ()
    replies: tuple[Reply, ...] = ()
    entries: tuple[JournalEntry, ...] = ()
    settles: Reply | None = None


@dataclass(frozen=True, slots=True)
class BegunPromotion:
    """What a comment is about to write, and what each of the tags is before, by reference."""

    comment: str
    tags: tuple[GivenTag, ...]
    before: Mapping[str, Digest | None]


@dataclass(frozen=True, slots=True)
class PromotedTag:
    """A leased tag to read back. `ours`: digests that we wrote under it."""

    repository: RepositoryRow
    given: GivenTag
    ours: tuple[Digest, ...]
    tries: int
    fence: int


@dataclass(frozen=True, slots=True)
class WantedReaction:
    """A leased reaction to write."""

    repository: RepositoryRow
    spot: Spot
    reaction: Reaction
    tries: int
    fence: int


@dataclass(frozen=True, slots=True)
class WantedReply:
    """A leased comment to write. `remote_id`: of the one that we wrote before."""

    repository: RepositoryRow
    reply: Reply
    sequence: int
    remote_id: int | None
    tries: int
    fence: int
