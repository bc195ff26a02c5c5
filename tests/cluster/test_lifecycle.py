"""`make cluster` as a developer runs it: a node that works, and nothing left of it afterwards."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.leftovers import CGROUPS, controllers
from tests.cluster.programs import find_program
from tests.fakes.docker_process import ROOT

pytestmark = pytest.mark.timeout(300)
_SETTINGS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")


class Machine:
    """What a node may not change for good."""

    def __init__(self) -> None:
        self.interfaces = {path.name for path in Path("/sys/class/net").iterdir()}
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        self.mounts = [line for line in mounts if "/pw-cluster-" in line]
        self.settings = [Path("/proc/sys", name).read_text() for name in _SETTINGS]
        found = (path for top in controllers() for path in top.glob("pushwright-*"))
        self.cgroups = {str(path.relative_to(CGROUPS)) for path in found}


def processes(folder: str) -> list[str]:
    """Command lines that name the node's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if folder in line:
            found.append(line)
    return found


class Node:
    """`python -m tests.cluster` until its first lines say that the node is ready."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        told = ""
        for line in self.process.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        found = re.search(r"KUBECONFIG=(\S+)", told)
        assert found is not None, told
        self.kubeconfig = found[1]
        self.folder = str(Path(found[1]).parent.parent)

    def kubectl(self, *arguments: str) -> str:
        argv = [str(find_program("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=90)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def end(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        assert self.process.stdout is not None
        self.process.stdout.close()
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def node() -> Iterator[Node]:
    running = Node()
    yield running
    running.end(signal.SIGTERM)


def test_a_pod_runs_and_nothing_is_left_after_ctrl_c() -> None:
    before = Machine()
    node = Node()
    try:
        run = ("run", "hello", "--image=localhost/busybox:1", "--restart=Never")
        node.kubectl(*run, "--", "echo", "hello from a pod")
        node.kubectl("wait", "pod/hello", "--for=jsonpath={.status.phase}=Succeeded")
        assert node.kubectl("logs", "hello") == "hello from a pod\n"
        node.kubectl("delete", "pod", "hello", "--wait=true")
    finally:
        node.end(signal.SIGINT)
    assert vars(Machine()) == vars(before)
    assert processes(node.folder) == []
    assert not Path(node.folder).exists()


def test_what_a_killed_node_left_is_taken_away_by_the_next() -> None:
    before = Machine()
    killed = Node()
    killed.end(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while processes(killed.folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes(killed.folder) == []
    assert Path(killed.folder).exists()
    following = Node()
    assert not Path(killed.folder).exists()
    following.end(signal.SIGTERM)
    assert vars(Machine()) == vars(before)


def test_who_asks_for_help_gets_no_node() -> None:
    argv = [sys.executable, "-m", "tests.cluster", "--help"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "usage: python -m tests.cluster" in done.stdout


def test_a_second_node_is_refused(node: Node) -> None:
    argv = [sys.executable, "-m", "tests.cluster"]
    second = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 1
    assert "another test node runs on this machine" in second.stderr
    assert f'"pid": {node.process.pid}' in second.stderr
