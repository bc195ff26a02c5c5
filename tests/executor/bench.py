"""What the tests of the executor share: executors on a folder, attempts, waiting."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from bot.core.builds import Ended, Observation
from bot.core.centralconfig import DockerExecutor as DockerSettings
from bot.core.ids import BuildId, ImageKey, RepositoryId, Sha, SourceName
from bot.executors.docker.executor import BUILDER, DockerExecutor, Surroundings
from bot.executors.docker.folder import AttemptFolder
from bot.ports import AttemptSpec, CloneCredential, Origin

STAND_IN = (sys.executable, "-I", str(Path(__file__).with_name("stand_in.py")))
SUCCESS = '{"version": 1, "class": "succeeded", "message": "built"}'
HASH = "0" * 64
ORIGIN = Origin(
    build=BuildId("b"),
    attempt=1,
    source=SourceName("github"),
    repository=RepositoryId(42),
    path="acme/shop",
    image=ImageKey("api"),
    sha=Sha("1" * 40),
)


@dataclass(slots=True)
class SetClock:
    """Wall-clock time that a test moves; the monotonic one runs."""

    offset: float = 0.0

    def now(self) -> float:
        return time.time() + self.offset

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(slots=True)
class Bench:
    """`executor()` makes a new one on the same folder, as a restarted bot does."""

    folder: Path
    settings: DockerSettings = field(
        default_factory=lambda: DockerSettings(host="unix:///nonexistent.sock")
    )
    auths: Mapping[str, object] = field(default_factory=lambda: {"auths": {}})
    secrets: Mapping[str, str] = field(default_factory=dict)
    clock: SetClock = field(default_factory=SetClock)
    made: list[DockerExecutor] = field(default_factory=list)

    @property
    def attempts(self) -> Path:
        return self.folder / "attempts"

    def executor(self, builder: Sequence[str] = STAND_IN) -> DockerExecutor:
        around = Surroundings(
            folder=self.attempts,
            docker=lambda: self.settings,
            auths=lambda hosts: self.auths,
            secret_file=self.secrets.get,
        )
        self.made.append(DockerExecutor(around, self.clock, builder))
        return self.made[-1]

    def close(self) -> None:
        """End whatever runs, and let every executor see its children's end."""
        executor = self.executor()
        names = executor.running()
        for name in names:
            executor.cancel(name)
        self.clock.offset += 60
        for name in names:
            eventually(partial(self._over, executor, name))
            for each in self.made:
                eventually(partial(self._reaped, each, name))

    def _over(self, executor: DockerExecutor, name: str) -> bool:
        executor.observe(name)
        return not self.attempt(name).alive()

    def _reaped(self, executor: DockerExecutor, name: str) -> bool:
        executor.observe(name)
        return name not in executor._children

    def real(self) -> DockerExecutor:
        return self.executor(BUILDER)

    def attempt(self, name: str) -> AttemptFolder:
        return AttemptFolder(self.attempts / name)

    def runs(self, name: str) -> list[int]:
        """Of a stand-in: one number per run, how many others ran at that moment."""
        return [int(p.read_text() or -1) for p in (self.folder / "counts").glob(f"{name}.*")]

    def has_run(self, name: str = "b-1") -> bool:
        return bool(self.runs(name))


def spec(name: str = "b-1", **stand_in: Any) -> AttemptSpec:
    """An attempt of the stand-in, that succeeds unless `result` says otherwise."""
    recipe = {"version": 1, "stand_in": {"result": SUCCESS, **stand_in}}
    return AttemptSpec(
        name, recipe, HASH, trusted=True, origin=ORIGIN, registries=(), credential=None
    )


def with_credential(wanted: AttemptSpec, password: str) -> AttemptSpec:
    return replace(wanted, credential=CloneCredential("x-access-token", password))


def eventually(check: Callable[[], object], seconds: float = 30.0) -> None:
    """Until `check` holds."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to pass")
        time.sleep(0.01)


def ended(executor: DockerExecutor, name: str = "b-1", seconds: float = 90.0) -> Ended:
    seen: list[Observation] = []

    def over() -> bool:
        seen.append(executor.observe(name))
        return isinstance(seen[-1], Ended)

    eventually(over, seconds)
    last = seen[-1]
    assert isinstance(last, Ended)
    return last


def processes_naming(path: Path) -> list[str]:
    """Command lines of processes with `path` in their arguments or environment."""
    wanted, found = str(path).encode(), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
            if wanted in words or wanted in (entry / "environ").read_bytes():
                found.append(words.replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


def log_texts(executor: DockerExecutor, name: str, after: int = 0) -> list[str]:
    return [json.loads(line.text)["x"] for line in executor.read_log(name, after, 1000)]
