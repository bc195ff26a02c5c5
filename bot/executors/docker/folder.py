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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.core.builds import BuilderResult, CacheUse, OutcomeClass, Place
from bot.core.ids import Digest


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
        """A descriptor that holds the lock, to hand to the builder; None: a builder has it."""
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def alive(self) -> bool:
        """Whether the builder runs: the lock dies with its holder, however that ends."""
        if not self.lock.exists():
            return False
        descriptor = self.take_lock()
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def find_builder(self) -> int | None:
        """The builder's process id, by its command line: ids are used again, folders are not."""
        wanted = os.fsencode(self.recipe)
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if wanted in words and b"bot.builder" in words:
                return int(entry.name)
        return None

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
            document = json.loads(self.result.read_text())
            return parse_result(document)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def last_words(self, limit: int = 500) -> str:
        """The end of what the builder wrote on standard error."""
        try:
            return self.errors.read_text(errors="replace")[-limit:].strip()
        except OSError:
            return ""

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def parse_result(document: Mapping[str, object]) -> BuilderResult:
    """Raises KeyError, TypeError or ValueError for what the builder can not have written."""
    line = document.get("line")
    cache = document.get("cache")
    phases = document.get("phases")
    warnings = document.get("warnings")
    digest = _text(document, "digest")
    return BuilderResult(
        outcome=OutcomeClass(str(document["class"])),
        message=str(document.get("message") or ""),
        digest=Digest(digest) if digest else None,
        size_bytes=_number(document, "size_bytes"),
        place=_place(line) if isinstance(line, Mapping) else None,
        phases=_phases(phases) if isinstance(phases, Mapping) else {},
        cache=_cache(cache) if isinstance(cache, Mapping) else CacheUse(),
        client=_text(document, "client") or "",
        daemon=_text(document, "daemon") or "",
        tree=_text(document, "tree"),
        warnings=tuple(str(w) for w in warnings) if isinstance(warnings, list) else (),
    )


def _text(document: Mapping[str, object], key: str) -> str | None:
    value = document.get(key)
    return value if isinstance(value, str) else None


def _number(document: Mapping[str, object], key: str) -> int | None:
    value = document.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _phases(document: Mapping[str, object]) -> dict[str, float]:
    return {str(k): float(v) for k, v in document.items() if isinstance(v, int | float)}


def _place(document: Mapping[str, object]) -> Place | None:
    file, line = _text(document, "file"), _number(document, "line")
    if file is None or line is None:
        return None
    return Place(file, line, _text(document, "instruction") or "")


def _cache(document: Mapping[str, object]) -> CacheUse:
    return CacheUse(
        hits=_number(document, "hits"),
        steps=_number(document, "steps"),
        pulled_bytes=_number(document, "pulled_bytes"),
        first_miss=_text(document, "first_miss"),
        candidates=_number(document, "candidates") or 0,
        found=_number(document, "found") or 0,
    )
