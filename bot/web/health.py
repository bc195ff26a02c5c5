"""`/healthz`, `/readyz` and `/metrics`: for the machinery around the bot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from flask import Blueprint, Response

from bot.web.inbox import Inbox, InboxWriter
from bot.web.metrics import CONTENT_TYPE, Metrics

ASK_SECONDS: Final = 1.0
"""Anybody may ask /readyz; the store is asked at most this often."""
WAIT_SECONDS: Final = 1.0
"""While one asks the store, others wait for its answer this long: it is then as good as none, and
the threads in which they wait are wanted for webhooks and /healthz."""


class Readiness:
    """Whether the store answers, remembered for a second."""

    def __init__(self, inbox: Inbox, monotonic: Callable[[], float]) -> None:
        self._inbox = inbox
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asked: float | None = None
        self._ready = False

    def ready(self) -> bool:
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            return False
        try:
            if self._asked is None or self._monotonic() - self._asked >= ASK_SECONDS:
                self._ready = self._ask()
                self._asked = self._monotonic()
            return self._ready
        finally:
            self._lock.release()

    def _ask(self) -> bool:
        try:
            self._inbox.check()
        except Exception:  # noqa: BLE001 whatever it is, we are not ready
            return False
        return True


def blueprint(writer: InboxWriter, readiness: Readiness, metrics: Metrics) -> Blueprint:
    pages = Blueprint("health", __name__)

    @pages.get("/healthz")
    def healthz() -> Response:
        """The process lives and its writer goes round. Says nothing of the database: a restart
        would not mend that."""
        return _say(writer.healthy(), "the inbox writer stands still")

    @pages.get("/readyz")
    def readyz() -> Response:
        return _say(writer.healthy() and readiness.ready(), "the database does not answer")

    @pages.get("/metrics")
    def prometheus() -> Response:
        return Response(metrics.page(), content_type=CONTENT_TYPE)

    return pages


def _say(well: bool, trouble: str) -> Response:
    text, status = ("ok\n", 200) if well else (trouble + "\n", 503)
    return Response(text, status, content_type="text/plain; charset=utf-8")
