"""The commands that run until they are told to stop, and the one before them: `migrate`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from typing import NoReturn

from bot.settings import Settings, read_settings
from bot.telemetry import start_logging


def web(_options: argparse.Namespace) -> NoReturn:
    """Becomes gunicorn: the process manager that is seen is the one that runs."""
    command = _gunicorn()
    os.execv(command[0], command)  # noqa: S606  an argument list, no shell is wanted


def worker(_options: argparse.Namespace) -> int:
    from bot.worker import run

    settings = _ready()
    return run(settings)


def migrate(_options: argparse.Namespace) -> int:
    from bot.store import migrate as migrate_database

    settings = read_settings()
    start_logging(settings.log_level)
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    migrate_database(settings.database_url)
    return 0


def serve(_options: argparse.Namespace) -> int:
    """The web process as a child, the worker in this one; when either ends, both do."""
    from bot.worker import make_worker

    settings = _ready()
    if settings.database_url.startswith("sqlite:"):
        from bot.store import migrate as migrate_database

        migrate_database(settings.database_url)
    running = make_worker(settings)
    child = subprocess.Popen(_gunicorn(), stdin=subprocess.DEVNULL)

    def stop(_signal: int, _frame: object) -> None:
        running.stop()

    def watch() -> None:
        child.wait()
        running.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=watch, daemon=True).start()
    try:
        good = running.run()
    finally:
        died = child.poll()
        if died is None:
            child.terminate()
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
    if died is not None:
        print(f"pushwright: the web process ended with code {died}", file=sys.stderr)
        return 70
    return 0 if good else 70


def _gunicorn() -> list[str]:
    return [sys.executable, "-m", "gunicorn", "-c", "python:bot.web.gunicorn", "bot.wsgi:app"]


def _ready() -> Settings:
    settings = read_settings()
    start_logging(settings.log_level)
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings
