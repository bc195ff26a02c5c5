"""What answers in the API server's place, such as a proxy that wants a sign-in, says nothing."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.clock import SystemClock
from bot.executors.kubernetes.api import Api, pods_path
from bot.executors.kubernetes.connection import Connection
from bot.ports import Temporary

POD = pods_path("builds", "pushwright-b-1")
CALLS: dict[str, Callable[[Api], object]] = {
    "get": lambda api: api.get(POD),
    "create": lambda api: api.create(pods_path("builds"), {}),
    "patch": lambda api: api.patch(POD, {}),
    "delete": lambda api: api.delete(POD),
}


@pytest.fixture(params=[(302, b""), (302, b"{}"), (303, b"<p>sign in</p>"), (200, b"")])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """Behind a proxy that answers itself."""
    code, body = request.param

    class Proxy(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(code)
            self.send_header("Location", "/login")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = {
            "clusters": [{"name": "c", "cluster": {"server": _address(server)}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        connection = Connection(str(path), SystemClock())
        yield Api(connection, SystemClock())
        connection.close()
        server.shutdown()


def _address(server: http.server.HTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.mark.parametrize("call", CALLS)
def test_an_answer_that_is_not_the_servers_is_none(api: Api, call: str) -> None:
    with pytest.raises(Temporary):
        CALLS[call](api)


@pytest.mark.parametrize("api", [(302, b"{}")], indirect=True)
def test_neither_is_the_log_of_a_page_to_sign_in(api: Api) -> None:
    with pytest.raises(Temporary), api.stream(f"{POD}/log", {}, 5.0) as pieces:
        list(pieces)
