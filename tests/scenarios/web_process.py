"""The web process as a child of the tests: started by the real gunicorn, asked over real HTTP."""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import zlib
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from bot.store import migrate
from tests.fakes.loopback import free_port
from tests.scenarios.receiver import database_url

ROOT = Path(__file__).parents[2]
SECRET = b"an old secret of twenty-six"
NEW_SECRET = b"a new secret of twenty-six"
TOKEN = "glwt-abcdefghijklmnop"
KEY = b"the signing key is 32 bytes long"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BODY = b'{"ref": "refs/heads/main"}'
MIB = 1024 * 1024


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    def delivery(self) -> str:
        assert self.status == 202, self
        found = json.loads(self.body)["delivery"]
        assert isinstance(found, str)
        return found


@dataclass
class Receiver:
    """A running web process and the folder that it keeps its things in."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    log: Path
    counter: list[int] = field(default_factory=lambda: [0])

    def send(
        self,
        body: bytes = BODY,
        headers: dict[str, str] | None = None,
        path: str = "/webhooks/github",
        method: str = "POST",
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        try:
            connection.request(method, path, body, headers or {})
            return answer(connection.getresponse())
        finally:
            connection.close()

    def github(self, body: bytes = BODY, secret: bytes = SECRET, **extra: str) -> Answer:
        """A delivery as GitHub sends it; `extra` headers, an empty one is left out."""
        return self.send(body, self.github_headers(body, secret, **extra))

    def github_headers(
        self, body: bytes = BODY, secret: bytes = SECRET, **extra: str
    ) -> dict[str, str]:
        self.counter[0] += 1
        return {
            name: value
            for name, value in {
                "Content-Type": JSON,
                "X-GitHub-Event": "push",
                "X-GitHub-Delivery": f"d{os.getpid()}-{self.counter[0]}-{random.getrandbits(64):x}",
                "X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, sha256).hexdigest(),
                **{name.replace("_", "-"): value for name, value in extra.items()},
            }.items()
            if value
        }

    def rows(self, delivery: str) -> list[tuple[str, str, str, bytes, int, int]]:
        with sqlite3.connect(self.folder / "pushwright.db") as connection:
            return connection.execute(
                "select source, event, content_type, body, size, seen from inbox"
                " where delivery = ?",
                (delivery,),
            ).fetchall()

    def stored(self, delivery: str) -> bytes:
        [(_, _, _, body, size, _)] = self.rows(delivery)
        content = zlib.decompress(body)
        assert len(content) == size
        return content

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=40)


def answer(response: http.client.HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, response.read(), headers)


def start(folder: Path) -> Receiver:
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "github.secret1").write_bytes(SECRET + b"\n")
    (secrets / "github.secret2").write_bytes(NEW_SECRET)
    (secrets / "gitlab.secret").write_text(TOKEN)
    (secrets / "gitea.secret").write_bytes(SECRET)
    (secrets / "signed.key").write_bytes(b"whsec_" + base64.b64encode(KEY))
    migrate(database_url(folder))
    return launch(folder)


def launch(
    folder: Path,
    app: str = "tests.scenarios.receiver:app",
    settings_file: str = "python:bot.web.gunicorn",
    **extra: str,
) -> Receiver:
    port, log = free_port(), folder / "log"
    environment = {
        **os.environ,
        "PUSHWRIGHT_LISTEN": f"127.0.0.1:{port}",
        "PUSHWRIGHT_LOG_LEVEL": "warning",
        "RECEIVER_FOLDER": str(folder),
        "PYTHONPATH": str(ROOT),
        # Nothing that the receiver does may ask a proxy: this one is dead.
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        **extra,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", settings_file, app],
            cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    receiver = Receiver(port, folder, process, log)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if receiver.send(path="/healthz", method="GET").status == 200:
                return receiver
        except OSError:
            time.sleep(0.02)
    process.kill()
    raise AssertionError(log.read_text())


def stop(receiver: Receiver) -> None:
    receiver.process.send_signal(signal.SIGTERM)
    receiver.process.wait(30)


def head(receiver: Receiver, body: bytes, *lines: str) -> bytes:
    fields = (f"{name}: {value}" for name, value in receiver.github_headers(body).items())
    request = ("POST /webhooks/github HTTP/1.1", "Host: x", *fields, *lines, "", "")
    return "\r\n".join(request).encode()


def status_of(connection: socket.socket) -> int:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status


def gitea_headers(
    body: bytes = BODY, event: str = "push", secret: bytes = SECRET
) -> dict[str, str]:
    """A Gitea sends GitHub's headers as well, and two words for the event."""
    digest, number = hmac.new(secret, body, sha256).hexdigest(), f"{random.getrandbits(64):x}"
    return {
        "Content-Type": JSON,
        "X-Gitea-Event": "push",
        "X-Gitea-Event-Type": event,
        "X-Gitea-Delivery": number,
        "X-Gitea-Signature": digest,
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": f"not-{number}",
        "X-Hub-Signature-256": f"sha256={digest}",
    }


def gitlab_headers(**extra: str) -> dict[str, str]:
    return {
        "Content-Type": JSON,
        "X-Gitlab-Event": "Push Hook",
        "X-Gitlab-Token": TOKEN,
        **{name.replace("_", "-"): value for name, value in extra.items()},
    }
