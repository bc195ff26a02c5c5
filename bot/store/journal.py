"""What happened, for people who ask why: rows are added and, long after, removed; never changed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from bot.core.ids import BuildId
from bot.records import JournalEntry
from bot.store.rows import dump, load, plain
from bot.store.schema import journal


def add(tx: Connection, *entries: JournalEntry) -> None:
    rows = [
        {
            "at": entry.at,
            "kind": plain(entry.kind, 50),
            "repository_id": entry.repository_id,
            "build_id": entry.build_id,
            "text": plain(entry.text),
            "data": dump(dict(entry.data)) if entry.data else None,
        }
        for entry in entries
    ]
    if rows:
        tx.execute(journal.insert(), rows)


def listing(
    tx: Connection, build_id: BuildId | None, repository_id: int | None, limit: int
) -> Sequence[JournalEntry]:
    """Newest first."""
    query = select(journal).order_by(journal.c.id.desc()).limit(limit)
    if build_id is not None:
        query = query.where(journal.c.build_id == build_id)
    if repository_id is not None:
        query = query.where(journal.c.repository_id == repository_id)
    return [
        JournalEntry(
            at=row.at,
            kind=row.kind,
            text=row.text,
            repository_id=row.repository_id,
            build_id=row.build_id,
            data=load(row.data) or {},
        )
        for row in tx.execute(query)
    ]
