"""HTTP servers on loopback: one that runs any handler, and one that answers by a function and keeps
what it was asked. And ports for programs that tests start."""

from __future__ import annotations

import atexit
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit


def free_port() -> int:
    """For a program that we start: ours until this process ends, or a server or a client of another
    test is given it before the program is. Servers set SO_REUSEADDR, hence may listen there all the
    same: https://man7.org/linux/man-pages/man7/socket.7.html"""
    held = socket.socket()
    atexit.register(held.close)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return int(held.getsockname()[1])


Certificate = tuple[Path, Path]
"""A certificate's file and its key's."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is nothing to print."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Loopback:
    """Serves while it is entered, from a thread of its own. `address`: another one of this machine
    alone, which pods of a node on it reach."""

    def __init__(
        self,
        handler: type[BaseHTTPRequestHandler],
        certificate: Certificate | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self._address = address
        self._server = _Server((address, 0), handler)
        self._scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def host(self) -> str:
        return f"{self._address}:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"{self._scheme}://{self.host}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; `headers` by their names as they came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    """A Content-Length other than the body's."""


Answer = Callable[[Asked], Reply]


@dataclass(slots=True)
class Script:
    """A server that answers by a function, and what it was asked."""

    url: str
    asked: list[Asked]

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


@contextmanager
def serve(
    answer: Answer, certificate: Certificate | None = None, address: str = "127.0.0.1"
) -> Iterator[Script]:
    """`certificate`: for TLS."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Asked(
                self.command, self.path, dict(self.headers.items()), self.rfile.read(length)
            )
            asked.append(request)
            reply = answer(request)
            size = len(reply.body) if reply.length is None else reply.length
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)
            if size != len(reply.body):
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _any  # noqa: N815 - http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server
            pass

    with Loopback(Handler, certificate, address) as server:
        yield Script(server.url, asked)
