"""Leases on rows: `lease_until`, and a `fence` that counts up with every lease."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Float,
    Row,
    Select,
    Table,
    bindparam,
    select,
    tuple_,
    update,
)

NOW: BindParameter[float] = bindparam("now", type_=Float())
Moment: TypeAlias = float | BindParameter[float]
Question: TypeAlias = Select[Any]
"""For `any_row`. Built once: each loop of each worker asks its own, and is most often told no."""


def question(table: Table, conditions: Sequence[ColumnElement[bool]]) -> Question:
    """Whether any row meets all conditions, at the moment `NOW`."""
    return select(next(iter(table.primary_key.columns))).where(*conditions).limit(1)


def any_row(tx: Connection, asked: Question, now: float, /, **values: object) -> bool:
    """`values`: of the question's other parameters."""
    return tx.execute(asked, {"now": now, **values}).first() is not None


def take(
    tx: Connection,
    table: Table,
    wanted: Select[Any],
    until: float,
    extra: Mapping[str, object] | None = None,
) -> Sequence[Row[Any]]:
    """Lease the rows whose primary keys `wanted` selects; the rows as they are now, in no order.

    Two at once never get the same row: PostgreSQL passes over what another transaction is taking,
    SQLite has one writer at a time (and knows no FOR UPDATE: SQLAlchemy leaves it out).
    """
    keys = list(table.primary_key.columns)
    chosen = [tuple(row) for row in tx.execute(wanted.with_for_update(skip_locked=True, of=table))]
    if not chosen:
        return []
    match = keys[0].in_([row[0] for row in chosen]) if len(keys) == 1 else tuple_(*keys).in_(chosen)
    values = {"lease_until": until, "fence": table.c.fence + 1, **(extra or {})}
    return tx.execute(update(table).where(match).values(values).returning(*table.c)).all()


def held(table: Table, fence: int) -> ColumnElement[bool]:
    """The lease with this fence is still the newest one."""
    return table.c.fence == fence


def give_back() -> dict[str, object]:
    return {"lease_until": 0.0}
