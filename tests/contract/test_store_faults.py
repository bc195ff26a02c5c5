"""Killed processes, full disks, crashed servers: what was acknowledged is there."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.ports import Temporary
from bot.records import IncomingDelivery
from bot.store import open_store
from bot.store.wakeups import DataVersion
from tests.contract.databases import LEASE, SOURCE, Address, incoming
from tests.fakes.postgres_process import GET, PostgresProcess, available
from tests.needs import lacking

KILLS = 20 if os.environ.get("PUSHWRIGHT_KILL_CYCLES") else 6
WRITER = """
import itertools, os, sys, zlib
from bot.store import open_store
from bot.records import IncomingDelivery
store = open_store(sys.argv[1])
body = zlib.compress(b"{}")
for n in itertools.count():
    ids = [f"{sys.argv[2]}-{n}-{each}" for each in range(3)]
    store.put_deliveries(
        [IncomingDelivery("github", i, "push", "application/json", body, 2, 1.0) for i in ids]
    )
    os.write(1, ("".join(i + chr(10) for i in ids)).encode())
"""


@pytest.mark.long
def test_what_was_acknowledged_is_there_after_every_kill(address: Address) -> None:
    acknowledged: set[str] = set()
    pause = random.Random(7)
    for cycle in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, address.url, str(cycle)],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()  # it writes now
            time.sleep(pause.uniform(0.0, 0.05))
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read()
        acknowledged |= {line for line in (first + rest).splitlines(keepends=False) if line}
    store = address.open()
    stored = {str(row["delivery"]) for row in store.deliveries(10**6)}
    assert acknowledged <= stored
    assert len(acknowledged) >= KILLS * 3
    handled: set[str] = set()
    some = min(50, len(acknowledged))
    while (claimed := store.claim_delivery(2.0, LEASE)) is not None and len(handled) < some:
        handled.add(claimed.delivery)
        store.finish_delivery(claimed, "done", "", 2.0)
    assert len(handled) == some
    store.close()
    if address.kind == "sqlite":
        check_integrity(Path(address.url.removeprefix("sqlite:///")))


def check_integrity(path: Path) -> None:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = Path(tempfile.mkdtemp(prefix="small-"))
    options = ["-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        folder.rmdir()
        lacking("the right to mount a small file system", "run the tests as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def big(n: int) -> IncomingDelivery:
    body = os.urandom(200_000)
    return IncomingDelivery(SOURCE, f"big{n}", "push", "application/json", body, 1, 1.0)


def test_a_full_disk_is_temporary_and_harms_nothing(small_disk: Path) -> None:
    path = small_disk / "bot.db"
    store = open_store(f"sqlite:///{path}", create=True)
    kept: list[str] = []
    for n in range(100):
        try:
            store.put_deliveries([big(n)])
        except Temporary as error:
            assert "full" in str(error)  # noqa: PT017  the loop ends at the first one
            break
        kept.append(f"big{n}")
    assert 1 < len(kept) < 100
    assert store.gauges(2.0)["inbox_new"] == len(kept)  # reading still works
    with pytest.raises(Temporary):
        store.put_deliveries([big(1000)])
    stored = {str(row["delivery"]) for row in store.deliveries(1000)}
    assert set(kept) <= stored
    assert "big1000" not in stored
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
    store.put_deliveries([big(1001)])  # the same open store goes on
    store.check()
    store.close()
    check_integrity(path)


@pytest.fixture
def own_server() -> Iterator[PostgresProcess]:
    if not available():
        lacking("PostgreSQL", GET)
    with tempfile.TemporaryDirectory(prefix="pg-") as folder, PostgresProcess(Path(folder)) as one:
        yield one


def test_a_server_that_crashes_and_comes_back(own_server: PostgresProcess) -> None:
    store = open_store(own_server.create_database(), create=True)
    kept = []
    for cycle in range(3):
        store.put_deliveries([incoming(f"d{cycle}")])
        kept.append(f"d{cycle}")
        own_server.stop(signal.SIGQUIT)
        with pytest.raises(Temporary):
            store.put_deliveries([incoming("lost")])
        with pytest.raises(Temporary):
            store.claim_delivery(200.0, LEASE)
        with pytest.raises(Temporary):
            store.check()
        assert store.wait(0.1) in (True, False)
        own_server.start()
        store.check()  # the pool finds out that its connections are dead
    assert {row["delivery"] for row in store.deliveries(10)} == set(kept)
    store.close()


def test_the_backup_of_the_docs_is_whole(tmp_path: Path) -> None:
    """docs/storage.md's line for machines without the sqlite3 program, taken from there."""
    docs = Path(__file__).parents[2] / "docs" / "storage.md"
    code = docs.read_text().split('python3 -c "', 1)[1].split('"', 1)[0]
    store = open_store(f"sqlite:///{tmp_path}/bot.db", create=True)
    store.put_deliveries([incoming("a")])
    copy = tmp_path / "copy.db"
    subprocess.run([sys.executable, "-c", code, tmp_path / "bot.db", copy], check=True)
    store.close()
    check_integrity(copy)
    restored = open_store(f"sqlite:///{copy}")
    assert [row["delivery"] for row in restored.deliveries(9)] == ["a"]
    restored.close()


def test_a_file_that_can_not_be_opened_just_now_is_temporary(tmp_path: Path) -> None:
    """As where no descriptor is left: whoever waits for commits asks again."""
    wakeups = DataVersion(tmp_path / "not there" / "bot.db")
    with pytest.raises(Temporary):
        wakeups.wait(0.0)
    wakeups.close()


def test_another_process_that_writes_for_long_is_waited_for(tmp_path: Path) -> None:
    """A write waits for its turn instead of failing with "database is locked"."""
    path = tmp_path / "bot.db"
    store = open_store(f"sqlite:///{path}", create=True)
    code = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); time.sleep(1.0);"
        "c.execute('COMMIT')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        store.put_deliveries([incoming("a")])
        assert [row["delivery"] for row in store.deliveries(9)] == ["a"]
    store.close()
