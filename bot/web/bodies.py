"""Reading a request's body: measured, checked and compressed piece by piece, never held whole.

Up to 25 MB are legitimate (https://docs.github.com/en/webhooks/webhook-events-and-payloads), nearly
all are under 50 KB. Until its signature is known to be right a body is kept compressed, in memory
up to a mebibyte and in a temporary file beyond; no more than a few large ones are read at a time.
"""

from __future__ import annotations

import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final, Protocol

from bot.core.signatures import Check

BODY_BYTES_MAX: Final = 25 * 1024 * 1024
"""What GitHub and GitLab send at most."""
LARGE_BYTES: Final = 1024 * 1024
LARGE_AT_ONCE: Final = 4
LARGE_WAIT_SECONDS: Final = 5.0
READ_SECONDS: Final = 10.0
LARGE_READ_SECONDS: Final = 30.0
_PIECE: Final = 64 * 1024
_LARGE_PIECE: Final = 256 * 1024
_LEVEL: Final = 1
"""Of zlib: a 20 KB body takes 0.2 ms and shrinks to a fifth; higher levels gain little."""


class TooLarge(Exception):
    """The body is longer than any that a Git host sends."""


class Incomplete(Exception):
    """The client went away, or its chunks can't be decoded."""


class TooSlow(Exception):
    """The body did not arrive in time."""


class Busy(Exception):
    """Enough large bodies are being read already."""


class Patience(Protocol):
    """Who decides how long this client may take; the server gives one to each request."""

    def body_read(self) -> None: ...

    def body_is_large(self) -> None: ...


class _Unhurried:
    def body_read(self) -> None:
        pass

    def body_is_large(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Body:
    """A body that was read to its end, compressed with zlib. `size` counts it uncompressed."""

    compressed: IO[bytes]
    size: int

    def content(self) -> bytes:
        self.compressed.seek(0)
        return self.compressed.read()


class BodyReader:
    """Reads bodies for all threads of a process."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._large = threading.BoundedSemaphore(LARGE_AT_ONCE)

    @contextmanager
    def read(self, environ: Mapping[str, Any], check: Check) -> Iterator[Body]:
        """Read the body of a WSGI request, feeding `check`; for the block the body is kept.

        Raises TooLarge, Incomplete, TooSlow, Busy.
        """
        reading = _Reading(environ, check, self._large, self._monotonic)
        try:
            yield reading.run()
        finally:
            reading.close()


class _Reading:
    """One body on its way in."""

    __slots__ = (
        "_check", "_deadline", "_holds_slot", "_large", "_monotonic", "_patience", "_size",
        "_socket", "_spool", "_stream",
    )  # fmt: skip

    def __init__(
        self,
        environ: Mapping[str, Any],
        check: Check,
        large: threading.BoundedSemaphore,
        monotonic: Callable[[], float],
    ) -> None:
        self._check = check
        self._large = large
        self._monotonic = monotonic
        self._stream: IO[bytes] = environ["wsgi.input"]
        self._socket = environ.get("gunicorn.socket")
        self._patience: Patience = environ.get("pushwright.patience") or _Unhurried()
        self._deadline = monotonic() + READ_SECONDS
        self._size = 0
        self._holds_slot = False
        self._spool: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=LARGE_BYTES)  # noqa: SIM115 closed by `close`

    def run(self) -> Body:
        packer = zlib.compressobj(_LEVEL)
        while piece := self._next():
            self._size += len(piece)
            if self._size > BODY_BYTES_MAX:
                raise TooLarge
            if self._size > LARGE_BYTES and not self._holds_slot:
                self._take_slot()
            self._check.update(piece)
            self._spool.write(packer.compress(piece))
        self._spool.write(packer.flush())
        self._patience.body_read()
        return Body(self._spool, self._size)

    def _next(self) -> bytes:
        left = self._deadline - self._monotonic()
        if left <= 0:
            raise TooSlow
        if self._socket is not None:
            self._socket.settimeout(left)
        try:
            return self._stream.read(_LARGE_PIECE if self._holds_slot else _PIECE)
        except TimeoutError as error:
            raise TooSlow from error
        except Exception as error:
            # The server's decoder has error classes of its own for bad chunks.
            raise Incomplete from error

    def _take_slot(self) -> None:
        if not self._large.acquire(timeout=LARGE_WAIT_SECONDS):
            raise Busy
        self._holds_slot = True
        self._patience.body_is_large()
        self._deadline = self._monotonic() + LARGE_READ_SECONDS

    def close(self) -> None:
        self._spool.close()
        if self._holds_slot:
            self._large.release()
