"""The result of one run: what it holds, and how it is kept within a termination message."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.builder.classes import BuildClass

LIMIT = 4096
"""Bytes of a result file: what Kubernetes keeps of a termination message.
https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/"""

_WARNING_CHARS = 300
_MESSAGE_CHARS = 1800


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the repository. `line` counts from 1; `instruction`: its first word, if known."""

    file: str
    line: int
    instruction: str | None = None


class BuildFailed(Exception):
    """The run ends here. The text is fit for the person who pushed."""

    def __init__(self, kind: BuildClass, message: str, position: Position | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.position = position


@dataclass(frozen=True, slots=True)
class CacheSummary:
    """`hits` of `steps` Dockerfile steps; `pulled_bytes` for cached layers; None means unknown.

    `why` the first miss was one; `rerun_stages`: those that are not in the image and ran, for
    `rerun_seconds`, though a cache was found.
    """

    hits: int | None = None
    steps: int | None = None
    pulled_bytes: int | None = None
    first_miss: str | None = None
    candidates: int = 0
    found: int = 0
    why: str | None = None
    rerun_stages: str | None = None
    rerun_seconds: float | None = None


@dataclass(slots=True)
class Result:
    """Filled while the run goes on, written once at its end."""

    kind: BuildClass = BuildClass.INTERNAL
    message: str = "the builder ended before it had a result"
    digest: str | None = None
    size_bytes: int | None = None
    position: Position | None = None
    phases: dict[str, float] = field(default_factory=dict)
    cache: CacheSummary = field(default_factory=CacheSummary)
    client: str | None = None
    daemon: str | None = None
    tree: str | None = None
    warnings: list[str] = field(default_factory=list)

    def fail(self, failure: BuildFailed) -> None:
        self.kind, self.message, self.position = failure.kind, failure.message, failure.position
        self.digest = self.size_bytes = None


def encode(result: Result) -> bytes:
    """JSON of at most LIMIT bytes: warnings are dropped, last first; texts cut in the middle."""
    warnings = [_cut(text, _WARNING_CHARS) for text in result.warnings]
    room = _MESSAGE_CHARS
    while True:
        data = json.dumps(_document(result, warnings, room), separators=(",", ":")).encode()
        if len(data) <= LIMIT:
            return data
        if warnings:
            warnings.pop()
        else:
            room = room * 3 // 4


def _document(result: Result, warnings: list[str], room: int) -> Mapping[str, object]:
    position = result.position
    cache = result.cache
    return {
        "version": 1,
        "class": str(result.kind),
        "message": _cut(result.message, room),
        "digest": result.digest,
        "size_bytes": result.size_bytes,
        "line": position
        and {
            "file": _cut(position.file, min(room, 200)),
            "line": position.line,
            "instruction": position.instruction and _cut(position.instruction, 40),
        },
        "phases": {name: round(seconds, 3) for name, seconds in result.phases.items()},
        "cache": {
            "hits": cache.hits,
            "steps": cache.steps,
            "pulled_bytes": cache.pulled_bytes,
            "first_miss": cache.first_miss and _cut(cache.first_miss, min(room, 200)),
            "candidates": cache.candidates,
            "found": cache.found,
            "why": cache.why and _cut(cache.why, min(room, 160)),
            "rerun_stages": cache.rerun_stages and _cut(cache.rerun_stages, min(room, 60)),
            "rerun_seconds": cache.rerun_seconds,
        },
        "client": result.client and _cut(result.client, 80),
        "daemon": result.daemon and _cut(result.daemon, 80),
        "tree": result.tree,
        "warnings": warnings,
    }


def _cut(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    head = room * 2 // 3
    return f"{text[:head]} … {text[len(text) - (room - head) + 3 :]}"


def write(result: Result, path: Path) -> None:
    """Whole or not at all: a reader never sees half a result. Raises OSError."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with new.open("wb") as file:
            file.write(encode(result))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        # A termination message is a mounted file: it can be written, but not replaced.
        new.unlink(missing_ok=True)
        path.write_bytes(encode(result))
