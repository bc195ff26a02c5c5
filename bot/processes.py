"""The commands that run until they are told to stop, and the one before them: `migrate`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from typing import NoReturn

from bot.settings import Settings, SettingsMistake, read_settings
from bot.telemetry import start_logging


def web(_options: argparse.Namespace) -> NoReturn:
    """Becomes gunicorn: the process manager that is seen is the one that runs."""
    read_settings()  # gunicorn would show a mistake in them as a trace
    command = _gunicorn()
    os.execv(command[0], command)  # noqa: S606  an argument list, no shell is wanted


def worker(_options: argparse.Namespace) -> int:
    """Until it is told to stop; 1 when a loop broke, so that a process manager starts it again."""
    from bot.worker import run

    return 1 if run(_ready()) else 0


def migrate(_options: argparse.Namespace) -> int:
    """Says which schema the database has then."""
    from bot.store import migrate as migrate_database

    settings = read_settings()
    start_logging(settings.log_level)
    revision = migrate_database(settings.database_url)
    print(f"the database has schema {revision}")
    return 0


def serve(_options: argparse.Namespace) -> int:
    """The web process as a child, the worker in this one; when either ends, both do."""
    from bot.worker import make_worker

    settings = _ready()
    if settings.database_url.startswith("sqlite:"):
        from bot.store import migrate as migrate_database

        migrate_database(settings.database_url)
    running = make_worker(settings)
    child = subprocess.Popen(_tied(_gunicorn()), stdin=subprocess.DEVNULL)

    told: list[int] = []  # no event: a second signal may come while its lock is held for the first

    def stop(number: int, _frame: object) -> None:
        told.append(number)
        child.terminate()  # at once: both parts need their time to end
        running.stop()

    def watch() -> None:
        child.wait()
        running.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, stop)
    threading.Thread(target=watch, daemon=True).start()
    try:
        good = running.run()
        died = child.poll() is not None and not told
    finally:
        _end(child)
    if died:
        print(f"pushwright: the web process ended with code {child.returncode}", file=sys.stderr)
        return 1
    return 0 if good else 1


def _end(child: subprocess.Popen[bytes]) -> None:
    """Within eight seconds: a request that takes longer is asked again by the Git host."""
    child.terminate()
    try:
        child.wait(timeout=8)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _tied(command: list[str]) -> list[str]:
    """The command, ended by the kernel when this process dies, however it does: a web process that
    is left alone would keep the port from the next `serve`."""
    start = "import sys; from bot.processes import become; become(int(sys.argv[1]), sys.argv[2:])"
    return [sys.executable, "-c", start, str(os.getpid()), *command]


def become(parent: int, command: list[str]) -> NoReturn:
    """Replace this process by the command. On Linux it gets SIGTERM when `parent` is gone:
    https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  an argument list, no shell is wanted


_PR_SET_PDEATHSIG = 1


def _gunicorn() -> list[str]:
    return [sys.executable, "-m", "gunicorn", "-c", "python:bot.web.gunicorn", "bot.wsgi:app"]


def _ready() -> Settings:
    settings = read_settings()
    start_logging(settings.log_level)
    try:
        settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsMistake(
            f"the folder {settings.state} can't be made: {error.strerror}; "
            "set PUSHWRIGHT_STATE to one that this user may write to"
        ) from error
    return settings
