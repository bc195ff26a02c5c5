"""The way into the store: many requests, one thread that writes, one commit for all who wait.

A request is answered only after the commit that holds its delivery. Commits wait for the disk, so
while one is under way the next deliveries gather, and each commit carries all that came meanwhile:
no delivery waits for a timer, and the busier it gets the fewer commits a delivery costs.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from bot.ports import Temporary
from bot.records import IncomingDelivery

BATCH_ROWS: Final = 64
BATCH_BYTES: Final = 8 * 1024 * 1024
GATHER_SECONDS: Final = 0.005
"""How long a commit is held for requests that are being read. It costs about a millisecond."""
PATIENCE_SECONDS: Final = 5.0
"""How long a request waits for its commit. Git hosts give up after ten seconds."""
HEARTBEAT_SECONDS: Final = 1.0
STUCK_SECONDS: Final = 30.0

_LOG = logging.getLogger(__name__)


class Inbox(Protocol):
    """What the web process needs of the store."""

    def put_deliveries(self, deliveries: Sequence[IncomingDelivery]) -> None:
        """One transaction, durable when it returns. A known (source, delivery) is queued again.

        Raises `bot.ports.Temporary` where the store can't take anything now.
        """

    def check(self) -> None:
        """Raises where the store can't be written to."""


class NotStored(Exception):
    """The delivery was not stored for certain: the sender must be told so."""


class _Waiting:
    """A delivery on its way to the disk, and the request that waits for it."""

    __slots__ = ("abandoned", "delivery", "done", "error")

    def __init__(self, delivery: IncomingDelivery) -> None:
        self.delivery = delivery
        self.done = threading.Event()
        self.error: Exception | None = None
        self.abandoned = False

    def finish(self, error: Exception | None = None) -> None:
        self.error = error
        self.done.set()


class InboxWriter:
    """The one writing thread of a process. `start` it in the process that serves, not before a
    fork; `stop` it when no more requests come: what waits is written first."""

    def __init__(self, inbox: Inbox, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._inbox = inbox
        self._monotonic = monotonic
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._beat = monotonic()
        self._stopped = False
        self._count = threading.Lock()
        self._coming = 0

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """For a request that is being read: the next commit waits for it a little."""
        with self._count:
            self._coming += 1
        try:
            yield
        finally:
            with self._count:
                self._coming -= 1

    def start(self) -> None:
        if self._thread is None:
            self._beat = self._monotonic()
            self._thread = threading.Thread(target=self._run, name="inbox-writer", daemon=True)
            self._thread.start()

    def stop(self, seconds: float = 10.0) -> bool:
        """Write what waits, then end. False: it took longer than `seconds`."""
        self._stopped = True
        thread = self._thread
        if thread is None:
            return True
        self._queue.put(None)
        thread.join(seconds)
        return not thread.is_alive()

    def put(self, delivery: IncomingDelivery, seconds: float = PATIENCE_SECONDS) -> None:
        """Return once the delivery is on disk. Raises NotStored, at the latest after `seconds`."""
        if self._stopped or self._thread is None:
            raise NotStored("the writer is not running")
        waiting = _Waiting(delivery)
        self._queue.put(waiting)
        if not waiting.done.wait(seconds):
            waiting.abandoned = True
            raise NotStored(f"no commit within {seconds:g} s")
        if waiting.error is not None:
            raise NotStored(str(waiting.error)) from waiting.error

    def waiting(self) -> int:
        """Roughly how many deliveries wait to be gathered."""
        return self._queue.qsize()

    def healthy(self) -> bool:
        """The thread lives and went round its loop lately."""
        thread = self._thread
        beating = self._monotonic() - self._beat < STUCK_SECONDS
        return thread is not None and thread.is_alive() and beating

    def _run(self) -> None:
        ending = False
        while not ending:
            self._beat = self._monotonic()
            batch, ending = self._gather()
            if batch:
                self._write(batch)

    def _gather(self) -> tuple[list[_Waiting], bool]:
        """What waits now, at least one if any comes within a heartbeat; and whether to end."""
        batch: list[_Waiting] = []
        size = 0
        try:
            item = self._queue.get(timeout=HEARTBEAT_SECONDS)
            end = self._monotonic() + GATHER_SECONDS
            while item is not None:
                if not item.abandoned:
                    batch.append(item)
                    size += len(item.delivery.body)
                if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
                    return batch, False
                more = self._coming > len(batch)
                left = end - self._monotonic() if more else 0.0
                item = self._queue.get(timeout=max(0.0, left))
        except queue.Empty:
            return batch, False
        return batch, True

    def _write(self, batch: Sequence[_Waiting]) -> None:
        # Of equal deliveries one row is enough; all who sent it wait for the same commit.
        distinct = {(w.delivery.source, w.delivery.delivery): w.delivery for w in batch}
        error = self._put(tuple(distinct.values()))
        if error is None or len(distinct) == 1 or isinstance(error, Temporary):
            for waiting in batch:
                waiting.finish(error)
            return
        # One delivery that the store refuses must not take the others with it.
        for waiting in batch:
            waiting.finish(self._put((waiting.delivery,)))

    def _put(self, deliveries: Sequence[IncomingDelivery]) -> Exception | None:
        try:
            self._inbox.put_deliveries(deliveries)
        except Exception as error:  # noqa: BLE001 whatever it is, the senders are told and the thread lives
            _LOG.warning("%d deliveries not stored: %s", len(deliveries), error)
            return error
        return None
