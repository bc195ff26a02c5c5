"""The part of the store that is about comments: what people asked, and what they are answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from bot.core.approvals import Standing
from bot.core.conversation import Spot
from bot.core.ids import BuildId, Digest, ImageKey, Sha
from bot.core.plans import ClaimKind
from bot.records import (
    BuildRow,
    ClaimView,
    Delivery,
    JournalEntry,
    LeasedRepository,
    RepositoryRow,
)
from bot.records_talk import BegunPromotion, Obeyed, PromotedTag, WantedReaction, WantedReply


class Talk(Protocol):
    """Thread-safe. Every method is one transaction."""

    def obeyed_since(self, source: str, person_id: int, since: float) -> int:
        """How many comments of that person were handled from then on."""

    def obeyed(self, row_id: int, spot: Spot) -> bool:
        """Whether the comment was handled before."""

    def overtaken(self, row_id: int, spot: Spot) -> bool:
        """Whether a comment that was made later on the same request was handled."""

    def pass_over(
        self, owner: RepositoryRow, spot: Spot, delivery: Delivery, why: str, now: float
    ) -> None:
        """The comment counts as handled though nothing is done, and is none of its author's
        comments that were; the delivery is ignored."""

    def obey(
        self, leased: LeasedRepository, obeyed: Obeyed, delivery: Delivery, now: float
    ) -> bool:
        """Everything at once, the delivery done. False: the comment was handled before, and nothing
        but the delivery changed."""

    def claims_of(self, row_id: int, kind: ClaimKind, name: str, sha: Sha) -> Sequence[ClaimView]:
        """Newest first, withdrawn ones too."""

    def claims_at(self, row_id: int, sha: Sha) -> Sequence[ClaimView]:
        """Of every ref and request, newest first, withdrawn ones too."""

    def shared_builds(
        self, row_id: int, kind: ClaimKind, name: str, sha: Sha
    ) -> frozenset[BuildId]:
        """Builds of the commit that live claims of other refs or requests want."""

    def explained(self, row_id: int, kind: ClaimKind, name: str, sha: Sha) -> str | None:
        """The JSON that was kept with the delivery that made the newest claim of them."""

    def successes(
        self, row_id: int, image: ImageKey, *, sha: Sha | None = None, digest: Digest | None = None
    ) -> Sequence[BuildRow]:
        """Proven and pushed builds of trusted code, newest first, of this commit or digest."""

    def tag_known(self, name: str, tag: str) -> bool:
        """Whether builds asked for this tag: then it has a writer."""

    def begin_promotion(
        self, leased: LeasedRepository, begun: BegunPromotion, entry: JournalEntry
    ) -> Mapping[str, Digest | None]:
        """What each tag was before the comment, by reference: as it was begun first, however often
        a registry failed since. The entry is kept the first time. Raises LeaseLost."""

    def due_promotions(self, now: float, lease_seconds: float, limit: int) -> Sequence[PromotedTag]:
        """Promoted tags that are to be read back."""

    def promotion_checked(self, promoted: PromotedTag, again_at: float | None = None) -> None:
        """It stands, was put right or was left to somebody else; or it is looked at again then."""

    def standing(self, row_id: int, number: int, sha: Sha, now: float) -> Standing: ...

    def undecided_before(self, source: str, received_at: float, row_id: int) -> bool:
        """Whether a delivery of the source that came earlier is not decided yet, and is not known
        to be about another repository than this one."""

    def due_reactions(
        self, now: float, lease_seconds: float, limit: int, but_not: Collection[str] = ()
    ) -> Sequence[WantedReaction]:
        """`but_not`: sources that are left alone."""

    def reaction_done(self, wanted: WantedReaction, error: str = "") -> None:
        """Written, or given up for `error`."""

    def reaction_delayed(self, wanted: WantedReaction, until: float, error: str) -> None: ...

    def talk_due(self, source: str, now: float) -> bool:
        """Whether a reaction waits for a slot of that credential: they go before statuses."""

    def due_replies(
        self, now: float, lease_seconds: float, limit: int, but_not: Collection[str] = ()
    ) -> Sequence[WantedReply]: ...

    def reply_done(
        self, wanted: WantedReply, remote_id: int | None, *, gone: bool = False, error: str = ""
    ) -> None:
        """Written; or `gone`: somebody deleted it or locked the conversation, and it stays away."""

    def reply_delayed(self, wanted: WantedReply, until: float, error: str) -> None: ...
