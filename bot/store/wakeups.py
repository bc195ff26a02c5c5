"""Waiting until somebody commits: a hint only, everything due is found by looking as well."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from bot.ports import Temporary

SQLITE_POLL = 0.05
POSTGRESQL_POLL = 0.5
"""Seconds between looks."""

CHANNEL = "pushwright"


class Wakeups(Protocol):
    """Thread-safe. Each thread is told of what was committed since its own last `wait`."""

    def announce(self, tx: Connection) -> None:
        """Called inside a transaction that gives somebody something to do."""

    def committed(self) -> None:
        """Called after it: who waits in this process need not wait for the next look."""

    def wait(self, seconds: float) -> bool:
        """True as soon as something was committed (or may have been), False after `seconds`."""

    def close(self) -> None: ...


class DataVersion:
    """SQLite: `PRAGMA data_version` changes when another connection, in any process, committed
    (https://www.sqlite.org/pragma.html#pragma_data_version)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._seen = threading.local()
        self._condition = threading.Condition()
        self._commits = 0

    def announce(self, tx: Connection) -> None:
        """The commit is the announcement."""

    def committed(self) -> None:
        with self._condition:
            self._commits += 1
            self._condition.notify_all()

    def wait(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not self._closed.is_set():
            commits = self._commits
            version = self._version()
            if version != getattr(self._seen, "version", None):
                self._seen.version = version
                return True
            left = until - time.monotonic()
            if left <= 0:
                return False
            self._pause(commits, min(SQLITE_POLL, left))
        return False

    def _pause(self, commits: int, seconds: float) -> None:
        """Until this process commits once more, `seconds` at most."""
        with self._condition:
            self._condition.wait_for(lambda: self._commits != commits, seconds)

    def _version(self) -> int:
        with self._lock:
            if self._closed.is_set():
                return -1
            try:
                if self._connection is None:
                    self._connection = sqlite3.connect(
                        self._path, isolation_level=None, check_same_thread=False
                    )
                return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error as error:
                raise Temporary(f"the database can't be asked just now: {error}") from error

    def close(self) -> None:
        self._closed.set()
        self.committed()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class Notifications:
    """PostgreSQL: NOTIFY at commit. Where nothing arrives (a pooler, a lost connection) each `wait`
    ends after 0.5 s and says that something may have happened."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._condition = threading.Condition()
        self._count = 0
        self._closed = threading.Event()
        self._listener: threading.Thread | None = None
        self._seen = threading.local()

    def announce(self, tx: Connection) -> None:
        tx.execute(text(f"NOTIFY {CHANNEL}"))

    def committed(self) -> None:
        """The server tells this process too, at once."""

    def wait(self, seconds: float) -> bool:
        with self._condition:
            if self._listener is None and not self._closed.is_set():
                self._listener = threading.Thread(target=self._listen, name="listen", daemon=True)
                self._listener.start()
            last = getattr(self._seen, "count", -1)
            limit = min(seconds, POSTGRESQL_POLL)
            self._condition.wait_for(lambda: self._count != last or self._closed.is_set(), limit)
            arrived = self._count != last
            self._seen.count = self._count
        return (arrived or seconds > POSTGRESQL_POLL) and not self._closed.is_set()

    def _listen(self) -> None:
        while not self._closed.is_set():
            self._listen_once()
            self._closed.wait(POSTGRESQL_POLL)

    def _listen_once(self) -> None:
        import psycopg

        try:
            connection = self._engine.raw_connection()
        except (psycopg.Error, SQLAlchemyError):
            return  # not there just now; its errors come unwrapped here
        driver = connection.driver_connection
        connection.detach()  # ours until we close it
        if not isinstance(driver, psycopg.Connection):
            raise TypeError(driver)
        try:
            driver.autocommit = True
            driver.execute(f"LISTEN {CHANNEL}")
            self._tell()  # whatever came before the LISTEN
            while not self._closed.is_set():
                for _ in driver.notifies(timeout=POSTGRESQL_POLL, stop_after=1):
                    self._tell()
        except psycopg.Error:
            return
        finally:
            driver.close()

    def _tell(self) -> None:
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def close(self) -> None:
        self._closed.set()
        with self._condition:
            self._condition.notify_all()
        if self._listener is not None:
            self._listener.join(POSTGRESQL_POLL * 4)
