"""Steps of builds that wait until the test lets them go on, so that no test guesses how long one
takes."""

from __future__ import annotations

import itertools
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LONGEST = 600.0
"""Seconds that a step waits at most."""


class Gate:
    """`step` is the command of a RUN step that waits here."""

    def __init__(self, url: str) -> None:
        # The answer is held back until the gate opens; what breaks off meanwhile asks again.
        self.step = f"until wget -q -O /dev/null {url}; do sleep 1; done"
        self._asked = threading.Event()
        self._opened = threading.Event()

    def reached(self, timeout: float = 120.0) -> None:
        """Wait until a step stands here; TimeoutError where none comes."""
        if not self._asked.wait(timeout):
            raise TimeoutError(f"no build came to its gate within {timeout:.0f} s")

    def was_reached(self) -> bool:
        return self._asked.is_set()

    def open(self) -> None:
        """All that stand here go on, and who comes later does not wait."""
        self._opened.set()

    def hold(self) -> None:
        """What a request to the gate does, in a thread of its own."""
        self._asked.set()
        self._opened.wait(_LONGEST)


class Gates:
    """A server that pods reach; `stop()` opens every gate."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._made: dict[str, Gate] = {}
        self._numbers = itertools.count(1)
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        gates = self._made

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gate = gates.get(self.path)
                if gate is not None:
                    gate.hold()
                self.send_response(200 if gate is not None else 404)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Silent."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *args: Any) -> None:
                """Who waited was killed: that is what tests do."""

        self._server = Server((self._address, 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="gates", daemon=True).start()

    def new(self) -> Gate:
        assert self._server is not None, "not started"
        path = f"/{next(self._numbers)}"
        self._made[path] = Gate(f"http://{self._address}:{self._server.server_port}{path}")
        return self._made[path]

    def stop(self) -> None:
        """A second call does nothing."""
        for gate in self._made.values():
            gate.open()
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
