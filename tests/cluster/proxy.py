"""A TCP proxy on loopback that can fall silent: connections stay open and no byte passes, as when
a firewall forgets them."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class SilentProxy:
    """Forwards to `address:port`; `silent` swallows what comes, from either side."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self._to = (address, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.port = int(self._listener.getsockname()[1])
        self._sockets: list[socket.socket] = []
        self._forgotten: frozenset[socket.socket] = frozenset()
        self._closed = False
        self.silent = False
        self.accepted = 0
        self.swallowed = 0

    def forget(self) -> None:
        """The connections of now are silent for good; new ones are not."""
        self._forgotten = frozenset(self._sockets)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed = True
        # Closing alone leaves its thread in accept(), and the kernel begins that call again after a
        # stop, by the descriptor's number: it then takes a connection of whoever has that by now.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for one in list(self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._to)
            except OSError:  # nobody listens there just now
                near.close()
                continue
            self.accepted += 1
            self._sockets += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self.silent or source in self._forgotten:
                    self.swallowed += len(data)
                else:
                    target.sendall(data)
        with suppress(OSError):
            if not self.silent and source not in self._forgotten:
                target.shutdown(socket.SHUT_WR)
