"""Webhooks over real HTTP to a real gunicorn: what is taken, what is refused, and what is kept."""

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
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.store import migrate
from tests.payloads.catalogue import recorded
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(folder: Path) -> Receiver:
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "github.secret1").write_bytes(SECRET + b"\n")
    (secrets / "github.secret2").write_bytes(NEW_SECRET)
    (secrets / "gitlab.secret").write_text(TOKEN)
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


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    running = start(tmp_path_factory.mktemp("receiver"))
    yield running
    stop(running)
    log = running.log.read_text()
    assert "Traceback" not in log, log


@pytest.fixture
def own_receiver(tmp_path: Path) -> Iterator[Receiver]:
    """One of the test's own, to stop and starve."""
    running = start(tmp_path)
    yield running
    if running.process.poll() is None:
        stop(running)


# -- what is taken ---------------------------------------------------------------------------------


def test_a_signed_delivery_is_kept_byte_for_byte(receiver: Receiver) -> None:
    body = json.dumps({"message": "ä\u2028\x00 \\u0000"}).encode() + b"\n \xff"
    delivery = receiver.github(body).delivery()
    assert receiver.stored(delivery) == body
    assert [row[:3] for row in receiver.rows(delivery)] == [("github", "push", JSON)]


@pytest.mark.parametrize("secret", [SECRET, NEW_SECRET])
def test_each_secret_of_a_source_will_do(receiver: Receiver, secret: bytes) -> None:
    assert receiver.github(secret=secret).status == 202


def test_every_recorded_delivery_is_taken(receiver: Receiver) -> None:
    for one in recorded():
        body = one.body()
        if one.host == "github":
            sent = receiver.github(body, X_GitHub_Event=one.event)
        else:
            headers = {"Content-Type": JSON, "X-Gitlab-Event": one.event, "X-Gitlab-Token": TOKEN}
            sent = receiver.send(body, headers, "/webhooks/gitlab")
        assert receiver.stored(sent.delivery()) == body


def test_the_form_encoding_is_kept_as_it_came(receiver: Receiver) -> None:
    body = urlencode({"payload": BODY.decode()}).encode()
    delivery = receiver.github(body, Content_Type=f"{FORM}; charset=utf-8").delivery()
    assert receiver.stored(delivery) == body
    assert receiver.rows(delivery)[0][2] == FORM


@pytest.mark.parametrize("body", [b"", b"not json", b"[" * 100_000, b"\x00" * 10])
def test_what_is_signed_is_kept_whatever_it_is(receiver: Receiver, body: bytes) -> None:
    assert receiver.stored(receiver.github(body).delivery()) == body


def test_an_event_nobody_knows_is_taken_too(receiver: Receiver) -> None:
    delivery = receiver.github(X_GitHub_Event="of the future").delivery()
    assert receiver.rows(delivery)[0][1] == "of the future"


def test_a_chunked_body_is_taken(receiver: Receiver) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=20)
    chunks = (BODY[i : i + 3] for i in range(0, len(BODY), 3))
    headers = receiver.github_headers()
    connection.request("POST", "/webhooks/github", chunks, headers, encode_chunked=True)
    sent = answer(connection.getresponse())
    connection.close()
    assert receiver.stored(sent.delivery()) == BODY


def test_a_delivery_of_the_largest_size_is_taken(receiver: Receiver) -> None:
    body = random.Random(1).randbytes(25 * MIB)
    assert receiver.stored(receiver.github(body).delivery()) == body


def test_many_large_deliveries_at_once_are_all_taken_or_told_to_come_again(
    receiver: Receiver,
) -> None:
    body = random.Random(2).randbytes(8 * MIB)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: receiver.github(body), range(10)))
    for sent in answers:
        if sent.status == 503:
            assert sent.headers["retry-after"]
        else:
            assert len(receiver.stored(sent.delivery())) == len(body)
    assert any(sent.status == 202 for sent in answers)


def test_requests_on_one_connection_do_not_mix(receiver: Receiver) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=20)
    for number in range(20):
        body = json.dumps({"number": number}).encode() * (1 + 997 * (number % 3))
        connection.request("POST", "/webhooks/github", body, receiver.github_headers(body))
        assert receiver.stored(answer(connection.getresponse()).delivery()) == body
    connection.close()


def test_concurrent_deliveries_do_not_mix(receiver: Receiver) -> None:
    def send(number: int) -> None:
        body = b"%d," % number * 500
        assert receiver.stored(receiver.github(body).delivery()) == body

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(send, range(300)))


# -- the same delivery again -----------------------------------------------------------------------


def test_a_hundred_equal_requests_at_once_are_one_row(receiver: Receiver) -> None:
    headers = receiver.github_headers()
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: receiver.send(BODY, headers), range(100)))
    assert {sent.status for sent in answers} == {202}
    assert len(receiver.rows(headers["X-GitHub-Delivery"])) == 1


def test_redelivering_queues_the_same_row_again(receiver: Receiver) -> None:
    headers = receiver.github_headers()
    for _ in range(2):
        assert receiver.send(BODY, headers).delivery() == headers["X-GitHub-Delivery"]
    [row] = receiver.rows(headers["X-GitHub-Delivery"])
    assert row[-1] == 2


def gitlab_headers(**extra: str) -> dict[str, str]:
    return {
        "Content-Type": JSON,
        "X-Gitlab-Event": "Push Hook",
        "X-Gitlab-Token": TOKEN,
        **{name.replace("_", "-"): value for name, value in extra.items()},
    }


def test_gitlabs_idempotency_key_names_a_delivery(receiver: Receiver) -> None:
    headers = gitlab_headers(Idempotency_Key="key-1", X_Gitlab_Event_UUID="shared")
    assert receiver.send(BODY, headers, "/webhooks/gitlab").delivery() == "key-1"


def test_an_old_gitlab_is_known_by_hook_and_body(receiver: Receiver) -> None:
    def name(body: bytes, hook: str) -> str:
        headers = gitlab_headers(X_Gitlab_Webhook_UUID=hook)
        return receiver.send(body, headers, "/webhooks/gitlab").delivery()

    one = name(BODY, "hook-1")
    assert one == "sha256:" + sha256(b"hook-1" + BODY).hexdigest()
    assert name(BODY, "hook-1") == one
    assert len({one, name(BODY, "hook-2"), name(BODY + b" ", "hook-1")}) == 3


# -- who may ---------------------------------------------------------------------------------------


def signed_headers(body: bytes, at: float | None = None, key: bytes = KEY) -> dict[str, str]:
    stamp, message = str(int(at or time.time())), f"msg_{random.getrandbits(64):x}"
    digest = hmac.new(key, f"{message}.{stamp}.".encode() + body, sha256).digest()
    return {
        "Content-Type": JSON,
        "X-Gitlab-Event": "Push Hook",
        "Idempotency-Key": "not-covered-by-the-signature",
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def test_a_signing_key_takes_signed_requests_alone(receiver: Receiver) -> None:
    headers = signed_headers(BODY)
    sent = receiver.send(BODY, headers, "/webhooks/signed")
    assert sent.delivery() == headers["webhook-id"]
    for refused in (
        gitlab_headers(),
        signed_headers(BODY + b" "),
        signed_headers(BODY, at=time.time() - 400),
        signed_headers(BODY, at=time.time() + 400),
        signed_headers(BODY, key=b"some other key of 32 bytes, long"),
        {**signed_headers(BODY), "webhook-id": "msg_other"},
    ):
        assert receiver.send(BODY, refused, "/webhooks/signed").status == 401


def test_everything_not_genuine_gets_one_and_the_same_answer(receiver: Receiver) -> None:
    good = receiver.github_headers()
    sha1 = "sha1=" + hmac.new(SECRET, BODY, "sha1").hexdigest()
    signature = good["X-Hub-Signature-256"]
    wrong: list[tuple[str, dict[str, str]]] = [
        ("github", receiver.github_headers(X_Hub_Signature_256="")),
        ("github", {**receiver.github_headers(X_Hub_Signature_256=""), "X-Hub-Signature": sha1}),
        ("github", {**good, "X-Hub-Signature-256": signature.upper()}),
        ("github", {**good, "X-Hub-Signature-256": signature[:-1]}),
        ("github", {**good, "X-Hub-Signature-256": "sha256=\xe9"}),
        ("github", receiver.github_headers(secret=b"a wrong secret of twenty-eight")),
        ("github", receiver.github_headers(body=BODY + b" ")),
        ("gitlab", gitlab_headers(X_Gitlab_Token="wrong")),
        ("gitlab", {"Content-Type": JSON, "X-Gitlab-Event": "Push Hook"}),
        ("gitlab", {**gitlab_headers(), "X-Gitlab-Token": TOKEN + "\xe9"}),
        ("gitlab", good),
        ("signed", {"Content-Type": JSON, "X-Gitlab-Event": "Push Hook"}),
    ]
    answers = [receiver.send(BODY, headers, f"/webhooks/{name}") for name, headers in wrong]
    assert {sent.status for sent in answers} == {401}
    assert len({sent.body for sent in answers}) == 1
    assert all(not receiver.rows(h.get("X-GitHub-Delivery", "-")) for _, h in wrong)


def test_a_secret_of_one_source_opens_no_other(receiver: Receiver) -> None:
    headers = receiver.github_headers() | {"X-Gitlab-Event": "Push Hook"}
    assert receiver.send(BODY, headers, "/webhooks/gitlab").status == 401


# -- what is refused -------------------------------------------------------------------------------


def test_an_unknown_source_is_not_found(receiver: Receiver) -> None:
    for path in (
        "/webhooks/other",
        "/webhooks/",
        "/webhooks",
        "/webhooks/github/x",
        "/webhooks/%00",
    ):
        sent = receiver.send(BODY, receiver.github_headers(), path)
        assert sent.status == 404, path
        assert b"<" not in sent.body
        assert b"other" not in sent.body


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_post_is_allowed(receiver: Receiver, method: str) -> None:
    sent = receiver.send(b"", receiver.github_headers(b""), method=method)
    assert sent.status == 405
    assert sent.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "multipart/form-data; boundary=x", "json", ""]
)
def test_other_content_types_are_refused(receiver: Receiver, content_type: str) -> None:
    assert receiver.github(Content_Type=content_type).status == 415


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity"])
def test_encoded_bodies_are_refused(receiver: Receiver, encoding: str) -> None:
    assert receiver.github(Content_Encoding=encoding).status == 415


def test_a_request_without_an_event_is_a_bad_one(receiver: Receiver) -> None:
    assert receiver.github(X_GitHub_Event="").status == 400
    headers = gitlab_headers()
    del headers["X-Gitlab-Event"]
    assert receiver.send(BODY, headers, "/webhooks/gitlab").status == 400


def head(receiver: Receiver, body: bytes, *lines: str) -> bytes:
    fields = (f"{name}: {value}" for name, value in receiver.github_headers(body).items())
    request = ("POST /webhooks/github HTTP/1.1", "Host: x", *fields, *lines, "", "")
    return "\r\n".join(request).encode()


def status_of(connection: socket.socket) -> int:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status


@pytest.mark.parametrize("length", [25 * MIB + 1, 10**12, 10**300])
def test_what_says_that_it_is_too_large_is_refused_unread(receiver: Receiver, length: int) -> None:
    with receiver.raw() as connection:
        connection.sendall(head(receiver, b"", f"Content-Length: {length}"))
        # Not a byte of the body was sent: the answer can't have waited for one.
        assert status_of(connection) == 413


def test_chunks_are_cut_at_the_limit(receiver: Receiver) -> None:
    piece = b"%x\r\n" % MIB + bytes(MIB) + b"\r\n"
    with receiver.raw() as connection:
        connection.sendall(head(receiver, b"", "Transfer-Encoding: chunked"))
        sent = 0
        try:
            while sent < 64:
                connection.sendall(piece)
                sent += 1
        except OSError:
            pass  # it hung up, as it should
        assert 25 <= sent < 64
    assert receiver.github().status == 202


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"5\r\nabc", b"-1\r\n\r\n", b"3\r\nabcXX0\r\n\r\n"])
def test_broken_chunks_are_a_bad_request(receiver: Receiver, chunks: bytes) -> None:
    with receiver.raw() as connection:
        connection.sendall(head(receiver, b"", "Transfer-Encoding: chunked") + chunks)
        connection.shutdown(socket.SHUT_WR)
        assert status_of(connection) == 400


def test_a_client_that_hangs_up_leaves_nothing(receiver: Receiver) -> None:
    body = b"x" * 100_000
    with receiver.raw() as connection:
        request = head(receiver, body, f"Content-Length: {len(body)}")
        connection.sendall(request + body[:50_000])
    assert receiver.github().status == 202


def test_every_answer_has_the_headers_of_a_careful_server(receiver: Receiver) -> None:
    for sent in (
        receiver.github(),
        receiver.github(secret=b"a wrong secret of twenty-eight"),
        receiver.send(path="/nothing/here", method="GET"),
        receiver.send(path="/healthz", method="GET"),
        receiver.send(path="/metrics", method="GET"),
    ):
        assert "default-src 'none'" in sent.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in sent.headers["content-security-policy"]
        assert sent.headers["x-content-type-options"] == "nosniff"
        assert sent.headers["referrer-policy"] == "no-referrer"
        assert not any(c.isdigit() for c in sent.headers.get("server", ""))


header_names = st.sampled_from(
    ["X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256", "X-Gitlab-Token", "Content-Type",
     "X-Gitlab-Event", "Idempotency-Key", "webhook-id", "webhook-timestamp", "webhook-signature",
     "Content-Encoding", "X-Gitlab-Webhook-UUID", "Expect", "X-Forwarded-For"]
)  # fmt: skip
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=200)


@given(
    st.dictionaries(header_names, header_values, max_size=6),
    st.sampled_from(["github", "gitlab", "signed", "none"]),
    st.booleans(),
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_header_makes_it_fail(
    receiver: Receiver, headers: dict[str, str], source: str, whole: bool
) -> None:
    sent = receiver.send(
        BODY, {**(receiver.github_headers() if whole else {}), **headers}, f"/webhooks/{source}"
    )
    assert sent.status in {202, 400, 401, 404, 415, 417}


# -- when the store is away ------------------------------------------------------------------------


def test_without_a_store_nothing_is_promised(own_receiver: Receiver) -> None:
    receiver = own_receiver
    assert receiver.send(path="/readyz", method="GET").status == 200
    (receiver.folder / "down").touch()
    headers = receiver.github_headers()
    sent = receiver.send(BODY, headers)
    assert sent.status == 503
    assert int(sent.headers["retry-after"]) > 0
    assert b"database" not in sent.body
    deadline = time.monotonic() + 10
    while receiver.send(path="/readyz", method="GET").status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert receiver.send(path="/healthz", method="GET").status == 200
    (receiver.folder / "down").unlink()
    assert receiver.send(BODY, headers).status == 202
    assert receiver.stored(headers["X-GitHub-Delivery"]) == BODY


def test_what_was_promised_before_it_ends_is_there(own_receiver: Receiver) -> None:
    """SIGTERM with requests under way: whoever got a 202 has a row."""
    receiver = own_receiver
    assert receiver.github().status == 202
    (receiver.folder / "slow").touch()
    taken: list[str] = []

    def send(_: int) -> None:
        try:
            sent = receiver.github()
        except (OSError, http.client.HTTPException):
            return
        if sent.status == 202:
            taken.append(sent.delivery())

    with ThreadPoolExecutor(12) as pool:
        sending = [pool.submit(send, number) for number in range(12)]
        time.sleep(0.15)
        stop(receiver)
        for one in sending:
            one.result()
    assert taken
    assert all(receiver.rows(delivery) for delivery in taken)


def test_what_was_promised_survives_a_kill(own_receiver: Receiver) -> None:
    receiver = own_receiver
    taken: list[str] = []
    ended = threading.Event()

    def send() -> None:
        while not ended.is_set():
            try:
                taken.append(receiver.github().delivery())
            except (OSError, http.client.HTTPException):
                return

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while len(taken) < 100 and time.monotonic() < deadline:
        time.sleep(0.01)
    children = Path(f"/proc/{receiver.process.pid}/task/{receiver.process.pid}/children")
    workers = [int(pid) for pid in children.read_text().split()]
    receiver.process.kill()
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    receiver.process.wait(10)
    ended.set()
    for thread in threads:
        thread.join(30)
    assert len(taken) >= 100
    assert all(receiver.rows(delivery) for delivery in taken)


# -- patience --------------------------------------------------------------------------------------


def test_slow_clients_do_not_keep_others_out(own_receiver: Receiver) -> None:
    """More slow ones than there are threads, of each kind: silent, in the header, in the body."""
    receiver = own_receiver
    begun = head(receiver, b"x" * 1000, "Content-Length: 1000")
    slow = []
    for start_of in (b"", b"POST /webhooks/github HT", begun, begun + b"x" * 999):
        for _ in range(24):
            connection = receiver.raw()
            connection.sendall(start_of)
            slow.append(connection)
    for _ in range(3):
        assert receiver.github().status == 202
    for connection in slow:
        connection.close()


# -- secrets change --------------------------------------------------------------------------------


def test_a_changed_secret_is_in_force_soon_and_a_weak_one_never(own_receiver: Receiver) -> None:
    receiver, file = own_receiver, own_receiver.folder / "secrets" / "github.secret1"
    changed = b"a secret that was changed today"
    file.write_bytes(b"weak")
    assert receiver.github().status == 202
    time.sleep(6)
    assert receiver.github().status == 202, "a weak secret replaced a good one"
    file.write_bytes(changed)
    deadline = time.monotonic() + 10
    while receiver.github(secret=changed).status != 202:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert receiver.github(secret=SECRET).status == 401
    assert "github.secret1" in receiver.log.read_text()
    assert "weak" not in receiver.log.read_text().replace("weak secret", "")


# -- the process -----------------------------------------------------------------------------------


def test_metrics_tell_what_came(receiver: Receiver) -> None:
    receiver.github()
    receiver.github(secret=b"a wrong secret of twenty-eight")
    text = receiver.send(path="/metrics", method="GET").body.decode()
    for line in (
        'pushwright_webhook_deliveries_total{event="push",outcome="accepted",source="github"}',
        'pushwright_webhook_deliveries_total{event="",outcome="unauthorized",source="github"}',
        "pushwright_webhook_seconds_count",
    ):
        assert line in text


def test_the_web_process_never_loads_what_reaches_outside() -> None:
    code = (
        "import sys, bot.wsgi, bot.web.app, bot.web.server\n"
        "print([m for m in ('github', 'gitlab', 'kubernetes', 'requests', 'urllib3', 'bot.hosts',"
        " 'bot.registry', 'bot.executors') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


# -- as an administrator starts it -----------------------------------------------------------------

CENTRAL = """
version: 1
public-url: https://builds.example.com
sources:
  hub:
    kind: github
    token-file: {folder}/token
    webhook-secret-files: [{folder}/secrets/hub]
repositories:
  - match: "acme/*"
defaults:
  registry: registry.example.com
"""


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "token").write_text("a token of somebody else")
    (tmp_path / "secrets" / "hub").write_bytes(SECRET)
    (tmp_path / "pushwright.yaml").write_text(CENTRAL.format(folder=tmp_path))
    migrate(f"sqlite:///{tmp_path}/pushwright.db")
    return tmp_path


def launch_configured(folder: Path, settings_file: str = "python:bot.web.gunicorn") -> Receiver:
    return launch(
        folder,
        "bot.wsgi:app",
        settings_file,
        PUSHWRIGHT_CONFIG=f"{folder}/pushwright.yaml",
        PUSHWRIGHT_STATE=str(folder),
        PUSHWRIGHT_DATABASE_URL=f"sqlite:///{folder}/pushwright.db",
    )


def test_the_configured_process_takes_webhooks_and_follows_its_config(configured: Path) -> None:
    receiver = launch_configured(configured, str(ROOT / "config" / "gunicorn.conf.py"))
    try:
        sent = receiver.send(BODY, receiver.github_headers(), "/webhooks/hub")
        assert receiver.stored(sent.delivery()) == BODY
        assert receiver.send(path="/readyz", method="GET").status == 200
        metrics = receiver.send(path="/metrics", method="GET").body
        assert b"pushwright_webhooks_waiting" in metrics
        assert b"pushwright_inbox_new 1.0" in metrics
        file = configured / "pushwright.yaml"
        file.write_text(file.read_text().replace("  hub:\n", "  renamed:\n"))
        deadline = time.monotonic() + 10
        while receiver.send(BODY, receiver.github_headers(), "/webhooks/renamed").status != 202:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert receiver.send(BODY, receiver.github_headers(), "/webhooks/hub").status == 404
    finally:
        stop(receiver)
    assert receiver.process.returncode == 0
    assert "Traceback" not in receiver.log.read_text()


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda folder: (folder / "secrets" / "hub").write_bytes(b""), "source hub"),
        (lambda folder: (folder / "secrets" / "hub").write_bytes(b"short"), "5 bytes long"),
        (lambda folder: (folder / "secrets" / "hub").unlink(), "No such file"),
        (lambda folder: (folder / "pushwright.yaml").unlink(), "PUSHWRIGHT_CONFIG"),
        (lambda folder: (folder / "pushwright.yaml").write_text("sources: 7"), "pushwright.yaml:1"),
        (lambda folder: (folder / "pushwright.db").unlink(), "run pushwright migrate"),
    ],
    ids=["empty-secret", "short-secret", "no-secret", "no-config", "bad-config", "no-database"],
)
def test_what_is_wrong_is_said_in_words_and_nothing_starts(
    configured: Path, break_it: Callable[[Path], object], words: str
) -> None:
    break_it(configured)
    with pytest.raises(AssertionError) as failed:
        launch_configured(configured)
    assert words in str(failed.value)
    assert "Traceback" not in str(failed.value)
