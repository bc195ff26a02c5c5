"""Tags that people promoted: remembered with what was promoted, so that each is read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select, update

from bot.core.ids import Digest
from bot.core.promotion import GivenTag
from bot.records import JournalEntry, LeasedRepository, LeaseLost, RepositoryRow
from bot.records_talk import BegunPromotion, PromotedTag
from bot.store import journal, repositories
from bot.store.leases import NOW, give_back, held, question, take, taking
from bot.store.rows import dump, load
from bot.store.schema import NEVER
from bot.store.schema_talk import promoted_tag
from bot.store.statuses import repositories as owners_of
from bot.store.upserts import upsert

HISTORY = 20
"""Digests of our own that are remembered per tag, newest last."""


_DUE = (promoted_tag.c.next_at <= NOW, promoted_tag.c.lease_until <= NOW)
DUE = question(promoted_tag, _DUE)
_TAGS = taking(promoted_tag, _DUE, [promoted_tag.c.next_at])


def begin(
    tx: Connection, leased: LeasedRepository, begun: BegunPromotion, entry: JournalEntry
) -> Mapping[str, Digest | None]:
    repositories.lock(tx, leased)
    found = {tag.reference: _begun(tx, leased.row.id, begun, tag) for tag in begun.tags}
    if any(first for _, first in found.values()):
        journal.add(tx, entry)
    return {reference: before for reference, (before, _) in found.items()}


def _begun(
    tx: Connection, row_id: int, begun: BegunPromotion, tag: GivenTag
) -> tuple[Digest | None, bool]:
    """What the tag was before the comment, and whether it is begun now."""
    query = select(promoted_tag.c.comment, promoted_tag.c.before).where(_this(tag.name, tag.tag))
    row = tx.execute(query.with_for_update()).first()
    if row is not None and row.comment == begun.comment:
        return Digest(row.before) if row.before else None, False
    before = begun.before[tag.reference]
    memory = {"comment": begun.comment, "before": before}
    # Not read back yet: it may never be written. What is read back for an earlier comment stays so.
    insert = upsert(tx, promoted_tag).values(
        name=tag.name,
        tag=tag.tag,
        repository_id=row_id,
        from_name=tag.from_name,
        digest=tag.digest,
        next_at=NEVER,
        **memory,
    )
    tx.execute(insert.on_conflict_do_update(index_elements=["name", "tag"], set_=memory))
    return before, True


def given(tx: Connection, row_id: int, tag: GivenTag, check_at: float) -> None:
    this = _this(tag.name, tag.tag)
    known = tx.execute(select(promoted_tag.c.history).where(this).with_for_update()).scalar()
    before: list[str] = load(known) if known else []
    ours = [*(digest for digest in before if digest != tag.digest), tag.digest][-HISTORY:]
    values = {
        "repository_id": row_id,
        "from_name": tag.from_name,
        "digest": tag.digest,
        "history": dump(ours),
        "tries": 0,
        "next_at": check_at,
    }
    insert = upsert(tx, promoted_tag).values(name=tag.name, tag=tag.tag, **values)
    # Whoever reads it back at this moment read the older wish: its lease ends here.
    again = {**values, "fence": promoted_tag.c.fence + 1, "lease_until": 0.0}
    tx.execute(insert.on_conflict_do_update(index_elements=["name", "tag"], set_=again))


def due(tx: Connection, now: float, lease_seconds: float, limit: int) -> Sequence[PromotedTag]:
    rows = take(tx, _TAGS, now, lease_seconds, limit)
    owners = owners_of(tx, {row.repository_id for row in rows})
    return [_leased(row, owners[row.repository_id]) for row in rows]


def _leased(row: Row[Any], owner: RepositoryRow) -> PromotedTag:
    given_tag = GivenTag(row.name, row.tag, row.from_name, Digest(row.digest))
    ours = tuple(Digest(digest) for digest in load(row.history))
    return PromotedTag(owner, given_tag, ours, row.tries, row.fence)


def checked(tx: Connection, promoted: PromotedTag, again_at: float | None) -> None:
    """`again_at` None: that was the end of it."""
    values = {
        "next_at": NEVER if again_at is None else again_at,
        "tries": promoted.tries + 1,
        **give_back(),
    }
    this = and_(_this(promoted.given.name, promoted.given.tag), held(promoted_tag, promoted.fence))
    if tx.execute(update(promoted_tag).where(this).values(**values)).rowcount != 1:
        raise LeaseLost(f"promoted tag {promoted.given.name}:{promoted.given.tag}")


def _this(name: str, tag: str) -> ColumnElement[bool]:
    return and_(promoted_tag.c.name == name, promoted_tag.c.tag == tag)
