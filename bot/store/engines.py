"""How the two databases are opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, ProgrammingError
from sqlalchemy.util import LRUCache

from bot.ports import Permanent
from bot.store.database import Database, translated
from bot.store.mounts import refusal
from bot.store.wakeups import DataVersion, Notifications

BUSY_SECONDS = 10
STATEMENT_SECONDS = 15
IDLE_SECONDS = 20
SILENT_SECONDS = 30
"""After which a server is given up whose machine does not acknowledge what it was sent, or our
probes: by itself the kernel waits for a quarter of an hour, and for an answer without end."""
WAL_LIMIT = 64 * 1024 * 1024
"""Bytes that the WAL file is cut back to after a checkpoint."""


class SharedSqlite(SQLiteDialect_pysqlite):
    """All of ours are opened alike, hence equal: a statement that one engine compiled need not be
    compiled for the next one, which costs more than to run it. SQLAlchemy finds it by its dialect
    and would hold each engine's for another one (https://github.com/sqlalchemy/sqlalchemy/issues/5002).
    """

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


registry.register("sqlite.shared", __name__, SharedSqlite.__name__)

_COMPILED: LRUCache[object, object] = LRUCache(500)
"""Statements of all engines on SQLite, as many as SQLAlchemy keeps for one."""


_SILENT = {
    "tcp_user_timeout": SILENT_SECONDS * 1000,
    "keepalives_idle": SILENT_SECONDS // 2,
    "keepalives_interval": SILENT_SECONDS // 6,
    "keepalives_count": 3,
}
"""https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-TCP-USER-TIMEOUT"""


def connect(url: str, *, create: bool) -> Database:
    """Open the database, not yet looking at its schema. Raises Permanent with what to do."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Permanent(f"PUSHWRIGHT_DATABASE_URL can't be read: {error}") from error
    except ValueError as error:  # its text may be a part of the password
        raise Permanent(
            "PUSHWRIGHT_DATABASE_URL can't be read: its port is no number "
            "(an @ in a password is written %40)"
        ) from error
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed, create=create)
        case "postgresql":
            return _postgresql(parsed)
        case other:
            raise Permanent(
                f"PUSHWRIGHT_DATABASE_URL names a {other} database: "
                "use sqlite:///<file> or postgresql://<user>@<host>/<database>"
            )


def _sqlite(url: URL, *, create: bool) -> Database:
    if not url.database or url.database == ":memory:":
        raise Permanent(
            "a SQLite database must be a file: sqlite:////var/lib/pushwright/pushwright.db"
        )
    path = Path(url.database)
    if (why := refusal(path)) is not None:
        raise Permanent(why)
    _private_file(path, create=create)
    writer = _sqlite_engine(path, "BEGIN IMMEDIATE", ())
    reader = _sqlite_engine(path, "BEGIN", ("PRAGMA query_only = ON",))
    return Database(writer, reader, DataVersion(path))


def _private_file(path: Path, *, create: bool) -> None:
    """The file holds webhook bodies: nobody but its owner reads it. SQLite gives the WAL and the
    shared memory file the same mode."""
    try:
        if create:
            _make_file(path)
        found = path.stat()
    except FileNotFoundError as error:
        raise Permanent(f"there is no database at {path}: run pushwright migrate") from error
    except OSError as error:
        raise Permanent(f"the database {path} can't be opened: {error.strerror}") from error
    if stat.S_IMODE(found.st_mode) & 0o077 and found.st_uid == os.geteuid():
        path.chmod(0o600)


def _make_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise Permanent(f"the database {path} can't be made: {error.strerror}") from error


def _sqlite_engine(path: Path, begin: str, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        URL.create("sqlite+shared", database=str(path)),
        connect_args={"isolation_level": None, "timeout": BUSY_SECONDS, "check_same_thread": False},
        pool_size=4,
        max_overflow=60,
        execution_options={"compiled_cache": _COMPILED},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: object, _record: object) -> None:
        for pragma in (
            f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}",
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "PRAGMA foreign_keys = ON",
            f"PRAGMA journal_size_limit = {WAL_LIMIT}",
            "PRAGMA trusted_schema = OFF",
            *pragmas,
        ):
            connection.execute(pragma)  # type: ignore[attr-defined]  # sqlite3.Connection

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        # The driver begins nothing by itself; a read that turns into a write would fail at once
        # with "database is locked", whatever busy_timeout says. Past SQLAlchemy: it would take
        # longer over this than over a question that is answered no.
        connection.connection.cursor().execute(begin).close()

    return engine


def _postgresql(url: URL) -> Database:
    given = url.query.get("options", ())
    options = " ".join(
        (
            f"-c statement_timeout={STATEMENT_SECONDS * 1000}",
            f"-c idle_in_transaction_session_timeout={IDLE_SECONDS * 1000}",
            "-c timezone=UTC",
            *((given,) if isinstance(given, str) else given),  # the administrator's win
        )
    )
    writer = create_engine(
        url.set(drivername="postgresql+psycopg").difference_update_query(["options"]),
        connect_args={
            "options": options,
            "connect_timeout": 5,
            **{name: value for name, value in _SILENT.items() if name not in url.query},
            "application_name": "pushwright",
            "prepare_threshold": None,  # a pooler may hand the next statement to another session
        },
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=4,
        max_overflow=20,
        pool_timeout=BUSY_SECONDS,
    )
    reader = writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    database = Database(writer, reader, Notifications(writer))
    try:
        with writer.connect() as connection:
            durable = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
    except ProgrammingError as error:  # libpq knows no such option
        database.close()
        raise Permanent(f"PUSHWRIGHT_DATABASE_URL can't be used: {error.orig}") from error
    except DBAPIError as error:
        database.close()
        raise translated(error) from error
    if durable == "off":
        database.close()
        raise Permanent(
            "this PostgreSQL acknowledges commits before they are on disk: "
            "set synchronous_commit = on for the bot's role"
        )
    return database
