"""A state folder that is full: said with 503, nothing torn, and it goes on once there is room."""

from __future__ import annotations

import http.client
import os
import sqlite3
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.ids import HostKind
from tests.fakes.githost.hooks import Delivery
from tests.fakes.githost.host import FakeHost
from tests.faults.bot_processes import BotProcesses
from tests.needs import lacking


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    if os.geteuid() != 0:
        lacking("a root shell (to mount a small tmpfs)", "run the tests as root")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def post(bot: BotProcesses, delivery: Delivery) -> int:
    headers, body = bot.host.hooks.request(delivery)
    connection = http.client.HTTPConnection("127.0.0.1", bot.port, timeout=30)
    try:
        connection.request("POST", "/webhooks/forge", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def fill(folder: Path) -> None:
    with (folder / "ballast").open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def states(bot: BotProcesses) -> dict[str, str]:
    with closing(sqlite3.connect(f"{bot.state_folder}/pushwright.db", timeout=20)) as link:
        found = link.execute("SELECT delivery, state FROM inbox WHERE source = 'forge'")
        return dict(found.fetchall())


@pytest.mark.timeout(240)
def test_a_full_disk_is_said_and_forgiven(small: Path, tmp_path: Path) -> None:
    with (
        FakeHost(HostKind.GITHUB, tmp_path / "host") as host,
        BotProcesses(tmp_path, host, state=small / "state") as bot,
    ):
        host.hooks.lose()
        repository = bot.repository("acme/shop")
        host.commit(repository, "main", {"README": "nothing to build\n"})
        original = next(d for d in host.hooks.deliveries if d.event == "push")
        # What compresses badly, so that a few deliveries need more than the last free page.
        ballast = os.urandom(200_000).hex()
        original.payload["ballast"] = ballast
        bot.start_all()
        taken, answers = [], []
        assert post(bot, replace(original, id="before")) == 202
        fill(small)
        for number in range(12):
            delivery = replace(original, id=f"full-{number}")
            answers.append(post(bot, delivery))
            if answers[-1] == 202:
                taken.append(delivery.id)
        assert set(answers) <= {202, 503}
        assert answers[-3:] == [503, 503, 503]
        (small / "ballast").unlink()
        after = str(uuid.uuid4())
        wait_until_taken(bot, replace(original, id=after))
        for part in tuple(bot.running):  # a worker may have ended: its supervisor starts it again
            if bot.running[part].poll() is not None:
                bot.start(part)
        wanted = {"before", after, *taken}
        # A worker that could not give a delivery's lease back (60 s) waits for it to run out.
        deadline = time.monotonic() + 100
        while not {states(bot).get(name) for name in wanted} <= {"done", "ignored"}:
            assert time.monotonic() < deadline, (states(bot), bot.log.read_text()[-3000:])
            time.sleep(0.1)
        with closing(sqlite3.connect(f"{bot.state_folder}/pushwright.db")) as link:
            assert link.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def wait_until_taken(bot: BotProcesses, delivery: Delivery) -> None:
    deadline = time.monotonic() + 30
    while post(bot, delivery) != 202:
        assert time.monotonic() < deadline
        time.sleep(0.2)
