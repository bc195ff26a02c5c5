"""Commands as processes: settings that can't be used, and those that run until told to stop."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.running import command, environment, pushwright
from tests.fakes.loopback import free_port

CONFIG = """\
version: 1
public-url: http://127.0.0.1:1
sources:
  github:
    kind: github
    url: http://127.0.0.1:9
    token-file: token
    webhook-secret-files: [secret]
repositories: [{match: nobody/*}]
defaults: {registry: reg.test}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a central config that starts; its host is never there."""
    (tmp_path / "pushwright.yaml").write_text(CONFIG)
    (tmp_path / "secret").write_text("a secret of thirty-two characters")
    (tmp_path / "token").write_text("token")
    return tmp_path


def test_migrate_twice(tmp_path: Path) -> None:
    for _ in range(2):
        ended = pushwright(tmp_path, "migrate")
        assert ended.returncode == 0, ended.stderr
        assert re.fullmatch(r"the database has schema \w+\n", ended.stdout)
    with sqlite3.connect(tmp_path / "state" / "pushwright.db") as database:
        assert database.execute("select count(*) from inbox").fetchone() == (0,)


def test_a_database_that_was_never_migrated_says_what_to_run(tmp_path: Path) -> None:
    ended = pushwright(tmp_path, "cancel", "ab")
    assert ended.returncode == 1
    assert "run pushwright migrate" in ended.stderr
    (tmp_path / "state").mkdir()
    sqlite3.connect(tmp_path / "state" / "pushwright.db").close()
    ended = pushwright(tmp_path, "logs", "ab")
    assert ended.returncode == 1
    assert "pushwright migrate" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("verb", ["worker", "serve", "web"])
def test_a_missing_config_ends_in_words(verb: str, tmp_path: Path) -> None:
    ended = pushwright(tmp_path, verb, settings={"PUSHWRIGHT_LISTEN": f"127.0.0.1:{free_port()}"})
    assert ended.returncode == 1
    assert "pushwright.yaml can't be read: No such file" in ended.stderr
    assert "set PUSHWRIGHT_CONFIG" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUSHWRIGHT_LOG_LEVEL", "loud"),
        ("PUSHWRIGHT_DATABASE_URL", "mysql://x"),
        pytest.param("PUSHWRIGHT_STATE", "/proc/none", marks=pytest.mark.long),
    ],
)
def test_settings_that_can_not_be_used_are_named(name: str, value: str, tmp_path: Path) -> None:
    ended = pushwright(tmp_path, "worker", settings={name: value})
    assert ended.returncode == 1
    assert name in ended.stderr
    assert "Traceback" not in ended.stderr


def test_web_names_a_wrong_setting_without_a_trace(site: Path) -> None:
    ended = pushwright(site, "web", settings={"PUSHWRIGHT_WEB_THREADS": "many"})
    assert (ended.returncode, ended.stderr) == (
        1,
        "pushwright: PUSHWRIGHT_WEB_THREADS must be 1 to 256, not 'many'\n",
    )


def test_standard_output_may_be_closed(tmp_path: Path) -> None:
    """As cron and some service managers start what they run."""
    line = ["sh", "-c", 'exec "$@" >&-', "sh", *command(["check-config", "none.yaml"])]
    ended = subprocess.run(line, env=environment(tmp_path), capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (
        1,
        b"none.yaml: it can't be read: No such file or directory\n",
    )


def test_a_reader_that_leaves_is_no_failure(tmp_path: Path) -> None:
    """`pushwright plan … | head -1`: nothing is printed about it, whatever is still buffered."""
    reading, writing = os.pipe()
    os.close(reading)
    payload = Path(__file__).parents[1] / "payloads" / "github" / "push.branch.json"
    arguments = ["plan", "--host", "github", "--event", "push", "--payload", str(payload)]
    for unbuffered in ("", "1"):
        ended = subprocess.run(
            command([*arguments, "--json"]),
            env=environment(tmp_path, PYTHONUNBUFFERED=unbuffered),
            stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
        assert (ended.returncode, ended.stderr) == (0, b"")
    os.close(writing)


# -- serve -----------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(site: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`pushwright serve` in a group of its own, once it answers."""
    with (site / "log").open("ab") as log:
        process = subprocess.Popen(
            command(["serve"]), cwd=site, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=environment(site, PUSHWRIGHT_LISTEN=f"127.0.0.1:{port}"), process_group=0,
        )  # fmt: skip
    try:
        until(lambda: process.poll() is not None or healthy(port))
        assert process.poll() is None, (site / "log").read_text()
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def until(true: object, seconds: float = 60.0) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def members(group: int) -> list[int]:
    """Processes of that group that still run (zombies do not)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state != "Z":
                found.append(int(stat.parent.name))
    return found


def test_serve_starts_and_leaves_nothing(site: Path) -> None:
    port = free_port()
    with serving(site, port) as process:
        assert len(members(process.pid)) >= 3  # the worker, gunicorn, and its worker
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, (site / "log").read_text()
        assert members(process.pid) == []
    assert not healthy(port)


def test_a_killed_serve_takes_the_web_process_along(site: Path) -> None:
    port = free_port()
    with serving(site, port) as process:
        process.kill()
        process.wait(10)
        until(lambda: members(process.pid) == [])
    with serving(site, port):  # the port is free again
        assert healthy(port)


def test_serve_ends_with_its_web_process(site: Path) -> None:
    port = free_port()
    with serving(site, port) as process:
        for child in children(process.pid):
            os.kill(child, signal.SIGKILL)
        assert process.wait(timeout=60) == 1
        assert "the web process ended with code -9" in (site / "log").read_text()
        until(lambda: members(process.pid) == [])


def children(parent: int) -> list[int]:
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(one) for one in text.split()]


def test_a_port_in_use_ends_serve(site: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = pushwright(site, "serve", settings={"PUSHWRIGHT_LISTEN": address})
    assert ended.returncode == 1
    assert "in use" in ended.stderr
    assert "the web process ended" in ended.stderr


def test_a_worker_stops_when_told(site: Path) -> None:
    assert pushwright(site, "migrate").returncode == 0
    with (site / "log").open("wb") as log:
        process = subprocess.Popen(
            command(["worker"]), cwd=site, env=environment(site), stdout=log, stderr=log
        )
    try:
        until(lambda: b"not listed" in (site / "log").read_bytes())  # it asked the host in vain
        process.terminate()
        assert process.wait(timeout=60) == 0, (site / "log").read_text()
    finally:
        process.kill()
        process.wait(10)
