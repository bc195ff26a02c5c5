"""The web process as one Flask application. It knows no Git host, no cluster and no registry."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from flask import Blueprint, Flask, Response
from werkzeug.exceptions import HTTPException

from bot.ports import Clock, Temporary
from bot.web import health, webhooks
from bot.web.bodies import BodyReader
from bot.web.inbox import Inbox, InboxWriter
from bot.web.metrics import Metrics
from bot.web.sources import Sources

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""On every answer that does not say otherwise; pages allow themselves what they need."""

WRITER: Final = "pushwright.inbox-writer"
"""Where the writer stands in `Flask.extensions`, for whoever starts and stops the process."""


def create_app(
    sources: Sources,
    inbox: Inbox,
    clock: Clock,
    blueprints: Sequence[Blueprint] = (),
    gauges: Callable[[], Mapping[str, float]] | None = None,
) -> Flask:
    """Wire the application. Its inbox writer stands still until `writer_of(app).start()`.

    `blueprints` are the pages; `gauges` are the store's numbers for /metrics.
    """
    app = Flask("bot.web")
    writer = InboxWriter(inbox, clock.monotonic)

    def numbers() -> Mapping[str, float]:
        """While the store is away those of this process are told all the same."""
        of_the_store: Mapping[str, float] = {}
        with suppress(Temporary):
            of_the_store = gauges() if gauges else {}
        return {"webhooks_waiting": writer.waiting(), **of_the_store}

    metrics = Metrics(numbers)
    receiver = webhooks.Receiver(sources, writer, BodyReader(clock.monotonic), metrics, clock)
    app.register_blueprint(webhooks.blueprint(receiver))
    readiness = health.Readiness(inbox, clock.monotonic)
    app.register_blueprint(health.blueprint(writer, readiness, metrics))
    for pages in blueprints:
        app.register_blueprint(pages)
    app.extensions[WRITER] = writer
    app.after_request(secure)
    app.register_error_handler(HTTPException, _plain)
    return app


def writer_of(app: Flask) -> InboxWriter:
    writer = app.extensions[WRITER]
    assert isinstance(writer, InboxWriter)  # noqa: S101 extensions are untyped; only we write there
    return writer


def secure(response: Response) -> Response:
    present = {name.lower() for name, _ in response.headers}
    response.headers.extend([h for h in SECURITY_HEADERS.items() if h[0].lower() not in present])
    return response


def _plain(error: HTTPException) -> Response:
    """Flask's own answers, without HTML and without an echo of what was asked."""
    response = Response(status=error.code or 500, content_type="application/json")
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    response.set_data(json.dumps({"error": error.name.lower()}) + "\n")
    return response
