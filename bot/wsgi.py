"""The web process put together: `gunicorn -c python:bot.web.gunicorn bot.wsgi:app`.

Importing this module does nothing; asking it for `app` reads the settings, the central config and
the secrets, so that a mistake in them ends the process before it answers anybody.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from bot.ports import HostError
from bot.records import SchemaTooNew, SchemaTooOld
from bot.settings import SettingsMistake, read_settings
from bot.telemetry import start_logging
from bot.web.app import create_app, writer_of

if TYPE_CHECKING:
    from flask import Flask

_GUNICORN_STOPS: Final = 3
"""A worker that exits with this one is not started again (`Arbiter.WORKER_BOOT_ERROR`)."""
_LOG = logging.getLogger(__name__)


class Web:
    """A WSGI application in two steps: what is shared is loaded before gunicorn forks, what must
    not be shared (database connections, threads) is made by `start` in the process that serves."""

    def __init__(self, make: Callable[[], Flask], close: Callable[[], None]) -> None:
        self._make = make
        self._close = close
        self._app: Flask | None = None

    def start(self) -> None:
        """A store that can't be opened ends the process and, by this code, gunicorn."""
        try:
            self._app = self._make()
        except (HostError, SchemaTooNew, SchemaTooOld) as error:
            _LOG.error("the web process can't start: %s", error)
            sys.exit(_GUNICORN_STOPS)
        writer_of(self._app).start()

    def stop(self) -> None:
        """After the last request: what waits is written."""
        if self._app is not None:
            writer_of(self._app).stop()
            self._close()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self._app is None:
            raise RuntimeError("not started: bot.web.gunicorn calls start after the fork")
        return self._app(environ, start_response)


def build() -> Web:
    """Raises SettingsMistake where the settings, the central config or a secret can't be used."""
    from bot.clock import SystemClock
    from bot.configfile import ConfigFile, webhook_files
    from bot.storage import Store
    from bot.web.sources import ConfiguredSources

    settings = read_settings()
    start_logging(settings.log_level)
    clock = SystemClock()
    config = ConfigFile(settings.config, clock, webhook_files)
    sources = ConfiguredSources(config.current, clock.monotonic)
    opened: list[Store] = []

    def make() -> Flask:
        from bot.store import open_store
        from bot.web import pages

        store = open_store(settings.database_url)
        opened.append(store)
        return create_app(
            sources,
            store,
            clock,
            [pages.blueprint(store, clock, config.current)],
            gauges=lambda: store.gauges(clock.now()),
        )

    def close() -> None:
        for store in opened:
            store.close()

    return Web(make, close)


def __getattr__(name: str) -> Web:
    if name == "app":
        try:
            return build()
        except SettingsMistake as mistake:
            sys.exit(f"pushwright web: {mistake}")
    raise AttributeError(name)
