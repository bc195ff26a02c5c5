"""Processes of attempts, found by what they hold: ids are used again, folders are not."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def find_builder(recipe: Path, lock: Path) -> int | None:
    """The process that was given `recipe` as its last argument and holds `lock` open: an editor
    with the recipe in it holds no lock, a bot that is starting it has other arguments."""
    wanted = os.fsencode(recipe)
    for pid in _processes():
        with suppress(OSError):
            words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
            if len(words) > 1 and words[-2] == wanted and _holds(pid, lock):
                return pid
    return None


def terminate(recipe: Path, lock: Path) -> None:
    """SIGTERM to the builder, if it runs."""
    pid = find_builder(recipe, lock)
    if pid is not None:
        _signal(pid, signal.SIGTERM)


def kill(recipe: Path, lock: Path, work: Path) -> None:
    """SIGKILL to the builder and to all that it started."""
    pid = find_builder(recipe, lock)
    if pid is not None:
        _signal(pid, signal.SIGKILL)
    end_leftovers(work)


def end_leftovers(work: Path) -> None:
    """SIGKILL to git and docker clients of a builder that is gone: their environment names its
    scratch folder (HOME)."""
    wanted = os.fsencode(work) + b"/"
    for pid in _processes():
        with suppress(OSError):
            if wanted in (_PROC / str(pid) / "environ").read_bytes():
                _signal(pid, signal.SIGKILL)


def _processes() -> Iterator[int]:
    own = os.getpid()
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) != own:
            yield int(entry.name)


def _holds(pid: int, path: Path) -> bool:
    wanted = str(path.resolve())
    for entry in (_PROC / str(pid) / "fd").iterdir():
        with suppress(OSError):
            if str(entry.readlink()) == wanted:
                return True
    return False


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
