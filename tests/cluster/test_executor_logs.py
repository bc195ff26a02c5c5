"""A builder's log through the real API server: exact by sequence number, whatever happens to it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator

import pytest

from bot.core.builds import Running
from bot.core.logtext import log_texts
from bot.executors.kubernetes.names import object_name
from bot.ports import Temporary
from tests.cluster.control_plane import ControlPlane
from tests.cluster.executor_bench import NODE, Bench, make_bench, spec
from tests.cluster.log_kubelet import LogKubelet
from tests.fakes.clock import HandClock
from tests.fakes.loopback import free_port


@pytest.fixture
def bench(plane: ControlPlane) -> Iterator[Bench]:
    made = make_bench(plane)
    yield made
    made.close()


@pytest.fixture
def kubelet(plane: ControlPlane) -> Iterator[LogKubelet]:
    with LogKubelet(plane, NODE) as running:
        yield running


def record(n: int, at: float, text: str = "x") -> bytes:
    return json.dumps({"n": n, "t": round(at, 3), "k": "log", "x": text}).encode()


def started(bench: Bench) -> tuple[str, str]:
    wanted = spec()
    bench.executor().start(wanted)
    pod = object_name(wanted.name)
    bench.kubelet.bind(pod)
    bench.kubelet.run(pod)
    return wanted.name, pod


def test_before_the_container_runs_there_is_nothing(bench: Bench, kubelet: LogKubelet) -> None:
    wanted, executor = spec(), bench.executor()
    assert not executor.read_log(wanted.name, 0, 10)
    executor.start(wanted)
    assert not executor.read_log(wanted.name, 0, 10)
    bench.kubelet.bind(object_name(wanted.name))
    bench.kubelet.pull(object_name(wanted.name))
    assert not executor.read_log(wanted.name, 0, 10)


def test_every_line_once_through_restarts_and_clocks_that_are_set(
    bench: Bench, kubelet: LogKubelet
) -> None:
    """Lines come in bursts; between them the bot restarts and the node's clock jumps."""
    name, pod = started(bench)
    lines = kubelet.logs.setdefault(pod, [])
    dice, clock, printed = random.Random(5), HandClock(), 0
    got: list[int] = []
    executor = bench.executor(clock=clock)
    for turn in range(60):
        kubelet.now += {15: -600.0, 30: 600.0, 45: -7.0}.get(turn, 0.0)
        for _ in range(dice.randrange(30)):
            seconds = dice.random() * 2
            clock.turn(seconds)
            kubelet.now += seconds
            printed += 1
            lines.append((kubelet.now, record(printed, kubelet.now)))
        if dice.random() < 0.1:
            executor = bench.executor(clock=clock)
        kubelet.partial = record(printed + 1, kubelet.now)[: dice.randrange(20)]
        while found := executor.read_log(name, got[-1] if got else 0, 7):
            got += [line.n for line in found]
        assert got == list(range(1, printed + 1)), f"turn {turn}"
    assert sum("sinceSeconds" in query for query in kubelet.asked) > 30


def test_lines_that_a_node_no_longer_has_are_told(bench: Bench, kubelet: LogKubelet) -> None:
    """Its log was turned over between two readings, twice. A worker that begins anew meanwhile
    tells of nothing twice."""
    name, pod = started(bench)
    at = kubelet.now
    kubelet.logs[pod] = [(at, record(n, at)) for n in range(1, 4)]
    executor = bench.executor()
    got = list(executor.read_log(name, 0, 10))
    assert not executor.read_log(name, 3, 10)
    kubelet.logs[pod] = [(at, record(n, at)) for n in range(9, 12)]
    while lines := executor.read_log(name, got[-1].n, 1):
        got += lines
        if len(got) == 4:
            executor = bench.executor()
    kubelet.logs[pod] = [(at, record(13, at))]
    got += bench.executor().read_log(name, got[-1].n, 10)
    assert [line.n for line in got] == [1, 2, 3, 8, 9, 10, 11, 12, 13]
    why = "(log rotation on the node: containerLogMaxSize of its kubelet)"
    notes = [line for line in log_texts([line.text for line in got]) if line != "x"]
    assert notes == [f"5 lines were lost {why}", f"1 line was lost {why}"]


def test_the_end_is_read_whole(bench: Bench, kubelet: LogKubelet) -> None:
    """Lines that a clock set forward has made look old are not lost with the container."""
    name, pod = started(bench)
    kubelet.logs[pod] = [(0.0, record(1, 0.0))]
    executor = bench.executor()
    assert [line.n for line in executor.read_log(name, 0, 10)] == [1]
    assert not executor.read_log(name, 1, 10)
    kubelet.logs[pod].append((0.0, record(2, 0.0)))
    kubelet.now = 600.0
    assert not executor.read_log(name, 1, 10)
    assert not executor.read_log(name, 1, 10)
    bench.kubelet.end(pod)
    executor.observe(name)
    assert [line.n for line in executor.read_log(name, 1, 10)] == [2]


def test_most_of_a_log_is_not_read_again(bench: Bench, kubelet: LogKubelet) -> None:
    name, pod = started(bench)
    now = time.time() - 100
    kubelet.logs[pod] = [(now + n / 10, record(n, now + n / 10)) for n in range(1, 901)]
    executor = bench.executor()
    last = 0
    while found := executor.read_log(name, last, 200):
        last = found[-1].n
    assert last == 900
    assert len(kubelet.asked) == 1
    assert not executor.read_log(name, 900, 200)
    assert "sinceSeconds" in kubelet.asked[-1]


def test_hostile_logs_cost_no_memory_and_hide_no_line(bench: Bench, kubelet: LogKubelet) -> None:
    name, pod = started(bench)
    at = time.time() - 10
    kubelet.logs[pod] = [
        (at, b"not a record"),
        (at, record(1, at)),
        (at, b"y" * (3 << 20)),
        (at, b'{"n": "2"}'),
        (at, b'{"n": 1, "t": ' + b"9" * 400 + b"}"),
        (at, b"\xff\xfe"),
        (at, b"[" * 100_000),
        (at, record(2, float(2**60))),
        (at, record(3, at, "z" * 100_000)),
    ]
    executor = bench.executor()
    got = [line.n for line in executor.read_log(name, 0, 100)]
    assert got == [1, 2, 3]
    assert not executor.read_log(name, 3, 100)


def test_a_log_that_can_not_be_read_is_asked_for_later(bench: Bench, kubelet: LogKubelet) -> None:
    name, pod = started(bench)
    kubelet.logs[pod] = [(time.time(), record(1, time.time()))]
    kubelet.broken = True
    executor = bench.executor()
    with pytest.raises(Temporary):
        executor.read_log(name, 0, 10)
    kubelet.broken = False
    assert [line.n for line in executor.read_log(name, 0, 10)] == [1]


def test_a_node_that_does_not_answer_holds_up_nothing(bench: Bench) -> None:
    """No kubelet listens: the read fails, and looks go on."""
    name, _ = started(bench)
    bench.admin.fake_node(NODE)
    address = [{"type": "InternalIP", "address": "127.0.0.1"}]
    port = {"kubeletEndpoint": {"Port": free_port()}}
    status = {"status": {"addresses": address, "daemonEndpoints": port}}
    bench.admin.patch(f"/api/v1/nodes/{NODE}/status", status)
    executor = bench.executor()
    with pytest.raises(Temporary):
        executor.read_log(name, 0, 10)
    assert isinstance(executor.observe(name), Running)
    bench.admin.delete(f"/api/v1/nodes/{NODE}")
