"""The contents of a database, to show that something changed nothing."""

from __future__ import annotations

from sqlalchemy import Connection, select

from bot.store import SqlStore
from bot.store.schema import metadata

TIMES = frozenset({"lease_until", "fence", "next_at"})
"""Columns that leases change."""


def contents(store: SqlStore) -> dict[str, list[str]]:
    """All rows of all tables as text, but for what leases change."""
    return store._database.read(_contents)


def _contents(tx: Connection) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table in metadata.sorted_tables:
        columns = [column for column in table.c if column.name not in TIMES]
        found[table.name] = sorted(str(tuple(row)) for row in tx.execute(select(*columns)))
    return found
