"""`pushwright doctor` at an API server that is only a script: old versions, hostile answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bot.clock import SystemClock
from bot.doctor.checks import run_checks
from bot.doctor.cluster import Cluster
from bot.executors.kubernetes.api import Api
from bot.executors.kubernetes.connection import Connection
from tests.cluster.doctor_bench import FAIL, OK, Worker, by_check


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Callable[[Callable[[str], Any]], Api]]:
    """An API server over plain HTTP whose answers a function gives by path; None: it hangs up."""
    servers = []

    def serve(answer: Callable[[str], Any]) -> Api:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if (body := answer(self.path)) is None:
                    self.close_connection = True
                    return
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _any  # noqa: N815 - names of http.server

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        servers.append((server, thread))
        url = f"http://127.0.0.1:{server.server_address[1]}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "clusters": [{"name": "x", "cluster": {"server": url}}],
            "users": [{"name": "x", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        }
        (tmp_path / "scripted").write_text(json.dumps(config))
        return Api(Connection(str(tmp_path / "scripted"), SystemClock()), SystemClock())

    yield serve
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("old", ["v1.28.15", "v1.27.0-gke.5"])
def test_a_cluster_before_native_sidecars(
    worker: Worker, scripted: Callable[[Callable[[str], Any]], Api], old: str
) -> None:
    api = scripted(lambda path: {"gitVersion": old} if path == "/version" else {})
    found = by_check(run_checks(list(Cluster(api, worker.bench.settings, 4).checks()), seconds=60))
    assert (found["version"].result, old in found["version"].found) == (FAIL, True)
    assert found["version"].remedy == "upgrade the cluster to 1.29 or later"


@pytest.mark.parametrize(
    "body", [b"[", b"[]", b'{"items": 7}', b"<html>", b"{}" + b" " * 9_000, b""]
)
def test_hostile_answers_are_findings(
    worker: Worker, scripted: Callable[[Callable[[str], Any]], Api], body: bytes
) -> None:
    api = scripted(lambda path: {"gitVersion": "v1.33.0"} if path == "/version" else body)
    found = by_check(run_checks(list(Cluster(api, worker.bench.settings, 4).checks()), seconds=60))
    assert found["version"].result is OK
    assert not [one for one in found.values() if "this check broke" in one.found]
    assert found[f"build pod in {worker.namespace}"].result is FAIL


def test_a_moment_without_an_answer_is_no_finding(
    worker: Worker, scripted: Callable[[Callable[[str], Any]], Api]
) -> None:
    """Checks run side by side: the one that is hung up on silences the way of all for a moment."""
    asked: list[str] = []

    def answer(path: str) -> Any:
        asked.append(path)
        if path == "/version":
            return {"gitVersion": "v1.34.0"}
        return None if len(asked) == 2 else {"status": {"allowed": True}, "items": []}

    api = scripted(answer)
    found = by_check(run_checks(list(Cluster(api, worker.bench.settings, 4).checks()), seconds=60))
    assert found[f"permissions in {worker.namespace}"].result is OK
    assert not [one for one in found.values() if "does not answer" in one.found]
