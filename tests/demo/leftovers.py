"""One demo at a time, and the end of whatever a killed one left: processes named by pid and start
time, those that it had no time to name by what only they have, sockets, mounts, folders.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.fakes.docker_process import end_orphans, remove_tree, unmount_below

_PROGRAMS = re.compile(r"python|git|docker|containerd|runc")
_SOCKETS = re.compile(r"/tmp/pw-[A-Za-z0-9_]+")


class DemoRuns(Exception):
    """Another demo holds the folder."""


def start_time(pid: int) -> str | None:
    """In clock ticks since boot; None for a process that is gone or waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    words = stat.rpartition(")")[2].split()
    return None if words[0] in "ZX" else words[19]


class Leftovers:
    """A file beside the demo's folder; who holds its lock runs the demo."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder.with_name(folder.name + ".pids")
        self._descriptor: int | None = None
        self._pids: dict[str, str] = {}
        self._sockets: list[str] = []

    def hold(self) -> None:
        """DemoRuns where somebody else does, or where the file is another user's."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._file, flags, 0o600)
        self._descriptor = descriptor
        if os.fstat(descriptor).st_uid != os.geteuid():
            self._let_go()
            raise DemoRuns(f"{self._file} belongs to somebody else; set PUSHWRIGHT_DEMO_DIR")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._let_go()
            told = f"a demo runs in {self._folder}: end it, or set PUSHWRIGHT_DEMO_DIR"
            raise DemoRuns(told) from error
        self._read(descriptor)

    def remember(self, *pids: int | None, socket: Path | None = None) -> None:
        self._pids |= {str(pid): start_time(pid) or "" for pid in pids if pid}
        if socket is not None:
            self._sockets.append(str(socket.parent))
        if self._descriptor is not None:
            text = json.dumps({"pids": self._pids, "sockets": self._sockets}).encode()
            os.pwrite(self._descriptor, text, 0)
            os.ftruncate(self._descriptor, len(text))

    def end(self) -> int:
        """End what is left of this or a former run, and remove it; how many processes it were."""
        named = [int(pid) for pid, began in self._pids.items() if start_time(int(pid)) == began]
        _end(named)
        for short in map(Path, self._sockets):
            if _SOCKETS.fullmatch(str(short)) and short.is_dir() and not short.is_symlink():
                end_orphans(self._folder / "docker", short / "x")
                unmount_below(short)
                shutil.rmtree(short, ignore_errors=True)
        nameless = [pid for pid in _processes() if _works_in(pid, self._folder)]
        _end(nameless)
        remove_tree(self._folder)
        self._pids, self._sockets = {}, []
        return len(named) + len(nameless)

    def forget(self) -> None:
        """Nothing is left: neither is the file."""
        if self._descriptor is not None:
            self._file.unlink(missing_ok=True)
            self._let_go()

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self, descriptor: int) -> None:
        try:
            known = json.loads(os.pread(descriptor, 1_000_000, 0))
            self._pids = {str(pid): str(began) for pid, began in known["pids"].items()}
            self._sockets = [str(each) for each in known["sockets"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            self._pids, self._sockets = {}, []


def _end(pids: list[int]) -> None:
    """SIGTERM to all of them, after ten seconds SIGKILL."""
    began = {pid: start_time(pid) for pid in pids}
    for number in (signal.SIGTERM, signal.SIGKILL):
        alive = [pid for pid in pids if began[pid] and start_time(pid) == began[pid]]
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and any(start_time(p) == began[p] for p in alive):
            time.sleep(0.05)


def _processes() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            yield int(entry.name)


def _works_in(pid: int, folder: Path) -> bool:
    """Whether a program of ours was given a path in the demo's folder. Editors and shells that
    look into it are none of ours."""
    with suppress(OSError):
        entry = Path(f"/proc/{pid}")
        if entry.stat().st_uid != os.geteuid():
            return False
        if not _PROGRAMS.match((entry / "exe").readlink().name):
            return False
        inside = os.fsencode(folder) + b"/"
        words = (entry / "cmdline").read_bytes().split(b"\0")
        variables = (entry / "environ").read_bytes().split(b"\0")
        given = [*words, *(each.partition(b"=")[2] for each in variables)]
        return any(each.startswith(inside) for each in given)
    return False
