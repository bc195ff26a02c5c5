"""Ours beside the plain way of 2019: clone, `docker build --cache-from`, `docker push`.

One registry, one daemon that is emptied before every single build, the two ways in turns. Both read
the inline cache of the way's own first image. Measured from the first command to the pushed image;
waiting for dockerd is not in it, on either side (on TCP without TLS, as in 2019, it takes 16 s).
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.table import Row, Target, median
from tests.docker.git_http import GitServer, Repository
from tests.docker.site import DEBIAN_DOCKER, DOCKER29, Site
from tests.fakes.base_image import push_base
from tests.fakes.docker_process import (
    DaemonProgram,
    DockerDaemon,
    built_dockerd,
    debian_dockerd,
    tools_folder,
)
from tests.fakes.registry_process import RegistryProcess

ROUNDS = 5
TARGET = Target("at most", 1.05)
DOCKERFILE = """\
FROM {base} AS dependencies
RUN dd if=/dev/urandom of=/dependencies bs=1024 count=4096
FROM {base} AS unused
COPY unused.txt /
FROM {base}
COPY --from=dependencies /dependencies /dependencies
RUN dd if=/dev/urandom of=/large bs=1024 count=32768
COPY app.txt /
"""
SCENARIOS: Mapping[str, str | None] = {
    "cold": None,
    "no change": "README.md",
    "last layer changed": "app.txt",
    "unused stage changed": "unused.txt",
}
"""What changes before each build; cold: nothing is offered to take cache from."""


@dataclass(slots=True)
class Ways:
    """One daemon and both ways to build on it."""

    site: Site
    folder: Path
    repository: Repository = field(init=False)
    ours: str = ""
    theirs: str = ""
    count: int = 0

    def __post_init__(self) -> None:
        self.repository = self.site.repository()
        self.commit({"Dockerfile": DOCKERFILE.format(base=self.site.base)})

    def commit(self, files: Mapping[str, str]) -> str:
        texts = dict.fromkeys(("app.txt", "unused.txt", "README.md"), "1\n")
        return self.repository.commit({**texts, ".dockerignore": "README.md\n", **files})

    def our_way(self, sha: str, *, cold: bool) -> float:
        sources = [] if cold else [self.ours]
        recipe = self.site.recipe(self.repository, sha, cache={"from": sources})
        self.site.daemon.empty()
        began = time.monotonic()
        ended = self.site.run(recipe)
        seconds = time.monotonic() - began
        if ended.kind != "succeeded":
            raise RuntimeError(str(ended.result["message"]))
        self.ours = self.ours or self.site.pinned(recipe, ended)
        return seconds

    def their_way(self, *, cold: bool) -> float:
        self.count += 1
        source = self.folder / f"clone{self.count}"
        name = f"{self.site.registry.host}/by-hand/{self.site.name}:{self.count}"
        sources = [] if cold else ["--cache-from", self.theirs]
        build = [str(self.site.client), "build", "--network=none", "--tag", name, *sources]
        build += (
            ["--load", "--provenance=false", "--cache-to=type=inline"]
            if self.site.buildx
            else ["--build-arg", "BUILDKIT_INLINE_CACHE=1"]
        )
        self.site.daemon.empty()
        began = time.monotonic()
        self._run(["git", "clone", "-q", self.repository.url, str(source)])
        self._run([*build, str(source)])
        self._run(["/usr/bin/docker", "push", name])
        seconds = time.monotonic() - began
        self.theirs = self.theirs or name
        return seconds

    def _run(self, argv: list[str]) -> None:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "DOCKER_BUILDKIT": "1"}
        env["DOCKER_HOST"] = self.site.daemon.host
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{argv[0]}: {done.stderr[-300:]}")


def measure(_seconds: float) -> list[Row]:
    if os.geteuid() != 0:
        return [Row("by hand", None, "", note="daemons of its own need root")]
    rows: list[Row] = []
    for name, program in ((DEBIAN_DOCKER, debian_dockerd()), (DOCKER29, built_dockerd())):
        if program is None:
            rows.append(Row(f"{name}: by hand", None, "", note="make deps; make tools"))
        else:
            rows += _on(name, program)
    return rows


def _on(name: str, program: DaemonProgram) -> list[Row]:
    with TemporaryDirectory(prefix="pw-byhand-") as made:
        folder = Path(made)
        for part in ("docker", "work"):
            (folder / part).mkdir()
        with RegistryProcess(folder / "registry") as registry, GitServer(folder / "git") as git:
            base = push_base(registry.url, "base/busybox", "1")
            new = name == DOCKER29
            client = tools_folder() / "docker-buildx" if new else Path("/usr/bin/docker")
            with DockerDaemon(program, folder / "docker", insecure=[registry.host]) as daemon:
                site = Site(
                    name, daemon, client, registry, git, base, folder / "work", lazy=new, buildx=new
                )
                ways = Ways(site, folder)
                return [_row(ways, title, changed) for title, changed in SCENARIOS.items()]


def _row(ways: Ways, title: str, changed: str | None) -> Row:
    ours, theirs = [], []
    for n in range(ROUNDS):
        sha = ways.commit({changed or "app.txt": f"{title} {n}\n"})
        ours.append(ways.our_way(sha, cold=changed is None))
        theirs.append(ways.their_way(cold=changed is None))
    note = f"medians of {ROUNDS}: {median(ours):.2f} s and {median(theirs):.2f} s"
    ratio = median(ours) / median(theirs)
    return Row(f"{ways.site.name}, {title}: ours / by hand", ratio, "times", TARGET, note)
