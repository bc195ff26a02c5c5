"""What answers in the API server's place, such as a proxy that wants a sign-in, says nothing."""

from __future__ import annotations

import contextlib
import http.server
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.clock import SystemClock
from bot.executors.kubernetes.api import USUAL, Api, Bounds, pods_path
from bot.executors.kubernetes.connection import Connection
from bot.ports import Temporary
from tests.fakes.loopback import Loopback

POD = pods_path("builds", "pushwright-b-1")
CALLS: dict[str, Callable[[Api], object]] = {
    "get": lambda api: api.get(POD),
    "create": lambda api: api.create(pods_path("builds"), {}),
    "patch": lambda api: api.patch(POD, {}),
    "delete": lambda api: api.delete(POD),
}


class Answering(http.server.BaseHTTPRequestHandler):
    """Says nothing of what it is asked."""

    def answer(self) -> None:
        raise NotImplementedError

    do_GET = do_POST = do_PATCH = do_DELETE = lambda self: self.answer()  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
        pass


@contextlib.contextmanager
def asking(handler: type[Answering], folder: Path, bounds: Bounds = USUAL) -> Iterator[Api]:
    with Loopback(handler) as server, reaching(server.url, folder, bounds) as api:
        yield api


@contextlib.contextmanager
def reaching(address: str, folder: Path, bounds: Bounds = USUAL) -> Iterator[Api]:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    with contextlib.closing(Connection(str(path), SystemClock())) as connection:
        yield Api(connection, SystemClock(), bounds)


@pytest.fixture(params=[(302, b""), (302, b"{}"), (303, b"<p>sign in</p>"), (200, b"")])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """Behind a proxy that answers itself."""
    code, body = request.param

    class Proxy(Answering):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(code)
            self.send_header("Location", "/login")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with asking(Proxy, tmp_path) as api:
        yield api


@pytest.mark.parametrize("call", CALLS)
def test_an_answer_that_is_not_the_servers_is_none(api: Api, call: str) -> None:
    with pytest.raises(Temporary):
        CALLS[call](api)


@pytest.mark.parametrize("api", [(302, b"{}")], indirect=True)
def test_neither_is_the_log_of_a_page_to_sign_in(api: Api) -> None:
    with pytest.raises(Temporary), api.stream(f"{POD}/log", {}, Bounds()) as pieces:
        list(pieces)


HEADS = {
    "of a length": [("Content-Length", "1000000")],
    "in pieces": [("Transfer-Encoding", "chunked")],
    "until it closes": [],
}


def dripping(head: list[tuple[str, str]]) -> type[Answering]:
    """A byte now and then, without an end: never silent for as long as a connection may be."""

    class Drip(Answering):
        def answer(self) -> None:
            self.close_connection = True
            self.send_response(200)
            for name, value in head:
                self.send_header(name, value)
            self.end_headers()
            piece = b"1\r\n{\r\n" if head and head[0][1] == "chunked" else b"{"
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(piece)
                    time.sleep(0.05)

    Drip.protocol_version = "HTTP/1.1"
    return Drip


@pytest.mark.parametrize("head", HEADS)
def test_an_answer_that_drips_is_left(head: str, tmp_path: Path) -> None:
    with asking(dripping(HEADS[head]), tmp_path, Bounds(60.0, 0.5)) as api:
        with pytest.raises(Temporary, match="took longer than"):
            api.get(POD)
        with (
            pytest.raises(Temporary, match="took longer than"),
            api.stream(f"{POD}/log", {}, Bounds(60.0, 0.5)) as pieces,
        ):
            list(pieces)


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_is_too_busy_says_when_to_ask_again(call: str, tmp_path: Path) -> None:
    class Busy(Answering):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(429)
            self.send_header("Retry-After", "7")
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"Too many requests, please try again later.\n")

    with asking(Busy, tmp_path) as api, pytest.raises(Temporary, match="Too many") as error:
        CALLS[call](api)
    assert error.value.after == 7.0


def test_why_there_is_no_connection_is_told(tmp_path: Path) -> None:
    server = "http://127.0.0.1:1"  # nobody listens there
    with reaching(server, tmp_path) as api, pytest.raises(Temporary, match="refused") as error:
        api.get(POD)
    assert f"{server} does not answer" in str(error.value)
