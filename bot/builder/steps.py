"""From progress to what people see: log lines, step records, the cache summary."""

from __future__ import annotations

from collections.abc import Iterable

from bot.builder.dockerfile import Stage, instruction_of
from bot.builder.misses import cacheable
from bot.builder.progress import Vertex
from bot.builder.records import LogStream, Records
from bot.builder.redaction import Redactor

_TAIL = 4096


class StepReporter:
    """Gives `Progress` its two callbacks. Keeps each step's last bytes for the failure message."""

    def __init__(
        self, records: Records, redactor: Redactor, dockerfile: str, stages: list[Stage]
    ) -> None:
        self._records = records
        self._redactor = redactor
        self._dockerfile = dockerfile
        self._stages = stages
        self._streams: dict[int, LogStream] = {}
        self._tails: dict[int, bytes] = {}

    def log(self, vertex: Vertex, data: bytes) -> None:
        stream = self._streams.get(vertex.number)
        if stream is None:
            stream = LogStream(self._records, self._redactor, vertex.label)
            self._streams[vertex.number] = stream
        stream.feed(data)
        self._tails[vertex.number] = (self._tails.get(vertex.number, b"") + data)[-_TAIL:]

    def done(self, vertex: Vertex) -> None:
        stream = self._streams.pop(vertex.number, None)
        if stream is not None:
            stream.close()
        line = self.line(vertex)
        self._records.step(
            {
                "id": str(vertex.number),
                "name": vertex.name[:500],
                "file": self._dockerfile if line else None,
                "line": line,
                "hit": vertex.cached if cacheable(vertex) else None,
                "pulled_bytes": sum(vertex.pulled.values()),
                "seconds": round(vertex.seconds, 3),
                "error": vertex.error[-500:] or None,
            }
        )

    def close(self) -> None:
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()

    def line(self, vertex: Vertex) -> int | None:
        found = instruction_of(self._stages, vertex.step) if vertex.step else None
        return found.line if found else None

    def last_lines(self, vertices: Iterable[Vertex]) -> str:
        """The last three lines that the failed step printed, redacted."""
        for vertex in vertices:
            if vertex.error and vertex.number in self._tails:
                tail = self._tails[vertex.number]
                text = self._redactor.text(tail.decode("utf-8", "surrogateescape"))
                lines = [line.strip() for line in text.splitlines() if line.strip()]
                if len(tail) == _TAIL:
                    lines = lines[1:]  # it may begin inside a secret
                return "\n".join(line[:200] for line in lines[-3:])
        return ""
