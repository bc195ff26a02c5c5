"""A registry behind a proxy that answers some requests itself: 429, 500, a body that ends early."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler

from tests.fakes.loopback import Loopback

Fault = Callable[[str, str], int | None]
"""(method, path) → the status to answer with, None to pass the request on. It may take its time."""


class FaultProxy(Loopback):
    """`fault` may be changed while it runs; `faults` counts its answers."""

    def __init__(self, upstream: str, address: str = "127.0.0.1") -> None:
        self.fault: Fault = lambda _method, _path: None
        self.faults = 0
        self._upstream = upstream
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # A TLS greeting must be answered in HTTP, else clients don't fall back to plain HTTP.
            default_request_version = "HTTP/1.1"

            def _any(self) -> None:
                outer._answer(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

            def log_error(self, *args: object) -> None:
                pass  # the TLS greetings

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                pass

        super().__init__(Handler, address=address)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = _body(handler)
        status = self.fault(handler.command, handler.path)
        if status is not None:
            self.faults += 1
            handler.send_response(status)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        # Who asked may go away in the middle: nothing stays open then.
        headers = dict(_passed(handler.headers.items()))
        with contextlib.closing(http.client.HTTPConnection(self._upstream, timeout=30)) as link:
            link.request(handler.command, handler.path, body, headers)
            with link.getresponse() as answer:
                _pass_on(handler, answer)


def _pass_on(handler: BaseHTTPRequestHandler, answer: http.client.HTTPResponse) -> None:
    content = answer.read()
    handler.send_response(answer.status)
    for name, value in _passed(answer.getheaders()):
        handler.send_header(name, value)
    length = answer.getheader("Content-Length") if handler.command == "HEAD" else None
    handler.send_header("Content-Length", length or str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def _passed(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Without those of one connection."""
    own = ("transfer-encoding", "content-length", "connection")
    return ((name, value) for name, value in headers if name.lower() not in own)


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    parts = []
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(parts)
