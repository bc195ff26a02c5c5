"""BuildKit's progress as vertices: from buildx (`--progress=rawjson`) or docker 20.10 (`plain`).

Both run over text that build steps may influence, so nothing here decides how the build ended
except the vertices' own error fields, which a step's output can't write.
"""

from __future__ import annotations

import base64
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from bot.builder.dockerfile import Step, parse_step

_TEXT_ROOM = 64 * 1024
_LINE_ROOM = 4 << 20
_PIECE = 256 * 1024


@dataclass(slots=True)
class Vertex:
    """One node of the build graph. `cached`: None where the output doesn't say.

    `pulled`: bytes of each layer that was fetched for it; `intervals`: seconds by start time.
    """

    number: int
    name: str
    cached: bool | None = None
    error: str = ""
    pulled: dict[str, int] = field(default_factory=dict)
    intervals: dict[str, float] = field(default_factory=dict)
    done: bool = False
    step: Step | None = None

    def __post_init__(self) -> None:
        self.step = parse_step(self.name)

    @property
    def seconds(self) -> float:
        return sum(self.intervals.values())

    @property
    def label(self) -> str:
        """Short, for the log: the step's bracket, or the name."""
        return self.name.partition("]")[0] + "]" if self.step else self.name[:80]


OnLog = Callable[[Vertex, bytes], None]
OnDone = Callable[[Vertex], None]


class Progress(Protocol):
    """Fed with chunks as they come; `text` is what the client itself said."""

    vertices: dict[str, Vertex]

    def feed(self, chunk: bytes) -> None: ...
    def close(self) -> None: ...
    @property
    def text(self) -> str: ...


class _Lines(ABC):
    """Chunks to lines, and the client's own words kept within bounds."""

    def __init__(self) -> None:
        self._rest = b""
        self._text: list[str] = []
        self._text_size = 0
        self.vertices: dict[str, Vertex] = {}

    @property
    def text(self) -> str:
        return "\n".join(self._text)

    def feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line)
        self._overlong()

    def close(self) -> None:
        if self._rest:
            self._line(self._rest)
        self._rest = b""

    def _say(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        self._text.append(text)
        self._text_size += len(text)
        while self._text_size > _TEXT_ROOM:
            self._text_size -= len(self._text.pop(0))

    @abstractmethod
    def _line(self, line: bytes) -> None:
        """One whole line, without its end."""

    def _overlong(self) -> None:
        if len(self._rest) > _LINE_ROOM:
            self._rest = b""


class RawJson(_Lines):
    """https://docs.docker.com/reference/cli/docker/buildx/build/#progress"""

    def __init__(self, on_log: OnLog, on_done: OnDone) -> None:
        super().__init__()
        self._on_log = on_log
        self._on_done = on_done

    def _line(self, line: bytes) -> None:
        document: Any = None
        if line.startswith(b"{"):
            with suppress(ValueError, RecursionError):
                document = json.loads(line)
        if not isinstance(document, dict):
            self._say(line)
            return
        for item in document.get("vertexes") or ():
            self._vertex(item)
        for item in document.get("statuses") or ():
            vertex = self.vertices.get(item.get("vertex", ""))
            if vertex and str(item.get("id", "")).startswith("sha256:"):
                vertex.pulled[item["id"]] = int(item.get("total") or 0)
        for item in document.get("logs") or ():
            vertex = self.vertices.get(item.get("vertex", ""))
            if vertex:
                self._on_log(vertex, base64.b64decode(item.get("data") or ""))

    def _vertex(self, item: dict[str, Any]) -> None:
        key = str(item.get("digest"))
        vertex = self.vertices.get(key)
        if vertex is None:
            vertex = Vertex(len(self.vertices) + 1, str(item.get("name", "")))
            self.vertices[key] = vertex
        if item.get("cached"):
            vertex.cached = True
        if item.get("error"):
            vertex.error = str(item["error"])
        started, completed = item.get("started"), item.get("completed")
        if started and completed and started not in vertex.intervals:
            vertex.intervals[started] = _between(started, completed)
            vertex.done = True
            if vertex.cached is None and vertex.step:
                vertex.cached = False
            self._on_done(vertex)


def _between(started: str, completed: str) -> float:
    try:
        delta = datetime.fromisoformat(completed) - datetime.fromisoformat(started)
    except ValueError:
        return 0.0
    return max(0.0, delta.total_seconds())


_PLAIN = re.compile(rb"#(\d+) (.*)", re.DOTALL)
_PLAIN_LOG = re.compile(rb"\d+\.\d+ ?(.*)", re.DOTALL)
_PLAIN_DONE = re.compile(rb"DONE (\d+(?:\.\d+)?)s")
_PLAIN_PULL = re.compile(rb"(sha256:[0-9a-f]{64}) (?:\S+ / )?(\d+(?:\.\d+)?)(B|kB|MB|GB)\b")
_UNITS = {b"B": 1, b"kB": 1000, b"MB": 1000**2, b"GB": 1000**3}


class Plain(_Lines):
    """docker 20.10's output. Every line that a step prints carries `#N seconds ` in front."""

    def __init__(self, on_log: OnLog, on_done: OnDone) -> None:
        super().__init__()
        self._on_log = on_log
        self._on_done = on_done
        self._open: Vertex | None = None
        self._closing = False

    def _line(self, line: bytes) -> None:
        if self._open is not None:
            self._on_log(self._open, line + b"\n")
            self._open = None
            return
        match = _PLAIN.fullmatch(line)
        if match is None or self._closing:
            if line.strip():
                self._closing = self._closing or line.startswith(b"------")
                self._say(line)
            return
        key = match[1].decode()
        vertex = self.vertices.get(key)
        if vertex is None:
            name = match[2].decode("utf-8", "replace")
            self.vertices[key] = Vertex(len(self.vertices) + 1, name)
            return
        self._of(vertex, match[2])

    def _of(self, vertex: Vertex, rest: bytes) -> None:
        if rest == b"CACHED":
            vertex.cached = vertex.done = True
            self._on_done(vertex)
        elif done := _PLAIN_DONE.fullmatch(rest):
            vertex.intervals["plain"] = float(done[1])
            vertex.done = True
            self._on_done(vertex)
        elif rest.startswith(b"ERROR: "):
            vertex.error = rest[7:].decode("utf-8", "replace")
            vertex.done = True
            self._on_done(vertex)
        elif pull := _PLAIN_PULL.match(rest):
            vertex.pulled[pull[1].decode()] = round(float(pull[2]) * _UNITS[pull[3]])
        elif log := _PLAIN_LOG.fullmatch(rest):
            vertex.cached = False  # it printed something, so it ran
            self._on_log(vertex, log[1] + b"\n")

    def _overlong(self) -> None:
        """A line without end: hand its beginning on, the rest follows as it comes."""
        if len(self._rest) < _PIECE:
            return
        match = _PLAIN.match(self._rest)
        if self._open is None and match is not None:
            self._open = self.vertices.get(match[1].decode())
        if self._open is not None:
            self._on_log(self._open, self._rest)
        self._rest = b""
