"""Tags that are to point somewhere: the latest wish per (image name, tag), serial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, update

from bot.core.ids import BuildId, Digest
from bot.records import (
    LeaseLost,
    RepositoryRow,
    WantedTag,
)
from bot.store import tagging
from bot.store.leases import NOW, give_back, held, question, take, taking
from bot.store.rows import dump, load, plain
from bot.store.schema import NEVER, wanted_tag
from bot.store.statuses import repositories

AT_ONCE = 0.0
"""A `next_at` that is due whatever the time is."""

HISTORY = 20
"""Digests of our own that are remembered per tag, newest last."""


_DUE = (wanted_tag.c.next_at <= NOW, wanted_tag.c.lease_until <= NOW)
DUE = question(wanted_tag, _DUE)
_TAGS = taking(wanted_tag, _DUE, [wanted_tag.c.next_at])


def due(tx: Connection, now: float, lease_seconds: float, limit: int) -> Sequence[WantedTag]:
    """Longest due first."""
    rows = take(tx, _TAGS, now, lease_seconds, limit)
    owners = repositories(tx, {row.repository_id for row in rows})
    ordered = sorted(rows, key=lambda row: (float(row.next_at), str(row.name), str(row.tag)))
    return [_leased(tx, row, owners[row.repository_id]) for row in ordered]


def _leased(tx: Connection, row: Row[Any], owner: RepositoryRow) -> WantedTag:
    checking = row.applied_sequence == row.sequence
    ours: list[str] = load(row.history)
    if not checking and (not ours or ours[-1] != row.digest):
        # Remembered before it is written: whoever dies in between has still written it.
        ours = [*(digest for digest in ours if digest != row.digest), row.digest][-HISTORY:]
        query = update(wanted_tag).where(_this(row.name, row.tag))
        tx.execute(query.values(history=dump(ours)))
    return WantedTag(
        name=row.name,
        tag=row.tag,
        digest=Digest(row.digest),
        from_name=row.from_name,
        repository=owner,
        build_id=BuildId(row.build_id),
        sequence=row.sequence,
        applied_digest=None if row.applied_digest is None else Digest(row.applied_digest),
        ours=tuple(Digest(digest) for digest in ours),
        checking=checking,
        tries=row.tries,
        fence=row.fence,
    )


def _this(name: str, tag: str) -> ColumnElement[bool]:
    return and_(wanted_tag.c.name == name, wanted_tag.c.tag == tag)


def applied(tx: Connection, wanted: WantedTag, now: float, check_at: float | None) -> None:
    newer = wanted_tag.c.sequence > wanted.sequence
    later = NEVER if check_at is None else check_at
    _finish(
        tx,
        wanted,
        {
            "applied_sequence": wanted.sequence,
            "applied_digest": wanted.digest,
            "next_at": case((newer, now), else_=later),
            "tries": 0,
            "error": "",
        },
    )
    if not wanted.checking:
        tagging.settle(tx, [], [(wanted.name, wanted.tag)], now)


def delayed(tx: Connection, wanted: WantedTag, until: float, error: str, refused: bool) -> None:
    """`refused`: this wish is over; a later one for another digest is tried all the same."""
    newer = wanted_tag.c.sequence > wanted.sequence
    later = NEVER if refused else until
    text = plain(error, 1000)
    _finish(
        tx,
        wanted,
        {
            "next_at": case((newer, until), else_=later),
            "tries": case((newer, 0), else_=wanted_tag.c.tries + (1 if error else 0)),
            "error": text,
            "refused": case((newer, ""), else_=text if refused else ""),
        },
    )
    if refused:
        tagging.settle(tx, [], [(wanted.name, wanted.tag)], AT_ONCE)


def _finish(tx: Connection, wanted: WantedTag, values: dict[str, Any]) -> None:
    query = update(wanted_tag).where(_this(wanted.name, wanted.tag), held(wanted_tag, wanted.fence))
    if tx.execute(query.values(**values, **give_back())).rowcount != 1:
        raise LeaseLost(f"tag {wanted.name}:{wanted.tag}")
