"""The web process through trouble: no store, slow clients, changed secrets, ends and bad starts."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.store import migrate
from tests.scenarios.web_process import (
    BODY,
    ROOT,
    SECRET,
    Receiver,
    head,
    launch,
    stop,
)

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
    """More slow ones than there are threads, of each kind: silent, in the header, in the body, and
    answered without closing."""
    receiver = own_receiver
    begun = head(receiver, b"x" * 1000, "Content-Length: 1000")
    slow = []
    answered = b"GET /healthz HTTP/1.0\r\n\r\n"
    for start_of in (answered, b"", b"POST /webhooks/github HT", begun, begun + b"x" * 999):
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
