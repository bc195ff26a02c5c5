"""How many webhooks the web process acknowledges, how fast, and what that costs.

The real gunicorn and the real store; a request counts once its delivery is committed and it was
answered 202.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.store import migrate
from tests.bench.load import BATCHES, SMALL, Borne, Load, median_of, put_on
from tests.bench.processes import memory
from tests.bench.table import Row, Target, median
from tests.fakes.postgres_process import GET, PostgresProcess, available
from tests.scenarios.web_process import Receiver, launch, start, stop

STARTS = 5
RATE = 100.0


@contextmanager
def receiver(database: str | None = None) -> Iterator[Receiver]:
    """The web process on SQLite, or on the database with that address."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stop(start(folder))  # makes secrets and database, and fills the disk's cache
        if database:
            migrate(database)
        running = launch(folder, **({"RECEIVER_DATABASE": database} if database else {}))
        try:
            yield running
        finally:
            stop(running)


@contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database of a server of its own."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        with PostgresProcess(folder) as server:
            yield server.create_database()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def size() -> list[Row]:
    """Start and memory of the web process at rest."""
    with tempfile.TemporaryDirectory() as name:
        stop(start(Path(name)))
        times = []
        for _ in range(STARTS):
            began = time.perf_counter()
            running = launch(Path(name))
            times.append(time.perf_counter() - began)
            if len(times) < STARTS:
                stop(running)
        try:
            time.sleep(10)
            resting = memory(running.process.pid)
        finally:
            stop(running)
    note = f"median of {STARTS}, process start to the first 200"
    return [
        Row("web: start", median(times), "s", Target("at most", 1.0), note),
        Row("web: memory at rest", resting, "MiB", Target("at most", 80), "PSS, after 10 s"),
    ]


def sqlite(seconds: float) -> list[Row]:
    with receiver() as running:
        return [*_fast("SQLite", running, seconds, 800), *_mixed("SQLite", running, seconds)]


def postgresql(seconds: float) -> list[Row]:
    if not available():
        return [Row("PostgreSQL: webhooks", None, "/s", Target("at least", 500), GET)]
    with postgres() as address, receiver(address) as running:
        rows = _fast("PostgreSQL", running, seconds, 500)
        return [*rows, *_mixed("PostgreSQL", running, seconds)]


def _fast(database: str, running: Receiver, seconds: float, wanted: float) -> list[Row]:
    load = Load(running.port, seconds)
    borne = median_of([put_on(load, running.process.pid) for _ in range(BATCHES)])
    note = f"{len(SMALL)} B each, {load.connections} connections, {borne.cpu:.2f} ms CPU each"
    return [
        Row(
            f"{database}: webhooks", borne.sent.rate(), "/s", Target("at least", wanted),
            note + _others(borne),
        ),
        Row(f"{database}: p50", borne.sent.milliseconds(0.5), "ms"),
        Row(f"{database}: p99", borne.sent.milliseconds(0.99), "ms", Target("at most", 100)),
    ]  # fmt: skip


def _mixed(database: str, running: Receiver, seconds: float) -> list[Row]:
    borne = put_on(Load(running.port, seconds * 3, 32, RATE, 0.01), running.process.pid)
    note = f"{len(borne.sent.small)} small ones, {len(borne.sent.large)} of 10 to 25 MB"
    return [
        Row(
            f"{database}: p99 at 100/s, 1 % large", borne.sent.milliseconds(0.99), "ms",
            Target("at most", 250), note + _others(borne),
        ),
        Row(f"{database}: memory meanwhile", borne.memory, "MiB", Target("at most", 256), "PSS"),
    ]  # fmt: skip


def _others(borne: Borne) -> str:
    others = borne.sent.others
    return f"; {len(others)} answered {sorted(set(others))}" if others else ""
