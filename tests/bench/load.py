"""A load of webhooks over keep-alive connections on loopback, sent from a process of its own."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import random
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context

from tests.bench.processes import cpu_seconds, memory
from tests.bench.table import MIB, quantile
from tests.payloads.catalogue import HERE
from tests.scenarios.web_process import SECRET

PIECE = 256 * 1024
SMALL = (HERE / "github" / "push.branch.json").read_bytes()
BATCHES = 3


@dataclass(frozen=True, slots=True)
class Load:
    """What to send. `rate` in requests per second, None: as fast as answers come. `good`: the
    status of an accepted request."""

    port: int
    seconds: float
    connections: int = 32
    rate: float | None = None
    large_share: float = 0.0
    path: str = "/webhooks/github"
    good: int = 202


@dataclass(frozen=True, slots=True)
class Sent:
    """Times in seconds of the small and the large requests that were accepted, and the statuses of
    the others; seconds that it all took."""

    small: list[float]
    large: list[float]
    others: list[int]
    seconds: float

    def rate(self) -> float:
        return (len(self.small) + len(self.large)) / self.seconds

    def milliseconds(self, share: float) -> float:
        return quantile(self.small, share) * 1000 if self.small else float("nan")


@dataclass(frozen=True, slots=True)
class Borne:
    """How a server bore a load: its greatest PSS in MiB, its processor time per request in ms."""

    sent: Sent
    memory: float
    cpu: float


@cache
def signatures_of(body: bytes) -> tuple[str, str]:
    """SHA-256 and SHA-1 (which Buildbot asks for), made once for each body: signing 25 MB would
    hold up the small requests' clocks."""
    return hmac.new(SECRET, body, "sha256").hexdigest(), hmac.new(SECRET, body, "sha1").hexdigest()


def request_head(body: bytes, path: str, number: int) -> bytes:
    sha256, sha1 = signatures_of(body)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-GitHub-Event: push\r\n"
        f"X-GitHub-Delivery: bench-{os.getpid()}-{number}\r\n"
        f"X-Hub-Signature: sha1={sha1}\r\nX-Hub-Signature-256: sha256={sha256}\r\n\r\n"
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
            signatures_of(body)
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
            status, taken = await self._request(reader, writer, large)
            if status != self._load.good:
                self._others.append(status)
            else:
                (self._large_times if large else self._small).append(taken)
        writer.close()

    async def _request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, large: bool
    ) -> tuple[int, float]:
        """Status and seconds of one request."""
        self._number += 1
        body = self._dice.choice(self._large) if large else SMALL
        head = request_head(body, self._load.path, self._number)
        started = time.perf_counter()
        writer.write(head)
        for start_of_piece in range(0, len(body), PIECE):
            writer.write(body[start_of_piece : start_of_piece + PIECE])
            await writer.drain()
        status = await self._answer(reader)
        return status, time.perf_counter() - started

    async def _answer(self, reader: asyncio.StreamReader) -> int:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"transfer-encoding: chunked" in head:
            while (size := int(await reader.readline(), 16)) > 0:
                await reader.readexactly(size + 2)
            await reader.readexactly(2)
        else:
            length = head.partition(b"content-length: ")[2].split(b"\r\n", 1)[0]
            await reader.readexactly(int(length or b"0"))
        return int(head.split(b" ", 2)[1])


def generate(load: Load) -> Sent:
    return asyncio.run(Generator(load).run())


def put_on(load: Load, pid: int) -> Borne:
    """The load, put on the server that is process `pid` with its children."""
    most, before = 0.0, cpu_seconds(pid)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        running = pool.submit(generate, load)
        while not running.done():
            most = max(most, memory(pid))
            time.sleep(0.1)
        sent = running.result()
    requests = max(1, len(sent.small) + len(sent.large) + len(sent.others))
    return Borne(sent, most, (cpu_seconds(pid) - before) * 1000 / requests)


def median_of(loads: list[Borne]) -> Borne:
    """The one in the middle by its rate: its numbers belong together."""
    return sorted(loads, key=lambda borne: borne.sent.rate())[len(loads) // 2]
