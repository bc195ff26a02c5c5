"""Standard output: JSON Lines with a sequence number each, so that a reader can skip up to n."""

from __future__ import annotations

import json
import os
import select
import time
from collections import deque
from collections.abc import Mapping

from bot.builder.redaction import Redactor

LINE = 16 * 1024
"""Bytes of log text in one record."""

_RUNTIME = 50
"""Bytes that a container runtime adds to each line of the file in which it keeps the output."""

_encode = json.JSONEncoder(separators=(",", ":")).encode
_PATIENCE_MS = 10_000
_PIPE_BUF = 4096


class Records:
    """Writes to a file descriptor; once that fails it stays silent, for a result matters more.

    Log text beyond `head` bytes goes to a ring of `tail` bytes that `close` prints, so that a step
    which prints gigabytes fills no disk and its last words are still there.
    """

    def __init__(
        self, fd: int, redactor: Redactor, *, head: int = 16 << 20, tail: int = 4 << 20
    ) -> None:
        self._fd = fd
        self._redactor = redactor
        self._number = 0
        self._dead = False
        self._head = head
        self._tail = tail
        self._ring: deque[tuple[int, Mapping[str, object]]] = deque()
        self._ring_bytes = 0
        self._left_out = 0
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def phase(self, name: str, state: str, seconds: float = 0.0) -> None:
        self._emit({"k": "phase", "name": name, "state": state, "seconds": round(seconds, 3)})

    def note(self, text: str) -> None:
        self._emit({"k": "note", "x": self._redactor.text(text)})

    def step(self, record: Mapping[str, object]) -> None:
        hidden = {
            key: self._redactor.text(value) if isinstance(value, str) else value
            for key, value in record.items()
        }
        self._emit({"k": "step", **hidden})

    def log(self, step: str, text: str) -> None:
        """One line or a piece of one; `step` and `text` are redacted already, by `LogStream`."""
        record = {"k": "log", "s": step, "x": text}
        if self._head > 0:
            self._head -= self._emit(record) + _RUNTIME
            return
        kept = {**record, "t": round(time.time(), 3)}
        length = len(json.dumps(kept)) + _RUNTIME
        self._ring.append((length, kept))
        self._ring_bytes += length
        while self._ring_bytes > self._tail:
            size, _ = self._ring.popleft()
            self._ring_bytes -= size
            self._left_out += size

    def close(self) -> None:
        """Print what the ring holds."""
        if self._left_out:
            self.note(f"about {self._left_out} bytes of log are left out here")
        while self._ring:
            self._emit(self._ring.popleft()[1])

    def _emit(self, record: Mapping[str, object]) -> int:
        """How many bytes that was."""
        if self._dead:
            return 0
        self._number += 1
        line = {"n": self._number, "t": round(time.time(), 3), **record}
        data = _encode(line).encode("ascii") + b"\n"
        try:
            self._write(data)
        except OSError:
            self._dead = True
        return len(data)

    def _write(self, data: bytes) -> None:
        # In pieces that a writable pipe takes without blocking: a reader that stopped reading must
        # not hold up the build for ever.
        while data:
            if not self._poll.poll(_PATIENCE_MS):
                raise TimeoutError("nobody reads the standard output")
            written = os.write(self._fd, data[:_PIPE_BUF])
            data = data[written:]


class LogStream:
    """One output stream of one step: bytes in any chunks → redacted lines of at most LINE bytes."""

    def __init__(self, records: Records, redactor: Redactor, step: str) -> None:
        self._records = records
        self._redactor = redactor.fresh()
        self._step = redactor.text(step)
        self._rest = b""

    def feed(self, data: bytes) -> None:
        self._lines(self._redactor.feed(data))

    def close(self) -> None:
        self._lines(self._redactor.flush())
        if self._rest:
            self._records.log(self._step, self._rest.decode("utf-8", "replace"))
            self._rest = b""

    def _lines(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            while len(line) > LINE:
                piece, line = _split(line)  # noqa: PLW2901 (what is left of the line)
                self._records.log(self._step, piece.decode("utf-8", "replace"))
            self._records.log(self._step, line.decode("utf-8", "replace"))
        while len(self._rest) > LINE:
            piece, self._rest = _split(self._rest)
            self._records.log(self._step, piece.decode("utf-8", "replace"))


def _split(line: bytes) -> tuple[bytes, bytes]:
    """Cut at LINE, but not inside a UTF-8 character."""
    at = LINE
    while at > LINE - 4 and line[at] & 0xC0 == 0x80:
        at -= 1
    return line[:at], line[at:]
