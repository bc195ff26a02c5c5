"""SIGKILL at random under load: what was acknowledged is there and is handled once.

`PUSHWRIGHT_KILL_CYCLES` lengthens it (10 on SQLite, CI plays 50; a fifth of that on PostgreSQL).
"""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from bot.core.ids import HostKind
from tests.contract.databases import postgres_server
from tests.fakes.githost.hooks import Delivery
from tests.fakes.githost.host import FakeHost
from tests.faults.bot_processes import PARTS, BotProcesses

CYCLES = int(os.environ.get("PUSHWRIGHT_KILL_CYCLES") or 10)
REPOSITORIES = 16
"""Several: a killed worker's lease on one holds it up until it runs out, which is no fault."""

VICTIMS = (("web",), ("worker",), ("web", "worker"))
pytestmark = [pytest.mark.xdist_group("kills"), pytest.mark.long]


@dataclass(slots=True)
class Loader:
    """Sends signed deliveries until told to stop; remembers those that were acknowledged."""

    host: FakeHost
    port: int
    chance: random.Random
    originals: Sequence[Delivery]
    stop: threading.Event = field(default_factory=threading.Event)
    acknowledged: list[Delivery] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)

    def run(self) -> None:
        while not self.stop.wait(self.chance.uniform(0, 0.06)):
            delivery = replace(self.chance.choice(self.originals), id=str(uuid.uuid4()))
            if self.chance.random() < 0.2:
                delivery.event = "star"  # of no interest to the bot
            if self.acknowledged and self.chance.random() < 0.1:
                delivery = self.chance.choice(self.acknowledged)  # the Redeliver button
            status = self.post(delivery)
            self.answers[status] += 1
            if status == 202:
                self.acknowledged.append(delivery)

    def wait_for_another(self, seconds: float = 20.0) -> None:
        before, deadline = len(self.acknowledged), time.monotonic() + seconds
        while len(self.acknowledged) == before and time.monotonic() < deadline:
            time.sleep(0.01)

    def post(self, delivery: Delivery) -> int:
        headers, body = self.host.hooks.request(delivery)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/webhooks/forge", body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()


def pushes(bot: BotProcesses) -> list[Delivery]:
    """Two branches in each of the repositories, with nothing in them to build."""
    bot.host.hooks.lose()
    for number in range(REPOSITORIES):
        repository = bot.repository(f"acme/r{number}")
        for branch in ("main", "next"):
            bot.host.commit(repository, branch, {"README": f"{number} {branch}\n"})
    return [d for d in bot.host.hooks.deliveries if d.event == "push"]


def kill_at_random(bot: BotProcesses, loader: Loader, chance: random.Random, cycles: int) -> None:
    """Half of the time not before one more delivery was acknowledged: on a busy machine a kill
    would else always hit processes that only start."""
    for _ in range(cycles):
        if chance.random() < 0.5:
            loader.wait_for_another()
        time.sleep(chance.uniform(0, 1.0))
        victims = chance.choice(VICTIMS)
        for part in victims:
            bot.kill(part)
        for part in victims:
            bot.start(part)


def address(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    engine = create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def expire_leases(bot: BotProcesses) -> None:
    """What a minute's wait does to the leases of killed workers, while no process runs."""
    engine = create_engine(address(bot.database_url), poolclass=NullPool)
    with engine.begin() as connection:
        for table in ("inbox", "repository"):
            connection.execute(text(f"UPDATE {table} SET lease_until = 1 WHERE lease_until > 1"))


def come_to_rest(bot: BotProcesses, seconds: float = 60.0) -> None:
    """Until nothing in the inbox is left to do."""
    deadline = time.monotonic() + seconds
    while left := rows(bot.database_url, "SELECT count(*) FROM inbox WHERE state = 'new'")[0][0]:
        if time.monotonic() > deadline:
            raise AssertionError(f"{left} deliveries are left: {bot.log.read_text()[-3000:]}")
        time.sleep(0.2)


def play(bot: BotProcesses, cycles: int) -> Loader:
    seed = int(os.environ.get("PUSHWRIGHT_KILL_SEED") or random.randrange(1 << 32))
    print(f"PUSHWRIGHT_KILL_SEED={seed}")
    originals = pushes(bot)
    bot.start_all()
    loader = Loader(bot.host, bot.port, random.Random(seed + 1), originals)
    thread = threading.Thread(target=loader.run)
    thread.start()
    try:
        kill_at_random(bot, loader, random.Random(seed), cycles)
    finally:
        loader.stop.set()
        thread.join(20)
    for part in PARTS:
        bot.kill(part)
    expire_leases(bot)
    bot.start_all()
    come_to_rest(bot)
    for part in PARTS:
        bot.kill(part)
    return loader


def check(bot: BotProcesses, loader: Loader, cycles: int) -> None:
    print(f"{cycles} cycles, answers {dict(loader.answers)}")
    assert len({d.id for d in loader.acknowledged}) >= cycles // 4
    inbox = {
        str(delivery): (str(state), seen)
        for delivery, state, seen in rows(
            bot.database_url, "SELECT delivery, state, seen FROM inbox WHERE source = 'forge'"
        )
    }
    times = Counter(d.id for d in loader.acknowledged)
    lost = {id_ for id_ in times if id_ not in inbox}
    assert lost == set()
    assert {state for state, _ in inbox.values()} <= {"done", "ignored"}
    fewer = {id_ for id_, count in times.items() if int(str(inbox[id_][1])) < count}
    assert fewer == set()
    wanted = {
        (str(d.repository_id), branch(d), after(d))
        for d in loader.acknowledged
        if d.event == "push"
    }
    claims = Counter(
        (str(repository), str(name), str(sha))
        for repository, name, sha in rows(
            bot.database_url,
            "SELECT r.host_id, c.name, c.sha FROM claim c"
            " JOIN repository r ON r.id = c.repository_id",
        )
    )
    assert len(wanted) >= min(cycles // 4, REPOSITORIES)
    assert {claim: claims[claim] for claim in wanted} == dict.fromkeys(wanted, 1)


def branch(delivery: Delivery) -> str:
    return str(delivery.payload["ref"]).removeprefix("refs/heads/")


def after(delivery: Delivery) -> str:
    return str(delivery.payload["after"])


@pytest.mark.timeout(120 + 3 * CYCLES)
def test_on_sqlite_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with (
        FakeHost(HostKind.GITHUB, tmp_path / "host") as host,
        BotProcesses(tmp_path, host) as bot,
    ):
        loader = play(bot, CYCLES)
        check(bot, loader, CYCLES)
        assert rows(bot.database_url, "PRAGMA integrity_check") == [("ok",)]
        assert rows(bot.database_url, "PRAGMA foreign_key_check") == []


@pytest.mark.timeout(120 + CYCLES)
def test_on_postgresql_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    cycles = max(1, CYCLES // 5)
    for server in postgres_server():
        with (
            FakeHost(HostKind.GITHUB, tmp_path / "host") as host,
            BotProcesses(tmp_path, host, database=server.create_database()) as bot,
        ):
            check(bot, play(bot, cycles), cycles)
