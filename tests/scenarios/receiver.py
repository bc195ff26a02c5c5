"""The web process of the tests: the real application on the real store, with a hand in between.

Started by gunicorn as `tests.scenarios.receiver:app`; what it needs comes by environment.
`RECEIVER_FOLDER` holds `secrets/`, the database (unless `RECEIVER_DATABASE` names another) and,
where the store shall be down, a file `down`; where commits shall be slow, a file `slow`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from flask import Flask

from bot.clock import SystemClock
from bot.core.ids import HostKind, SourceName
from bot.ports import Temporary
from bot.records import IncomingDelivery
from bot.store import SqlStore, open_store
from bot.web.app import create_app
from bot.web.secretfiles import source_secrets
from bot.wsgi import Web


class HinderedInbox:
    """The real store, that a test can take away or slow down."""

    def __init__(self, store: SqlStore, folder: Path) -> None:
        self._store = store
        self._folder = folder

    def put_deliveries(self, deliveries: Sequence[IncomingDelivery]) -> None:
        self._hinder()
        if (self._folder / "slow").exists():
            time.sleep(0.3)
        self._store.put_deliveries(deliveries)

    def check(self) -> None:
        self._hinder()
        self._store.check()

    def _hinder(self) -> None:
        if (self._folder / "down").exists():
            raise Temporary("the database is down", 1.0)


def database_url(folder: Path) -> str:
    return os.environ.get("RECEIVER_DATABASE") or f"sqlite:///{folder}/pushwright.db"


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
            (SourceName("gitea"), HostKind.GITEA),
        )
    }
    store = open_store(database_url(folder))
    return create_app(
        sources,
        HinderedInbox(store, folder),
        clock,
        gauges=lambda: store.gauges(clock.now()),
    )


def __getattr__(name: str) -> Web:
    if name == "app":
        folder = Path(os.environ["RECEIVER_FOLDER"])
        return Web(lambda: build(folder), lambda: None)
    raise AttributeError(name)
