"""Everything that must outlive a process, in SQLite or PostgreSQL (docs/storage.md)."""

from __future__ import annotations

from bot.store.engines import connect
from bot.store.store import SqlStore
from bot.store.versions import check
from bot.store.versions import migrate as _migrate

__all__ = ["SqlStore", "migrate", "open_store"]


def open_store(url: str, *, create: bool = False) -> SqlStore:
    """The store at a database URL (`sqlite:///<file>` or `postgresql://…`). `create`: make the
    database file and bring the schema up to date first.

    Open it after forking: connections are not for sharing between processes. Raises Permanent,
    Temporary, SchemaTooNew or SchemaTooOld, each with what to do.
    """
    if create:
        migrate(url)
    database = connect(url, create=False)
    try:
        database.read(check)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)


def migrate(url: str) -> str:
    """Create what is missing and bring the schema up to date; the revision that it has then.
    Two at once are harmless. Raises as `open_store`."""
    database = connect(url, create=True)
    try:
        return database.write(_migrate)
    finally:
        database.close()
