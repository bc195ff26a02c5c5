"""An HTTP proxy: the one way to a host that no name service knows."""

from __future__ import annotations

import selectors
import socket
from http.server import BaseHTTPRequestHandler

from tests.fakes.loopback import Loopback


class Tunnel(Loopback):
    """Every CONNECT leads to `upstream` (host:port); `asked` are the names that were wanted."""

    def __init__(self, upstream: str) -> None:
        self.asked: list[str] = []
        host, _, port = upstream.rpartition(":")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                outer.asked.append(self.path)
                with socket.create_connection((host, int(port)), 10) as there:
                    self.send_response(200)
                    self.end_headers()
                    _relay(self.connection, there)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(Handler)


def _relay(here: socket.socket, there: socket.socket) -> None:
    """Until one of the two ends."""
    with selectors.DefaultSelector() as waiting:
        waiting.register(here, selectors.EVENT_READ, there)
        waiting.register(there, selectors.EVENT_READ, here)
        while True:
            for key, _ in waiting.select():
                assert isinstance(key.fileobj, socket.socket)
                data = key.fileobj.recv(65536)
                if not data:
                    return
                key.data.sendall(data)
