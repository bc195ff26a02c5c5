"""INSERT … ON CONFLICT: the same words in both databases, two constructs in SQLAlchemy."""

from __future__ import annotations

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(tx: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT with `on_conflict_do_update`, `on_conflict_do_nothing` and `excluded`."""
    return insert_into(table, tx.dialect.name)


def insert_into(table: Table, dialect: str) -> sqlite.Insert | postgresql.Insert:
    """The same for who keeps the statement: `dialect` as SQLAlchemy names it."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
