"""A small HTTP server on loopback for what a test has to answer itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(frozen=True, slots=True)
class Heard:
    """A request; header names in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@contextmanager
def serving(answer: Callable[[Heard], int]) -> Iterator[str]:
    """The server's address. `answer` gives the code; there is no body, and nothing is printed."""

    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            self.send_response(answer(Heard(self.command, self.path, headers, body)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = reply  # noqa: N815 - the base's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
