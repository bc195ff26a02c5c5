"""`bot.storage_talk.Talk` on a database: each method is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

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
from bot.store import orders, pacing, promotions, replies
from bot.store.database import Database
from bot.store.leases import any_row


class TalkStore:
    """The part of `SqlStore` that is about comments."""

    _database: Database

    def obeyed_since(self, source: str, person_id: int, since: float) -> int:
        return self._database.read(orders.obeyed_since, source, person_id, since)

    def obeyed(self, row_id: int, spot: Spot) -> bool:
        return self._database.read(orders.obeyed, row_id, spot)

    def overtaken(self, row_id: int, spot: Spot) -> bool:
        return self._database.read(orders.overtaken, row_id, spot)

    def pass_over(
        self, owner: RepositoryRow, spot: Spot, delivery: Delivery, why: str, now: float
    ) -> None:
        self._database.write(orders.pass_over, owner, spot, delivery, why, now)

    def obey(
        self, leased: LeasedRepository, obeyed: Obeyed, delivery: Delivery, now: float
    ) -> bool:
        return self._database.write(orders.obey, leased, obeyed, delivery, now)

    def claims_of(self, row_id: int, kind: ClaimKind, name: str, sha: Sha) -> Sequence[ClaimView]:
        return self._database.read(orders.claims_of, row_id, kind, name, sha)

    def claims_at(self, row_id: int, sha: Sha) -> Sequence[ClaimView]:
        return self._database.read(orders.claims_at, row_id, sha)

    def shared_builds(
        self, row_id: int, kind: ClaimKind, name: str, sha: Sha
    ) -> frozenset[BuildId]:
        return self._database.read(orders.shared_builds, row_id, kind, name, sha)

    def explained(self, row_id: int, kind: ClaimKind, name: str, sha: Sha) -> str | None:
        return self._database.read(orders.explained, row_id, kind, name, sha)

    def successes(
        self, row_id: int, image: ImageKey, *, sha: Sha | None = None, digest: Digest | None = None
    ) -> Sequence[BuildRow]:
        return self._database.read(orders.successes, row_id, image, sha, digest)

    def tag_known(self, name: str, tag: str) -> bool:
        return self._database.read(orders.tag_known, name, tag)

    def begin_promotion(
        self, leased: LeasedRepository, begun: BegunPromotion, entry: JournalEntry
    ) -> Mapping[str, Digest | None]:
        return self._database.write(promotions.begin, leased, begun, entry)

    def due_promotions(self, now: float, lease_seconds: float, limit: int) -> Sequence[PromotedTag]:
        if not self._database.read(any_row, promotions.DUE, now):
            return []
        return self._database.write_quietly(promotions.due, now, lease_seconds, limit)

    def promotion_checked(self, promoted: PromotedTag, again_at: float | None = None) -> None:
        self._database.write_quietly(promotions.checked, promoted, again_at)

    def standing(self, row_id: int, number: int, sha: Sha, now: float) -> Standing:
        return self._database.read(orders.standing, row_id, number, sha, now)

    def undecided_before(self, source: str, received_at: float, row_id: int) -> bool:
        return self._database.read(orders.undecided_before, source, received_at, row_id)

    def due_reactions(
        self, now: float, lease_seconds: float, limit: int, but_not: Collection[str] = ()
    ) -> Sequence[WantedReaction]:
        if not self._database.read(any_row, replies.REACTION_DUE, now, but_not=sorted(but_not)):
            return []
        return self._database.write_quietly(
            replies.due_reactions, now, lease_seconds, limit, but_not
        )

    def reaction_done(self, wanted: WantedReaction, error: str = "") -> None:
        self._database.write_quietly(replies.reaction_done, wanted, error)

    def reaction_delayed(self, wanted: WantedReaction, until: float, error: str) -> None:
        self._database.write_quietly(replies.reaction_delayed, wanted, until, error)

    def talk_due(self, source: str, now: float) -> bool:
        return self._database.read(pacing.talk_due, source, now)

    def due_replies(
        self, now: float, lease_seconds: float, limit: int, but_not: Collection[str] = ()
    ) -> Sequence[WantedReply]:
        if not self._database.read(any_row, replies.REPLY_DUE, now, but_not=sorted(but_not)):
            return []
        return self._database.write_quietly(replies.due_replies, now, lease_seconds, limit, but_not)

    def reply_done(
        self, wanted: WantedReply, remote_id: int | None, *, gone: bool = False, error: str = ""
    ) -> None:
        self._database.write_quietly(replies.reply_done, wanted, remote_id, gone, error)

    def reply_delayed(self, wanted: WantedReply, until: float, error: str) -> None:
        self._database.write_quietly(replies.reply_delayed, wanted, until, error)
