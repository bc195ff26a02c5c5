"""Reactions and comments of ours that are to be written: the latest wish for each, serial."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    bindparam,
    case,
    update,
)

from bot.core.conversation import Reaction, Spot
from bot.core.ids import Sha
from bot.records import LeaseLost, RepositoryRow
from bot.records_talk import Reply, WantedReaction, WantedReply
from bot.store.leases import NOW, give_back, held, question, take, taking
from bot.store.rows import plain
from bot.store.schema import NEVER
from bot.store.schema_talk import answered_comment, wanted_comment
from bot.store.statuses import repositories
from bot.store.upserts import upsert


def want(
    tx: Connection, owner: RepositoryRow, reply: Reply, now: float, *, only_known: bool = False
) -> None:
    """`only_known`: a reply that was never wanted stays unwritten."""
    number = reply.number or 0
    body = plain(reply.body, len(reply.body) + 1)  # whoever made it knows how much a host takes
    this = _this(owner.id, number, reply.marker)
    if only_known:
        changed = {"body": body, "sequence": wanted_comment.c.sequence + 1, "next_at": now}
        stale = and_(wanted_comment.c.body != body, wanted_comment.c.gone.is_(False))
        query = update(wanted_comment).where(this, stale)
        tx.execute(query.values(**changed, wanted_at=now))
        return
    insert = upsert(tx, wanted_comment).values(
        repository_id=owner.id,
        number=number,
        marker=reply.marker,
        source=owner.source,
        body=body,
        sequence=1,
        sha=reply.sha,
        wanted_at=now,
        next_at=now,
    )
    fresh = insert.excluded
    tx.execute(
        insert.on_conflict_do_update(
            index_elements=["repository_id", "number", "marker"],
            set_={
                "body": fresh.body,
                "sequence": wanted_comment.c.sequence + 1,
                "wanted_at": now,
                "next_at": now,
                "tries": 0,
                "error": "",
            },
            where=and_(wanted_comment.c.body != fresh.body, wanted_comment.c.gone.is_(False)),
        )
    )


def _this(row_id: int, number: int, marker: str) -> ColumnElement[bool]:
    return and_(
        wanted_comment.c.repository_id == row_id,
        wanted_comment.c.number == number,
        wanted_comment.c.marker == marker,
    )


def _due(table: Table) -> tuple[ColumnElement[bool], ...]:
    """Of wanted comments or reactions; `but_not`: sources that are left alone for now."""
    return (
        table.c.next_at <= NOW,
        table.c.lease_until <= NOW,
        table.c.source.not_in(bindparam("but_not", expanding=True)),
    )


REPLY_DUE = question(wanted_comment, _due(wanted_comment))
REACTION_DUE = question(answered_comment, _due(answered_comment))
_REPLIES = taking(wanted_comment, _due(wanted_comment), [wanted_comment.c.wanted_at])
_REACTIONS = taking(answered_comment, _due(answered_comment), [answered_comment.c.handled_at])


def due_replies(
    tx: Connection, now: float, lease_seconds: float, limit: int, but_not: Collection[str]
) -> Sequence[WantedReply]:
    rows = take(tx, _REPLIES, now, lease_seconds, limit, but_not=sorted(but_not))
    owners = repositories(tx, {row.repository_id for row in rows})
    ordered = sorted(rows, key=lambda row: (float(row.wanted_at), str(row.marker)))
    return [_reply(row, owners[row.repository_id]) for row in ordered]


def _reply(row: Row[Any], owner: RepositoryRow) -> WantedReply:
    sha = None if row.sha is None else Sha(row.sha)
    reply = Reply(row.marker, row.body, row.number or None, sha)
    return WantedReply(owner, reply, row.sequence, row.remote_id, row.tries, row.fence)


def reply_done(
    tx: Connection, wanted: WantedReply, remote_id: int | None, gone: bool, error: str
) -> None:
    newer = wanted_comment.c.sequence > wanted.sequence
    values: dict[str, Any] = {
        "applied_sequence": wanted.sequence,
        "next_at": case((newer, wanted_comment.c.wanted_at), else_=NEVER),
        "gone": gone,
        "tries": 0,
        "error": plain(error, 1000),
    }
    if remote_id is not None:
        values["remote_id"] = remote_id
    _finish_reply(tx, wanted, values)


def reply_delayed(tx: Connection, wanted: WantedReply, until: float, error: str) -> None:
    tries = wanted_comment.c.tries + (1 if error else 0)
    _finish_reply(tx, wanted, {"next_at": until, "tries": tries, "error": plain(error, 1000)})


def _finish_reply(tx: Connection, wanted: WantedReply, values: dict[str, Any]) -> None:
    this = _this(wanted.repository.id, wanted.reply.number or 0, wanted.reply.marker)
    query = update(wanted_comment).where(this, held(wanted_comment, wanted.fence))
    if tx.execute(query.values(**values, **give_back())).rowcount != 1:
        raise LeaseLost(f"reply {wanted.reply.marker}")


# -- reactions -------------------------------------------------------------------------------


def due_reactions(
    tx: Connection, now: float, lease_seconds: float, limit: int, but_not: Collection[str]
) -> Sequence[WantedReaction]:
    rows = take(tx, _REACTIONS, now, lease_seconds, limit, but_not=sorted(but_not))
    owners = repositories(tx, {row.repository_id for row in rows})
    ordered = sorted(rows, key=lambda row: (float(row.handled_at), int(row.comment_id)))
    return [_reaction(row, owners[row.repository_id]) for row in ordered]


def _reaction(row: Row[Any], owner: RepositoryRow) -> WantedReaction:
    spot = Spot(row.comment_id, row.number, None if row.sha is None else Sha(row.sha))
    return WantedReaction(owner, spot, Reaction(row.reaction), row.tries, row.fence)


def reaction_done(tx: Connection, wanted: WantedReaction, error: str) -> None:
    _finish_reaction(tx, wanted, {"next_at": NEVER, "error": plain(error, 1000)})


def reaction_delayed(tx: Connection, wanted: WantedReaction, until: float, error: str) -> None:
    tries = answered_comment.c.tries + (1 if error else 0)
    _finish_reaction(tx, wanted, {"next_at": until, "tries": tries, "error": plain(error, 1000)})


def _finish_reaction(tx: Connection, wanted: WantedReaction, values: dict[str, Any]) -> None:
    query = update(answered_comment).where(
        answered_comment.c.repository_id == wanted.repository.id,
        answered_comment.c.place == ("commit" if wanted.spot.number is None else "request"),
        answered_comment.c.comment_id == wanted.spot.comment_id,
        held(answered_comment, wanted.fence),
    )
    if tx.execute(query.values(**values, **give_back())).rowcount != 1:
        raise LeaseLost(f"reaction to {wanted.spot.comment_id}")
