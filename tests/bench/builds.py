"""The bot's own time in a build: everything but the builder's.

The demo's machine: real dockerd, real registry, `pushwright serve` on SQLite, and the Git host's
stand-in. Each push changes one file, so that one image is built with its cache from the registry.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.core.ids import BuildId, HostKind
from bot.store import SqlStore, open_store
from tests.bench.table import Row, Target, median, quantile
from tests.demo.machine import Machine
from tests.demo.screen import Screen
from tests.fakes.registry_process import GET, PROGRAM

PUSHES = 12
WAIT = 60.0
FINAL = ("success", "failure", "error")
DOCKERFILE = """\
FROM {base}
RUN dd if=/dev/urandom of=/dependencies bs=1024 count=16384
COPY wait.txt /wait.txt
RUN sleep 2
COPY app.txt /app.txt
"""
"""Two seconds at least: the pace of one write a second is free again when the build ends."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of one push. `start`: webhook received until the builder's first record; `end`: its
    last record until the host has the next status; `fetched`: bytes of layers from the
    registry; `size`: bytes of the image."""

    start: float
    end: float
    fetched: int
    size: int


class Quiet(Screen):
    """Prints nothing: the table is all that is wanted."""

    def line(self, *_: Any, **__: Any) -> None:
        pass


def measure(_seconds: float) -> list[Row]:
    if os.geteuid() != 0:
        return [Row("builds", None, "", note="the daemon of its own needs root")]
    if shutil.which(PROGRAM) is None:
        return [Row("builds", None, "", note=f"{PROGRAM} is missing: {GET}")]
    with closing(Machine(HostKind.GITHUB, Quiet())) as machine:
        machine.open()
        store = open_store(f"sqlite:///{database(machine)}")
        try:
            files = {"Dockerfile": DOCKERFILE.format(base=machine.base), "wait.txt": "1\n"}
            one_push(machine, store, {**files, "app.txt": "first\n"})  # everything is cold here
            taken = [one_push(machine, store, {"wait.txt": f"{n}\n"}) for n in range(2, PUSHES + 2)]
            machine.empty_daemon()
            again = one_push(machine, store, {"README.md": "# not in the image\n"})
        finally:
            store.close()
    return [*_rows(taken), _fetched(again)]


def _rows(taken: list[Taken]) -> list[Row]:
    starts, ends = [one.start for one in taken], [one.end for one in taken]
    slow = f"{len(taken)} pushes, p90 {{:.2f}} s"
    return [
        Row(
            "webhook to builder's first record, p50", median(starts), "s", Target("at most", 0.3),
            slow.format(quantile(starts, 0.9)),
        ),
        Row(
            "builder's last record to status, p50", median(ends), "s", Target("at most", 0.5),
            slow.format(quantile(ends, 0.9)),
        ),
    ]  # fmt: skip


def _fetched(again: Taken) -> Row:
    note = f"of an image of {again.size / 1e6:.1f} MB, on an emptied daemon"
    return Row("build without a change: fetched", 100 * again.fetched / again.size, "%", note=note)


def database(machine: Machine) -> Path:
    return machine.folder / "state" / "pushwright.db"


def one_push(machine: Machine, store: SqlStore, files: dict[str, str | None]) -> Taken:
    before = machine.registry.traffic()
    sha = machine.push(files, "Change")
    reported = _first_final(machine, sha)
    build, size, received = _rows_of(machine, sha)
    records = [json.loads(line.text) for line in store.read_log(build, None, 0, 100_000)]
    time.sleep(1.5)  # the next push finds the pace free
    fetched = (machine.registry.traffic() - before).bytes("GET", "blob")
    start, end = float(records[0]["t"]), float(records[-1]["t"])
    return Taken(start - received, reported - end, fetched, size)


def _rows_of(machine: Machine, sha: str) -> tuple[BuildId, int, float]:
    """The one build of a commit, the bytes of its image, and when its delivery was received."""
    with closing(sqlite3.connect(database(machine))) as connection:
        [(build, size)] = connection.execute(
            "select id, size_bytes from build where sha = ?", (sha,)
        ).fetchall()
        [(received,)] = connection.execute("select max(received_at) from inbox").fetchall()
    return BuildId(build), size, received


def _first_final(machine: Machine, sha: str) -> float:
    """When the host was told how it ended: the first of the final statuses."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        final = [status for status in machine.statuses(sha) if status.state in FINAL]
        if final and final[0].state != "success":
            raise RuntimeError(f"the build ended as {final[0].state}: {final[0].description}")
        if final:
            return final[0].at
        time.sleep(0.05)
    raise RuntimeError(f"no final status within {WAIT:.0f} s")
