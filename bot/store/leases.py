"""Leases on rows: `lease_until`, and a `fence` that counts up with every lease."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Float,
    Integer,
    Row,
    Select,
    Table,
    bindparam,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

NOW: BindParameter[float] = bindparam("now", type_=Float())
UNTIL: BindParameter[float] = bindparam("leased_until", type_=Float())
Moment: TypeAlias = float | BindParameter[float]
Question: TypeAlias = Select[Any]
"""For `any_row`. Built once: each loop of each worker asks its own, and is most often told no."""


def question(table: Table, conditions: Sequence[ColumnElement[bool]]) -> Question:
    """Whether any row meets all conditions, at the moment `NOW`."""
    return select(next(iter(table.primary_key.columns))).where(*conditions).limit(1)


def any_row(tx: Connection, asked: Question, now: float, /, **values: object) -> bool:
    """`values`: of the question's other parameters."""
    return tx.execute(asked, {"now": now, **values}).first() is not None


@dataclass(frozen=True, slots=True)
class Taking:
    """The statements of `take` for one kind of row, built once like the questions before it."""

    wanted: Select[Any]
    leased: ReturningUpdate[Any]


def taking(
    table: Table,
    conditions: Sequence[ColumnElement[bool]],
    order: Sequence[ColumnElement[Any]] = (),
    extra: Mapping[str, object] | None = None,
) -> Taking:
    """Rows that meet all conditions at the moment `NOW`, leased until `UNTIL`; `extra`: what else
    a lease sets."""
    keys = list(table.primary_key.columns)
    wanted = select(*keys).where(*conditions).order_by(*order)
    chosen: BindParameter[Any] = bindparam("chosen", expanding=True)
    match = keys[0].in_(chosen) if len(keys) == 1 else tuple_(*keys).in_(chosen)
    values = {"lease_until": UNTIL, "fence": table.c.fence + 1, **(extra or {})}
    return Taking(
        wanted.limit(bindparam("most", type_=Integer())).with_for_update(
            skip_locked=True, of=table
        ),
        update(table).where(match).values(values).returning(*table.c),
    )


def take(
    tx: Connection, asked: Taking, now: float, lease_seconds: float, most: int, /, **values: object
) -> Sequence[Row[Any]]:
    """Lease up to `most` rows; as they are now, in no order. `values`: of other parameters.

    Two at once never get the same row: PostgreSQL passes over what another transaction is taking,
    SQLite has one writer at a time (and knows no FOR UPDATE: SQLAlchemy leaves it out).
    """
    found = tx.execute(asked.wanted, {"now": now, "most": most, **values}).all()
    if not found:
        return []
    chosen = [tuple(row) if len(row) > 1 else row[0] for row in found]
    return tx.execute(asked.leased, {"chosen": chosen, "leased_until": now + lease_seconds}).all()


def held(table: Table, fence: int) -> ColumnElement[bool]:
    """The lease with this fence is still the newest one."""
    return table.c.fence == fence


def give_back() -> dict[str, object]:
    return {"lease_until": 0.0}
