"""The receiver and the pages in a thread of the test, over HTTP."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from werkzeug.serving import make_server
from werkzeug.wsgi import get_input_stream

from bot.core.centralconfig import CentralConfig
from bot.ports import Clock
from bot.store import open_store
from bot.web.app import create_app, writer_of
from bot.web.sources import ConfiguredSources


class WebThread:
    """`start()` and `stop()`, once each. It has a connection of its own to the database."""

    def __init__(self, database: str, central: Callable[[], CentralConfig], clock: Clock) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._store = open_store(database)
        self._app = create_app(ConfiguredSources(central, clock.monotonic), self._store, clock)
        self._server = make_server("127.0.0.1", 0, self._receive, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def start(self) -> None:
        writer_of(self._app).start()
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        writer_of(self._app).stop()
        self._store.close()

    def _receive(self, environ: Any, start_response: Any) -> Any:
        # Werkzeug's server gives the socket itself; gunicorn's input ends with the body.
        environ["wsgi.input"] = get_input_stream(environ)
        return self._app(environ, start_response)
