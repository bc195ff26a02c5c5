"""The two pages of `pushwright setup github`: one sends the browser to GitHub, one takes it back.

They are served on loopback to one person for minutes, by a server that ends with its purpose.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, abort, make_response, render_template, request
from werkzeug.serving import WSGIRequestHandler, make_server

from bot.core.appmanifest import (
    OneTimeState,
    RegisteredApp,
    StateFault,
    WantedApp,
    form_address,
    manifest,
)
from bot.core.reports_setup import OUR_ERROR, REFUSALS
from bot.ports import Clock, HostError
from bot.settings import SettingsMistake
from bot.web.app import secure

BACK: Final = "/registered"
"""Where GitHub sends the browser."""
FINISH_SECONDS: Final = 60.0
"""How long an exchange that began may still take, when the time is over or after Ctrl-C."""
_CODES: Final = {StateFault.WRONG: 403, StateFault.USED: 410, StateFault.LATE: 410}


@dataclass(slots=True)
class Reception:
    """One registration. `finish` takes the code and keeps what GitHub gives for it; what came of
    it is in `registered` or `error` once `ended` is set. Thread-safe."""

    app: WantedApp
    state: OneTimeState
    finish: Callable[[str], RegisteredApp]
    clock: Clock
    ended: threading.Event = field(default_factory=threading.Event)
    registered: RegisteredApp | None = None
    error: Exception | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, given: str) -> StateFault | None:
        with self._lock:
            return self.state.spend(given, self.clock.monotonic())


class _Silent(WSGIRequestHandler):
    """Addresses hold the code: none is logged."""

    def log(self, *_: object, **__: object) -> None: ...


def serve(reception: Reception, listener: socket.socket, seconds: float) -> None:
    """Until somebody came back from GitHub and was answered, or the time is over."""
    host, port = listener.getsockname()[:2]
    server = make_server(
        host,
        port,
        create_app(reception, f"http://{host}:{port}"),
        threaded=True,
        request_handler=_Silent,
        fd=listener.fileno(),
    )
    # A daemon: Ctrl-C may come between any two lines, and no thread keeps the process then.
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
    )
    try:
        thread.start()
        reception.ended.wait(seconds)
    finally:
        if reception.state.used:  # else a key that GitHub tells once would be lost half-way
            reception.ended.wait(FINISH_SECONDS)
        if thread.is_alive():
            server.shutdown()
        server.server_close()


def create_app(reception: Reception, address: str) -> Flask:
    """`address`: ours. Another name in `Host` is a foreign page that was made to lead here."""
    app = Flask("bot.web")
    port = address.rpartition(":")[2]
    names = {urlsplit(address).netloc, f"localhost:{port}"}

    @app.before_request
    def named() -> None:
        if request.host not in names:
            abort(421)

    @app.get("/")
    def begin() -> Response:
        response = make_response(form_page(reception.app, reception.state.value, address + BACK))
        response.headers["Content-Security-Policy"] = _policy(reception.app.source.url)
        # The origin and no more: without any, the form would come from nowhere.
        response.headers["Referrer-Policy"] = "origin"
        return response

    @app.get(BACK)
    def back() -> Response:
        return _back(reception)

    app.after_request(secure)
    return app


def form_page(app: WantedApp, state: str, return_to: str) -> str:
    """Needs an application's context."""
    return render_template(
        "setup.html",
        app=app,
        action=form_address(app, state),
        manifest=json.dumps(manifest(app, return_to)),
    )


def form_file(app: WantedApp, state: str, return_to: str) -> str:
    """The same page, to be opened from a file."""
    with Flask("bot.web").test_request_context():
        return form_page(app, state, return_to)


def _back(reception: Reception) -> Response:
    fault = reception.spend(request.args.get("state", ""))
    if fault is not None:
        return _said("Nothing was done", REFUSALS[fault], _CODES[fault])
    try:
        reception.registered = reception.finish(request.args.get("code", ""))
    except Exception as error:  # noqa: BLE001  raised again by whoever waits
        reception.error = error
        known = isinstance(error, HostError | SettingsMistake)
        response = _said("It did not work", str(error) if known else OUR_ERROR, 502)
    else:
        response = _said("The App is registered", "", 200, reception.registered)
    # Once this answer is sent, not before: the process ends then.
    response.call_on_close(reception.ended.set)
    return response


def _said(title: str, text: str, status: int, app: RegisteredApp | None = None) -> Response:
    response = make_response(render_template("setupend.html", title=title, text=text, app=app))
    response.status_code = status
    response.headers["Content-Security-Policy"] = _policy(None)
    return response


def _policy(form: str | None) -> str:
    """`form`: the one address that a form may be sent to."""
    origin = f"{urlsplit(form).scheme}://{urlsplit(form).netloc}" if form else "'none'"
    return (
        "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        f"form-action {origin}"
    )
