"""gunicorn's threaded worker, made patient with few and slow clients only.

As it comes, that worker gives a thread to each connection before its first byte and lets it wait
without end for the rest of a header (https://github.com/benoitc/gunicorn/issues/3518): sixteen
silent connections stop it. Here a thread is given when the first bytes are there, a request that
does not come in within seconds is cut off, and when most threads read, the slowest is cut first.
And it waits two seconds for each client that got its answer to close, in the one loop that takes
connections: thirty that do not close stop it. Here the thread waits that has given the answer, and
no longer than a bound for a client that does not read it.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

READ_SECONDS: Final = 10.0
"""From a request's first byte to its last, but for large bodies, which have limits of their own."""
CROWDED_SECONDS: Final = 1.0
"""The same while more than half of the threads read."""
FIRST_BYTE_SECONDS: Final = 5.0
SEND_SECONDS: Final = 20.0
"""For which a client may take to read one piece of its answer, a page or some lines of a log."""
LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 64 * 1024
"""What a client that has its answer may take, and send, before it closes."""


class Reading:
    """A request whose bytes are still coming in. It is what `bot.web.bodies` calls a patience."""

    __slots__ = ("_done", "_socket", "started")

    def __init__(
        self, client: socket.socket, started: float, done: Callable[[Reading], None]
    ) -> None:
        self._socket = client
        self._done = done
        self.started = started

    def body_read(self) -> None:
        self._done(self)

    def body_is_large(self) -> None:
        """Four of these may be at once, each with a deadline: they are not hurried."""
        self._done(self)

    def cut(self) -> None:
        """End it: the thread that waits for its bytes reads an end of file."""
        try:
            self._socket.shutdown(socket.SHUT_RD)
        except OSError:
            return  # gone already


class Readings:
    """All requests that are coming in. Thread-safe."""

    def __init__(self, crowd: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`crowd`: with more than so many at once the slow ones are cut early."""
        self._crowd = crowd
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._reading: set[Reading] = set()

    def begin(self, client: socket.socket) -> Reading:
        reading = Reading(client, self._monotonic(), self.end)
        with self._lock:
            self._reading.add(reading)
        return reading

    def end(self, reading: Reading) -> None:
        with self._lock:
            self._reading.discard(reading)

    def hurry(self) -> int:
        """Cut what took too long; how many those were."""
        with self._lock:
            crowded = len(self._reading) > self._crowd
            limit = CROWDED_SECONDS if crowded else READ_SECONDS
            late = [r for r in self._reading if self._monotonic() - r.started > limit]
            for reading in late:
                self._reading.discard(reading)
                # Under the lock: once its thread ends it, the socket may serve another request.
                reading.cut()
        return len(late)


class _Connection(TConn):  # type: ignore[misc] # gunicorn has no types
    def init(self) -> None:
        """Called before each request. By itself a thread waits without end for a client that reads
        nothing; what reads a body sets a time of its own."""
        super().init()
        self.sock.settimeout(SEND_SECONDS)

    def close(self, graceful: bool = False) -> None:  # noqa: ARG002 gunicorn's own
        """At once: where there is something to wait for, its thread has done it."""
        super().close()


def _until_closed(client: socket.socket) -> None:
    """What a client still sends is taken until it closes: it would be told of a broken connection
    else, and never see its answer. https://www.rfc-editor.org/rfc/rfc9112#section-9.6"""
    until, room = time.monotonic() + LINGER_SECONDS, LINGER_BYTES
    with suppress(OSError):
        client.shutdown(socket.SHUT_WR)
        while room > 0 and (left := until - time.monotonic()) > 0:
            client.settimeout(left)
            piece = client.recv(4096)
            if not piece:
                return
            room -= len(piece)


class PatientWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """For `worker_class` in `bot.web.gunicorn`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._readings = Readings(crowd=max(1, self.cfg.threads // 2))
        self._current = threading.local()

    def load_wsgi(self) -> None:
        application, current = self.app.wsgi(), self._current

        def patient(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            reading: Reading | None = getattr(current, "reading", None)
            if reading is not None:
                if environ["REQUEST_METHOD"] == "POST":
                    environ["pushwright.patience"] = reading
                else:
                    reading.body_read()
            answer: Iterable[bytes] = application(environ, start_response)
            return answer

        self.wsgi = patient

    def accept(self, listener: socket.socket) -> None:
        """Take a connection, and give it a thread when it says something."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        conn = _Connection(self.cfg, client, address, listener.getsockname())
        conn.timeout = time.monotonic() + FIRST_BYTE_SECONDS
        self.pending_conns.append(conn)
        when_readable = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, when_readable)

    def handle(self, conn: Any) -> Any:
        """One request of a connection, in a thread."""
        self._current.reading = reading = self._readings.begin(conn.sock)
        try:
            kept = super().handle(conn)
        finally:
            self._readings.end(reading)
            self._current.reading = None
        if not kept:
            self._linger(conn.sock)
        return kept

    def _linger(self, client: socket.socket) -> None:
        """As a reading: it is cut sooner where most threads read."""
        reading = self._readings.begin(client)
        try:
            _until_closed(client)
        finally:
            self._readings.end(reading)

    def murder_pending(self) -> None:
        """Called by the main loop about once a second, and oftener when there is work."""
        super().murder_pending()
        self._readings.hurry()
