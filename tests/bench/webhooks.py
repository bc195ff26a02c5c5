"""How many webhooks the web process acknowledges, how fast, and what that costs.

    python -m tests.bench.webhooks [--seconds 5] [--connections 32] [--database URL]

Starts the real gunicorn as the tests do, with the real store, and loads it from a process of its
own over keep-alive connections on loopback. Prints a table; nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import os
import platform
import random
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

from tests.payloads.catalogue import HERE
from tests.scenarios.web_process import SECRET, launch, start, stop

MIB = 1024 * 1024
PIECE = 256 * 1024
SMALL = (HERE / "github" / "push.branch.json").read_bytes()


@dataclass(frozen=True, slots=True)
class Load:
    """What to send. `rate` in requests per second, None: as fast as answers come."""

    port: int
    seconds: float
    connections: int
    rate: float | None = None
    large_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Sent:
    """Times in seconds of the small requests that were answered 202, and how the rest ended."""

    small: list[float]
    large: list[float]
    others: list[int]
    seconds: float

    def quantile(self, share: float) -> float:
        return sorted(self.small)[min(len(self.small) - 1, int(share * len(self.small)))]


@cache
def signature_of(body: bytes) -> str:
    """Made once for each body: signing 25 MB would hold up the small requests' clocks."""
    return hmac.new(SECRET, body, sha256).hexdigest()


def request_head(body: bytes, number: int) -> bytes:
    head = (
        "POST /webhooks/github HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-GitHub-Event: push\r\n"
        f"X-GitHub-Delivery: bench-{os.getpid()}-{number}\r\n"
        f"X-Hub-Signature-256: sha256={signature_of(body)}\r\n\r\n"
    )
    return head.encode()


def large_bodies() -> list[bytes]:
    """Pushes of many commits, 10 to 25 MB, that compress about as real ones do."""
    dice = random.Random(3)
    commit = json.loads(SMALL)["head_commit"]
    found = []
    for size in (10, 15, 20, 24):
        commits: list[dict[str, object]] = []
        while len(commits) * 700 < size * MIB:
            commits.append({**commit, "id": dice.randbytes(20).hex()})
        found.append(json.dumps({"commits": commits}).encode()[: 25 * MIB])
    return found


class Generator:
    """Runs one load in one event loop."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._large = large_bodies() if load.large_share else []
        for body in (SMALL, *self._large):
            signature_of(body)
        self._dice = random.Random(4)
        self._number = 0
        self._small: list[float] = []
        self._large_times: list[float] = []
        self._others: list[int] = []

    async def run(self) -> Sent:
        began = time.perf_counter()
        end = began + self._load.seconds
        await asyncio.gather(
            *(self._client(number, began, end) for number in range(self._load.connections))
        )
        spent = time.perf_counter() - began
        return Sent(self._small, self._large_times, self._others, spent)

    async def _client(self, number: int, began: float, end: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._load.port)
        gap = self._load.connections / self._load.rate if self._load.rate else 0.0
        due = began + gap * number / self._load.connections
        while (now := time.perf_counter()) < end:
            if due > now:
                await asyncio.sleep(due - now)
            due += gap
            large = self._dice.random() < self._load.large_share
            self._number += 1
            body = self._dice.choice(self._large) if large else SMALL
            head = request_head(body, self._number)
            started = time.perf_counter()
            writer.write(head)
            for start_of_piece in range(0, len(body), PIECE):
                writer.write(body[start_of_piece : start_of_piece + PIECE])
                await writer.drain()
            status = await self._answer(reader)
            taken = time.perf_counter() - started
            if status != 202:
                self._others.append(status)
            else:
                (self._large_times if large else self._small).append(taken)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> int:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        return int(head.split(b" ", 2)[1])


def generate(load: Load) -> Sent:
    return asyncio.run(Generator(load).run())


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory(pid: int) -> float:
    """Proportional set size of a process and its children in MiB (pages shared count in parts)."""
    kilobytes = 0
    for one in (pid, *children(pid)):
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return kilobytes / 1024


def measured(load: Load, pid: int) -> tuple[Sent, float]:
    """The load from another process, and the greatest memory seen meanwhile."""
    most = 0.0
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        running = pool.submit(generate, load)
        while not running.done():
            most = max(most, memory(pid))
            time.sleep(0.1)
        return running.result(), most


def row(what: str, sent: Sent, most: float) -> str:
    rate = (len(sent.small) + len(sent.large)) / sent.seconds
    fast, slow = sent.quantile(0.5) * 1000, sent.quantile(0.99) * 1000
    others = f", {len(sent.others)} others {sorted(set(sent.others))}" if sent.others else ""
    return (
        f"{what:<34}{rate:>8.0f}/s   p50 {fast:>6.1f} ms   p99 {slow:>6.1f} ms"
        f"   memory at most {most:>4.0f} MiB{others}"
    )


def main(say: Callable[[str], None] = print) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--connections", type=int, default=32)
    options.add_argument("--database", help="default: SQLite in a folder of the bench")
    chosen = options.parse_args()
    if chosen.database:
        os.environ["RECEIVER_DATABASE"] = chosen.database
    say(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        stop(start(Path(folder)))  # makes the database and fills the disk's cache
        began = time.perf_counter()
        receiver = launch(Path(folder))
        say(f"{'start until /healthz answers':<34}{time.perf_counter() - began:>8.2f} s")
        try:
            time.sleep(10)
            pid = receiver.process.pid
            say(f"{'memory of arbiter and worker':<34}{memory(pid):>8.1f} MiB")
            steady = Load(receiver.port, chosen.seconds, chosen.connections)
            say(row(f"as fast as it goes, {len(SMALL)} B", *measured(steady, pid)))
            mixed = Load(receiver.port, chosen.seconds * 3, chosen.connections, 100, 0.01)
            say(row("100/s, one in a hundred 10-25 MB", *measured(mixed, pid)))
        finally:
            stop(receiver)


if __name__ == "__main__":
    main()
