"""Transactions on SQLite or PostgreSQL, and what their errors mean to the flows."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnection

from bot.ports import Permanent, Temporary
from bot.store.wakeups import Wakeups

P = ParamSpec("P")
R = TypeVar("R")

TRIES = 4
"""Of a transaction that lost a deadlock or an insert race; each starts afresh."""

_FAILURES = (DBAPIError, sqlite3.Error, NoConnection, UnicodeEncodeError, OverflowError)
"""SQLite's own where a transaction can't begin."""

_NO_PRIVILEGE = "42501"
_RACES = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected


class Database:
    """Thread-safe. `work` is called with a connection inside a transaction, and again with a new
    one if that transaction lost a race: it must have no effect but on the database.
    """

    def __init__(self, writer: Engine, reader: Engine, wakeups: Wakeups) -> None:
        self._writer = writer
        self._reader = reader
        self.wakeups = wakeups
        # SQLite lets one connection write at a time and makes the others poll for their turn, up to
        # 0.1 s each; threads of one process queue here instead.
        self._turn: contextlib.AbstractContextManager[object] = (
            threading.Lock() if self.sqlite else contextlib.nullcontext()
        )

    @property
    def sqlite(self) -> bool:
        return self._writer.dialect.name == "sqlite"

    def write(
        self, work: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """One durable transaction; whoever waits in any process is woken after it.

        Raises Temporary, also when it is unknown whether the commit took place: every `work` can be
        repeated. Raises Permanent for a value that the database can't hold.
        """
        return self._run(True, work, args, kwargs)

    def write_quietly(
        self, work: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """As `write`, for what gives nobody anything to do (a lease, a log line)."""
        return self._run(False, work, args, kwargs)

    def read(
        self, work: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """One consistent view of the database that can't write."""
        try:
            with self._reader.connect() as tx, tx.begin():
                return work(tx, *args, **kwargs)
        except _FAILURES as error:
            raise translated(error) from error

    def _run(
        self,
        wake: bool,
        work: Callable[..., R],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> R:
        for tried in range(1, TRIES + 1):
            try:
                return self._once(wake, work, args, kwargs)
            except _FAILURES as error:
                if tried == TRIES or not lost_race(error):
                    raise translated(error) from error
        raise AssertionError  # the last try returned or raised

    def _once(
        self,
        wake: bool,
        work: Callable[..., R],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> R:
        with self._turn, self._writer.begin() as tx:
            result = work(tx, *args, **kwargs)
            if wake:
                self.wakeups.announce(tx)
        if wake:
            self.wakeups.committed()
        return result

    def checkpoint(self) -> None:
        """SQLite: empty the write-ahead log into the database file, as far as readers allow."""
        try:
            with self._turn, contextlib.closing(self._writer.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        except (DBAPIError, sqlite3.Error) as error:
            raise translated(error) from error

    def close(self) -> None:
        self.wakeups.close()
        self._writer.dispose()
        self._reader.dispose()


def lost_race(error: Exception) -> bool:
    """Whether the same transaction may well succeed if it is run again at once."""
    if isinstance(error, IntegrityError):
        return True  # two inserted the same key: the second run finds it
    origin = getattr(error, "orig", None)
    return getattr(origin, "sqlstate", None) in _RACES


def translated(error: Exception) -> Exception:
    """The error that the flows understand. Mistakes in our own SQL stay what they are."""
    origin = getattr(error, "orig", None) or error
    message = str(origin).strip().split("\n", 1)[0]
    match error:
        # Whoever grants it restarts nothing: it is asked again.
        case ProgrammingError() if getattr(origin, "sqlstate", None) == _NO_PRIVILEGE:
            return Temporary(f"the database refuses the bot's role: {message}; make it the owner")
        case IntegrityError() | ProgrammingError():
            return error
        # SQLite's driver itself refuses half a surrogate pair, and numbers over 64 bits.
        case DataError() | UnicodeEncodeError() | OverflowError():
            return Permanent(f"the database can't hold a value: {message}")
        case _:
            return Temporary(f"the database can't be asked just now: {message}")
