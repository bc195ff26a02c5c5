"""The web process put together: `gunicorn -c config/gunicorn.conf.py bot.wsgi:app`.

Importing this module does nothing; asking it for `app` reads the settings and the central config
and builds the application.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from bot.settings import SettingsMistake, read_settings
from bot.telemetry import start_logging
from bot.web.app import create_app, writer_of
from bot.web.sources import ConfiguredSources

if TYPE_CHECKING:
    from flask import Flask


class SystemClock:
    """The machine's clocks, in seconds."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def build() -> Flask:
    """Raises SettingsMistake where the settings, the central config or a secret can't be used."""
    from bot.configfile import ConfigFile
    from bot.store import open_store

    settings = read_settings()
    start_logging(settings.log_level)
    clock = SystemClock()
    config = ConfigFile(settings.config, clock)
    store = open_store(settings.database_url)
    return create_app(
        ConfiguredSources(config.current, clock.monotonic),
        store,
        clock,
        gauges=lambda: store.gauges(clock.now()),
    )


def start_serving(app: Flask) -> None:
    """In the process that answers requests, once it was forked: threads do not survive a fork."""
    writer_of(app).start()


def stop_serving(app: Flask) -> None:
    """After the last request: what waits is written."""
    writer_of(app).stop()


def __getattr__(name: str) -> Flask:
    if name == "app":
        try:
            return build()
        except SettingsMistake as mistake:
            sys.exit(f"pushwright web: {mistake}")
    raise AttributeError(name)
