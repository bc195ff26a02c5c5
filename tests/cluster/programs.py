"""Where the programs of `make cluster-tools` lie, and how one of them runs as a child process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

GET = "make cluster-tools"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def tools_folder() -> Path:
    """Where `make cluster-tools` puts what it builds, whether it is there or not."""
    script = Path(__file__).resolve().parent / "tools" / "build.sh"
    asked = subprocess.run(["sh", script, "--where"], capture_output=True, text=True, check=True)
    return Path(asked.stdout.strip())


def find_program(name: str) -> Path:
    """The program that we built, else Debian's; RuntimeError with the command that gets it."""
    if (built := tools_folder() / name).exists():
        return built
    found = shutil.which(name, path=PATH)
    if found is None or name.startswith("kube"):  # another version of kubectl would mislead
        raise RuntimeError(f"{name} is not installed: {GET}")
    return Path(found)


DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""In front of a command: the kernel ends it when the thread that started it ends."""


class Component:
    """One program with its log `<folder>/<name>.log`, in a session of its own, ended by its pid.

    It is to be started by the main thread, with which it ends.
    """

    def __init__(
        self, name: str, argv: Sequence[str], folder: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.argv = tuple(argv)
        self.log_path = folder / f"{name}.log"
        self._env = {"PATH": PATH, "HOME": str(folder), **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The pid of the running program, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it; what it prints is appended to its log."""
        self._log = self.log_path.open("ab")
        self._process = subprocess.Popen(
            [*DIES_WITH_US, *self.argv],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=self._env,
            start_new_session=True,
        )

    def wait_until(self, ready: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
        """Poll `ready` every 50 ms; RuntimeError with the log's end if that never comes."""
        deadline = time.monotonic() + timeout
        while not ready():
            if self.pid is None or time.monotonic() > deadline:
                state = "ended" if self.pid is None else f"took more than {timeout:.0f} s"
                raise RuntimeError(
                    f"{self.name} {state} before {what}; the end of {self.log_path}:\n"
                    + self.log_text()[-2500:]
                )
            time.sleep(0.05)

    def log_text(self) -> str:
        """All that it has printed so far."""
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program and its children of the same group (a stop, a kill)."""
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):
                os.killpg(pid, number)

    def stop(self, timeout: float = 10.0) -> None:
        """SIGTERM, after `timeout` s SIGKILL. A second call does nothing."""
        process, self._process = self._process, None
        if process is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                if process.poll() is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, number)
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(timeout)
        if self._log is not None:
            self._log.close()
            self._log = None
