"""Buildbot's GitHub hook under the same load: what a well-known receiver does on this machine.

Installed once, as `buildbot.lock` pins it, into an environment of its own in the cache folder. Its
hook answers after the change is in its SQLite database, as ours does; its master is left as it
comes, with one builder that never builds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.load import BATCHES, Load, median_of, put_on
from tests.bench.table import Row
from tests.fakes.loopback import free_port
from tests.scenarios.web_process import SECRET

LOCK = Path(__file__).with_name("buildbot.lock")
CONFIG = """\
from buildbot.plugins import schedulers, util, worker

c = BuildmasterConfig = {{}}
c["workers"] = [worker.Worker("nobody", "nobody")]
c["builders"] = [
    util.BuilderConfig(name="nothing", workernames=["nobody"], factory=util.BuildFactory())
]
c["schedulers"] = [schedulers.Triggerable(name="never", builderNames=["nothing"])]
c["protocols"] = {{"pb": {{"port": "tcp:0:interface=127.0.0.1"}}}}
c["db"] = {{"db_url": "sqlite:///state.sqlite"}}
c["buildbotNetUsageData"] = None
c["buildbotURL"] = "http://127.0.0.1:{port}/"
c["www"] = {{
    "port": "tcp:{port}:interface=127.0.0.1",
    "plugins": {{}},
    "change_hook_dialects": {{"github": {{"secret": "{secret}", "strict": True}}}},
}}
"""


class NotInstalled(Exception):
    """The text says why."""


def measure(seconds: float) -> list[Row]:
    try:
        folder = installed()
    except NotInstalled as error:
        return [Row("Buildbot's GitHub hook", None, "/s", note=str(error))]
    with master(folder) as (port, pid):
        load = Load(port, seconds, path="/change_hook/github", good=200)
        borne = median_of([put_on(load, pid) for _ in range(BATCHES)])
    others = f"; {len(borne.sent.others)} refused" if borne.sent.others else ""
    note = f"the yardstick: same body and connections, {borne.cpu:.2f} ms CPU each{others}"
    return [
        Row("Buildbot's GitHub hook", borne.sent.rate(), "/s", note=note),
        Row("Buildbot: p50", borne.sent.milliseconds(0.5), "ms"),
        Row("Buildbot: p99", borne.sent.milliseconds(0.99), "ms"),
    ]


def installed() -> Path:
    """The folder of its environment, made if it is not there. Raises NotInstalled."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(os.environ.get("PUSHWRIGHT_CACHE") or Path(cache) / "pushwright") / "buildbot"
    ready = folder / "lock"
    if ready.exists() and ready.read_text() == LOCK.read_text():
        return folder
    pip = [str(folder / "bin" / "pip"), "install", "-q", "--require-hashes", "-r", str(LOCK)]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run(pip, check=True, capture_output=True, text=True, timeout=600)
    except subprocess.CalledProcessError as error:
        words = str(error.stderr or error).strip().splitlines()
        raise NotInstalled(f"it can't be installed: {words[-1]}") from error
    except subprocess.TimeoutExpired as error:
        raise NotInstalled("it can't be installed: pip took over ten minutes") from error
    ready.write_text(LOCK.read_text())
    return folder


@contextmanager
def master(environment: Path) -> Iterator[tuple[int, int]]:
    """A running master: port and process id."""
    program = str(environment / "bin" / "buildbot")
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        (folder / "master.cfg").write_text(CONFIG.format(port=port, secret=SECRET.decode()))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([program, "create-master", name], check=True, **quiet)  # type: ignore[call-overload]  # both keys fit
        process = subprocess.Popen(
            [program, "start", "--nodaemon", name],
            cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            _wait(folder / "twistd.log", process)
            yield port, process.pid
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and "BuildMaster is running" in log.read_text():
            return
        time.sleep(0.1)
    raise RuntimeError(f"Buildbot did not start: {log.read_text()[-1000:] if log.exists() else ''}")
