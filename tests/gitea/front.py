"""A server before the real Gitea that passes everything on, keeps what was asked, and misbehaves on
purpose where a test says so (`tests.fakes.githost.faults`)."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from tests.fakes.githost.faults import Faults
from tests.fakes.githost.server import HostServer
from tests.fakes.githost.web import Answer, Asked
from tests.gitea.process import GiteaProcess

_OWN: Final = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
"""Headers of one connection."""


@dataclass(frozen=True, slots=True)
class Front:
    server: HostServer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def fronting(gitea: GiteaProcess) -> Iterator[Front]:
    def answer(asked: Asked) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", gitea.port, timeout=60)
        try:
            target = asked.path + ("?" + urlencode(asked.query, doseq=True) if asked.query else "")
            headers = {k: v for k, v in asked.headers.items() if k not in _OWN}
            connection.request(asked.method, target, asked.body, headers)
            got = connection.getresponse()
            kept = [(k, v) for k, v in got.getheaders() if k.lower() not in _OWN]
            return Answer(got.status, got.read(), kept)
        finally:
            connection.close()

    server = HostServer(("127.0.0.1", 0), answer, Faults())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Front(server)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
