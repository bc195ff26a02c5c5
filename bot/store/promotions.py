"""Tags that people promoted: remembered with what was promoted, so that each is read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select, update

from bot.core.ids import Digest
from bot.core.promotion import GivenTag
from bot.records import LeaseLost, RepositoryRow
from bot.records_talk import PromotedTag
from bot.store.leases import NOW, give_back, held, question, take, taking
from bot.store.rows import dump, load
from bot.store.schema import NEVER
from bot.store.schema_talk import promoted_tag
from bot.store.statuses import repositories
from bot.store.upserts import upsert

HISTORY = 20
"""Digests of our own that are remembered per tag, newest last."""


_DUE = (promoted_tag.c.next_at <= NOW, promoted_tag.c.lease_until <= NOW)
DUE = question(promoted_tag, _DUE)
_TAGS = taking(promoted_tag, _DUE, [promoted_tag.c.next_at])


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
    owners = repositories(tx, {row.repository_id for row in rows})
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
