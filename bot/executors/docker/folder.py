"""The folder of one attempt: everything that lets another process adopt it.

recipe.json   the builder's document            result.json   what the builder wrote at its end
log.jsonl     its standard output               errors.txt    its standard error
lock          held by the builder while it lives
cancelled     when it was first asked to stop, in seconds since the epoch
private/      credentials, readable by us alone; gone with the folder
work/         the builder's scratch space
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.core.builds import BuilderResult
from bot.executors.results import read_result

_RESULT_LIMIT = 1 << 20
_FLOCK = struct.Struct("@hhqqi4x")
"""`struct flock` of 64-bit Linux: type, whence, start, length, pid.
https://man7.org/linux/man-pages/man2/fcntl_locking.2.html"""


def _whole_file(kind: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class AttemptFolder:
    path: Path

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.json"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def errors(self) -> Path:
        return self.path / "errors.txt"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def cancelled(self) -> Path:
        return self.path / "cancelled"

    @property
    def private(self) -> Path:
        return self.path / "private"

    @property
    def work(self) -> Path:
        return self.path / "work"

    def exists(self) -> bool:
        return self.path.is_dir()

    def take_lock(self) -> int | None:
        """A descriptor that holds the lock, to hand to the builder; None: somebody has it.

        An open file description lock: it is the builder's as soon as it inherits the descriptor,
        and it is gone with the last process that holds that.
        """
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK))
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def alive(self) -> bool:
        """Whether the builder runs: the lock dies with its holder, however that ends. Only asks,
        for a look that took the lock could make a start believe that a builder has it."""
        try:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            seen = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _whole_file(fcntl.F_WRLCK))
        finally:
            os.close(descriptor)
        kind: int = _FLOCK.unpack(seen)[0]
        return kind != fcntl.F_UNLCK

    def read_recipe(self) -> Mapping[str, object] | None:
        """None: there is none, or it can't be read."""
        try:
            document = json.loads(self.recipe.read_bytes())
        except (OSError, ValueError):
            return None
        return document if isinstance(document, dict) else None

    def clear(self) -> None:
        """Remove what a start that did not get far has left. Raises OSError."""
        for path in (self.log, self.errors):
            path.unlink(missing_ok=True)
        for path in (self.work, self.private):
            if path.exists():
                shutil.rmtree(path)

    def write_private(self, name: str, text: str) -> Path:
        self.private.mkdir(mode=0o700, exist_ok=True)
        path = self.private / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        return path

    def read_result(self) -> BuilderResult | None:
        """None: there is none, or it can't be read (the builder died, the disk was full)."""
        try:
            with self.result.open("rb") as file:
                return read_result(file.read(_RESULT_LIMIT))
        except OSError:
            return None

    def last_words(self, limit: int = 500) -> str:
        """The end of what the builder wrote on standard error."""
        try:
            with self.errors.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 4 * limit))
                return file.read().decode(errors="replace")[-limit:].strip()
        except OSError:
            return ""

    def remove_private(self) -> None:
        """Raises OSError."""
        if self.private.exists():
            shutil.rmtree(self.private)

    def remove(self) -> None:
        """Raises OSError."""
        if self.path.exists():
            shutil.rmtree(self.path)
