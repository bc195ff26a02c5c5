"""Which schema this release knows, and whether a database has it. Importing this is cheap: Alembic
itself is imported by `migrate` alone."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from bot.ports import Permanent
from bot.records import SchemaTooNew, SchemaTooOld

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Of bot/store/migrations/versions, oldest first."""
HEAD = REVISIONS[-1]
TABLE = "alembic_version"
LOCK = 7_405_118_301_664_210
"""Key of the advisory lock that migrations take on PostgreSQL; any number of our own."""


def current(tx: Connection) -> str | None:
    """The revision that the database has; None: it is empty."""
    if not inspect(tx).has_table(TABLE):
        return None
    found = tx.execute(text(f"SELECT version_num FROM {TABLE}")).scalar()  # noqa: S608  our own name
    return None if found is None else str(found)


def check(tx: Connection) -> None:
    """Raises SchemaTooNew or SchemaTooOld with what to do."""
    found = current(tx)
    if found == HEAD:
        return
    if found is None or found in REVISIONS:
        has = "has no tables yet" if found is None else f"has schema {found}"
        raise SchemaTooOld(f"the database {has}, this release needs {HEAD}: run pushwright migrate")
    raise SchemaTooNew(
        f"the database has schema {found}, this release knows {HEAD} at most: "
        "run the release that migrated it, or a newer one"
    )


def lock(tx: Connection) -> None:
    """One migration at a time. SQLite's transactions that write are alone anyway."""
    if tx.dialect.name == "postgresql":
        tx.execute(text("SET LOCAL statement_timeout = 0"))
        tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})


def migrate(tx: Connection) -> str:
    """Bring the schema up to date inside the transaction; the revision that it has then."""
    from alembic import command
    from alembic.config import Config

    lock(tx)
    found = current(tx)
    if found == HEAD:
        return HEAD
    if found is not None and found not in REVISIONS:
        check(tx)
    config = Config()
    config.set_main_option("script_location", "bot.store:migrations")
    config.attributes["connection"] = tx
    command.upgrade(config, "head")
    migrated = current(tx)
    if migrated != HEAD:
        raise Permanent(f"the migrations end at {migrated}, not at {HEAD}")
    return HEAD
