"""The web process of the tests: the real application on a plain SQLite inbox.

Started by gunicorn as `tests.scenarios.receiver:app`; what it needs comes by environment.
`RECEIVER_FOLDER` holds `secrets/`, the database and, where the store shall be down, a file `down`;
where commits shall be slow, a file `slow`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from flask import Flask

from bot.clock import SystemClock
from bot.core.ids import HostKind, SourceName
from bot.ports import Temporary
from bot.storage import IncomingDelivery
from bot.web.app import create_app
from bot.web.secretfiles import source_secrets
from bot.wsgi import Web

TABLE = """
create table if not exists inbox (
  source text, delivery text, event text, content_type text, body blob, size integer,
  seen integer default 1, unique (source, delivery)
)
"""
INSERT = """
insert into inbox (source, delivery, event, content_type, body, size) values (?, ?, ?, ?, ?, ?)
on conflict (source, delivery) do update set seen = seen + 1
"""


class SqliteInbox:
    """Rows in a file, durable as the real store's are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._local = threading.local()

    def put_deliveries(self, deliveries: Sequence[IncomingDelivery]) -> None:
        self.check()
        if (self._folder / "slow").exists():
            time.sleep(0.3)
        rows = [(d.source, d.delivery, d.event, d.content_type, d.body, d.size) for d in deliveries]
        with self._connection() as connection:
            connection.executemany(INSERT, rows)

    def check(self) -> None:
        if (self._folder / "down").exists():
            raise Temporary("the database is down", 1.0)

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            connection = sqlite3.connect(self._folder / "inbox.db", timeout=5)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            connection.execute(TABLE)
            self._local.connection = connection
        found: sqlite3.Connection = self._local.connection
        return found


def build(folder: Path) -> Flask:
    secrets, clock = folder / "secrets", SystemClock()
    sources = {
        name: source_secrets(
            name,
            kind,
            sorted(secrets.glob(f"{name}.secret*")),
            sorted(secrets.glob(f"{name}.key*")),
            clock.monotonic,
        )
        for name, kind in (
            (SourceName("github"), HostKind.GITHUB),
            (SourceName("gitlab"), HostKind.GITLAB),
            (SourceName("signed"), HostKind.GITLAB),
        )
    }
    return create_app(sources, SqliteInbox(folder), clock)


def __getattr__(name: str) -> Web:
    if name == "app":
        folder = Path(os.environ["RECEIVER_FOLDER"])
        return Web(lambda: build(folder), lambda: None)
    raise AttributeError(name)
