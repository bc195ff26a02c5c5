"""What a builder test has at hand: a registry, a daemon with a client, Git over HTTP, recipes."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from tests.docker.git_http import GitServer, Repository
from tests.fakes.docker_process import DockerDaemon
from tests.fakes.registry_process import RegistryProcess

DEBIAN_DOCKER = "debian-docker"
DEBIAN_BUILDX = "debian-buildx"
DOCKER29 = "docker29-buildx"
SITES = (DEBIAN_DOCKER, DEBIAN_BUILDX, DOCKER29)
"""Debian's dockerd 20.10 with its own client and with buildx; dockerd 29 with buildx."""


GROUP = pytest.mark.xdist_group("docker")
"""One process runs all tests with a daemon: each would start its own."""


def places(*sites: str) -> list[ParameterSet]:
    """A test is played at the first, and at the others where there is time."""
    others = [pytest.param(site, marks=[GROUP, pytest.mark.long]) for site in sites[1:]]
    return [pytest.param(sites[0], marks=GROUP), *others]


def on(*sites: str) -> pytest.MarkDecorator:
    """Narrow a test to some of the sites."""
    return pytest.mark.parametrize("site", places(*sites), indirect=True)


def at_both() -> pytest.MarkDecorator:
    """At each daemon whenever it is played."""
    both = [pytest.param(site, marks=GROUP) for site in (DEBIAN_DOCKER, DOCKER29)]
    third = pytest.param(DEBIAN_BUILDX, marks=[GROUP, pytest.mark.long])
    return pytest.mark.parametrize("site", [*both, third], indirect=True)


NO_PROXY = "127.0.0.1,localhost,::1"


@dataclass(slots=True)
class Ended:
    """One run of the builder, as its caller sees it."""

    code: int
    result: dict[str, Any]
    records: list[dict[str, Any]]
    stdout: bytes
    stderr: bytes

    @property
    def kind(self) -> str:
        return str(self.result["class"])

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The Dockerfile's steps without FROM, as last reported."""
        last = {record["name"]: record for record in self.records if record["k"] == "step"}
        return [
            record
            for name, record in last.items()
            if name.startswith("[") and "/" in name.partition("]")[0] and "] FROM" not in name
        ]

    @property
    def log(self) -> str:
        return "\n".join(record["x"] for record in self.records if record["k"] == "log")

    @property
    def notes(self) -> str:
        return "\n".join(record["x"] for record in self.records if record["k"] == "note")


@dataclass(slots=True)
class Site:
    """`lazy`: a full hit pulls no layer here. `client`: the build client's path."""

    name: str
    daemon: DockerDaemon
    client: Path
    registry: RegistryProcess
    git: GitServer
    base: str
    folder: Path
    lazy: bool
    buildx: bool
    count: int = field(default=0)

    def repository(self) -> Repository:
        return self.git.repository(f"{self.name}/r{next(self.git.numbers)}")

    def recipe(self, repository: Repository, sha: str, **changes: Any) -> dict[str, Any]:
        """A recipe that builds `sha`; `changes` are merged one level deep."""
        self.count += 1
        workdir = self.folder / f"w{self.count}"
        workdir.mkdir(parents=True)
        name = repository.name.removesuffix(".git")
        recipe: dict[str, Any] = {
            "version": 1,
            "attempt": f"a{self.count}",
            "workdir": str(workdir),
            "source": {"url": repository.url, "sha": sha, "ref": "refs/heads/main"},
            "build": {"network": "none"},
            "push": {
                "reference": f"{self.registry.host}/{name}:git-{sha[:12]}-0-{self.count}",
                "insecure": True,
            },
            "cache": {"mode": "inline", "from": [], "insecure_hosts": [self.registry.host]},
            "limits": {"timeout_seconds": 90, "silence_seconds": 60, "fetch_waits": [0.1]},
            "docker": {"host": self.daemon.host, "client": str(self.client)},
            "redact_files": [],
            "allowed": [f"{self.registry.host}/**"],
            "result": str(self.folder / f"result{self.count}.json"),
        }
        for key, value in changes.items():
            merge = isinstance(value, dict) and isinstance(recipe.get(key), dict)
            recipe[key] = {**recipe[key], **value} if merge else value
        return recipe

    def start(
        self,
        recipe: Mapping[str, Any],
        env: Mapping[str, str] | None = None,
        module: str = "bot.builder",
    ) -> Running:
        path = Path(f"{recipe['result']}.recipe")
        path.write_text(json.dumps(recipe))
        output = Path(f"{recipe['result']}.out")
        with output.open("wb") as stdout, Path(f"{recipe['result']}.err").open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-I", "-m", module, str(path)],
                cwd="/",
                env={"PATH": os.environ["PATH"], "NO_PROXY": NO_PROXY, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        return Running(process, Path(recipe["result"]))

    def run(self, recipe: Mapping[str, Any], env: Mapping[str, str] | None = None) -> Ended:
        return self.start(recipe, env).wait()

    def build(self, repository: Repository, sha: str, **changes: Any) -> Ended:
        return self.run(self.recipe(repository, sha, **changes))

    def pinned(self, recipe: Mapping[str, Any], ended: Ended) -> str:
        """The reference by digest, as a later build's cache candidate."""
        return f"{recipe['push']['reference'].rpartition(':')[0]}@{ended.result['digest']}"


@dataclass(slots=True)
class Running:
    process: subprocess.Popen[bytes]
    result: Path

    def output(self) -> bytes:
        return Path(f"{self.result}.out").read_bytes()

    def wait_for(self, text: bytes, timeout: float = 60.0) -> None:
        """Until the standard output holds `text`."""
        deadline = time.monotonic() + timeout
        while text not in self.output():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{text!r} did not come: {self.output()[-2000:]!r}")
            time.sleep(0.02)

    def wait(self, timeout: float = 100.0) -> Ended:
        code = self.process.wait(timeout)
        stdout = self.output()
        stderr = Path(f"{self.result}.err").read_bytes()
        if not self.result.exists():
            raise AssertionError(f"no result: {stdout[-2000:]!r} {stderr[-2000:]!r}")
        data = self.result.read_bytes()
        assert len(data) <= 4096
        records = [json.loads(line) for line in stdout.splitlines()]
        assert [record["n"] for record in records] == list(range(1, len(records) + 1))
        return Ended(code, json.loads(data), records, stdout, stderr)


def config_json(folder: Path, host: str, user: str, password: str) -> Path:
    """A Docker configuration folder with one plain credential."""
    folder.mkdir(parents=True, exist_ok=True)
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return folder
