"""Rows that only hold a moment: when a credential may write again, and that writing works."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, bindparam, select

from bot.store.inbox import bounded
from bot.store.leases import NOW, any_row, question
from bot.store.schema import meta, pace
from bot.store.schema_talk import answered_comment
from bot.store.upserts import upsert

FAR = 86400.0
"""Seconds: what is free only so much later was written by a clock that is set back by now."""

TALK_DUE = question(
    answered_comment,
    (answered_comment.c.next_at <= NOW, answered_comment.c.source == bindparam("source")),
)


def reserve(tx: Connection, credential: str, now: float, gap_seconds: float) -> float:
    """0.0: the slot is taken. Else nothing is taken, and that many seconds are left until one is
    free: whoever is first in line then, gets it.

    A clock that was set back by more than a day does not hold writers up until it is there again.
    """
    key = bounded(credential, 200)
    start = upsert(tx, pace).values(credential=key, free_at=now)
    tx.execute(start.on_conflict_do_nothing())
    query = select(pace.c.free_at).where(pace.c.credential == key)
    free_at: float = tx.execute(query.with_for_update()).scalar_one()
    if now < free_at < now + FAR:
        return free_at - now
    tx.execute(pace.update().where(pace.c.credential == key).values(free_at=now + gap_seconds))
    return 0.0


def talk_due(tx: Connection, source: str, now: float) -> bool:
    """Whether somebody waits for a reaction: that goes before what is not final."""
    return any_row(tx, TALK_DUE, now, source=source)


def hold(tx: Connection, credential: str, until: float) -> None:
    """No slot is free before then: the host said so, for this credential as a whole."""
    insert = upsert(tx, pace).values(credential=bounded(credential, 200), free_at=until)
    tx.execute(
        insert.on_conflict_do_update(
            index_elements=["credential"],
            set_={"free_at": insert.excluded.free_at},
            where=pace.c.free_at < insert.excluded.free_at,
        )
    )


def touch(tx: Connection) -> None:
    """One small write, so that a full disk or a read-only server shows."""
    insert = upsert(tx, meta).values(key="checked", value=secrets.token_hex(4))
    tx.execute(
        insert.on_conflict_do_update(index_elements=["key"], set_={"value": insert.excluded.value})
    )
