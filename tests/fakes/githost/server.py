"""The HTTP server: reads requests whole, applies faults, keeps a record of what was asked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.fakes.githost.faults import Faults
from tests.fakes.githost.web import Answer, Asked

_BODY_LIMIT = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """One request and what it got. `status` 0: the connection was closed without an answer."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: bytes
    headers: dict[str, str]
    status: int


class HostServer(ThreadingHTTPServer):
    """`answer` is called on the connection's own thread. `now`: the host's clock."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self,
        place: tuple[str, int],
        answer: Callable[[Asked], Answer],
        faults: Faults,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(place, _Handler)
        self.answer = answer
        self.now = now
        self.faults = faults
        self.records: list[Record] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client's delayed ACK
    server: HostServer
    timeout = 60

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._read(headers)
        asked = Asked.of(self.command, self.path, headers, body)
        answer = self._faulty(asked)
        status = answer.status if answer else 0
        record = Record(asked.method, asked.path, asked.query, body, headers, status)
        self.server.records.append(record)
        if answer is None:
            self.close_connection = True
            return
        self._write(answer)

    def _faulty(self, asked: Asked) -> Answer | None:
        fault = self.server.faults.take(asked.method, asked.path)
        if fault is None:
            return self.server.answer(asked)
        match fault.kind:
            case "answer":
                return Answer.of({"message": fault.message}, fault.status, headers=fault.headers)
            case "drop before":
                return None
            case "drop after":
                self.server.answer(asked)
                return None
            case "slow":
                time.sleep(fault.seconds)
                return self.server.answer(asked)
            case "not stored":
                return Answer.of({"id": 1, "state": "pending"}, fault.status)

    def _read(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = int(headers.get("content-length") or 0)
        return self.rfile.read(min(length, _BODY_LIMIT))

    def _chunks(self) -> bytes:
        """Git sends packs over a megabyte this way."""
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    def _write(self, answer: Answer) -> None:
        with contextlib.suppress(ConnectionError):
            names = {name.lower() for name, _ in answer.headers}
            self.send_response_only(answer.status)
            if "date" not in names:
                self.send_header("Date", self.date_time_string(self.server.now()))
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Requests are kept in `records`, not printed."""
