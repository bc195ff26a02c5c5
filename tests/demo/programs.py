"""Where the demo's registry and its base image come from on a machine where nobody is root: PATH,
else Debian's packages unpacked beside the demo (nothing is installed or started), else images that
the running docker fetches.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.fakes.loopback import free_port
from tests.fakes.registry_process import Traffic, parse_access_log

SYSTEM = ":/usr/sbin:/sbin"


def find_program(name: str, package: str, folder: Path) -> Path | None:
    """`name` from PATH or the system's folders, else out of Debian's package, unpacked below
    `folder`; None where neither has it."""
    found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + SYSTEM)
    if found and not (name == "busybox" and not is_static(Path(found))):
        return Path(found)
    return _unpacked(name, package, folder / "packages")


def is_static(program: Path) -> bool:
    """Whether an ELF program needs no loader (no PT_INTERP): only such a one runs alone in an
    image. https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.pheader.html"""
    with program.open("rb") as file:
        head = file.read(64)
        if head[:5] != b"\x7fELF\x02":
            return False
        offset, size, count = (
            int.from_bytes(head[at : at + wide], "little")
            for at, wide in ((32, 8), (54, 2), (56, 2))
        )
        file.seek(offset)
        table = file.read(size * count)
    kinds = {int.from_bytes(table[at : at + 4], "little") for at in range(0, len(table), size)}
    return 3 not in kinds


def _unpacked(name: str, package: str, folder: Path) -> Path | None:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None
    folder.mkdir(exist_ok=True)
    commands = (["apt-get", "download", "-qq", package], ["dpkg", "-x", "", str(folder)])
    for command in commands:
        files = [str(file) for file in folder.glob(f"{package}_*.deb")]
        argv = [part or (files or [""])[0] for part in command]
        try:
            done = subprocess.run(argv, cwd=folder, capture_output=True, timeout=60, check=False)
        except subprocess.TimeoutExpired:
            return None
        if done.returncode != 0:
            return None
    return next(
        (folder / p / name for p in ("usr/bin", "bin") if (folder / p / name).exists()), None
    )


class Docker:
    """The few requests that the demo makes of a running docker."""

    def __init__(self, host: str) -> None:
        self._host = host

    def run(self, *arguments: str, check: bool = True) -> str:
        """Standard output; RuntimeError with docker's own words."""
        done = subprocess.run(
            ["docker", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "DOCKER_HOST": self._host},
        )
        if done.returncode != 0 and check:
            raise RuntimeError(f"docker {arguments[0]}: {done.stderr.strip()[-500:]}")
        return done.stdout.strip()

    def has_bridge(self) -> bool:
        """Whether containers get a network by default; a daemon may run without."""
        return bool(self.run("network", "ls", "-q", "--filter", "name=^bridge$", check=False))

    def busybox(self, folder: Path) -> Path:
        """Static busybox out of Docker's own image of it."""
        container = self.run("create", "busybox:stable-musl")
        try:
            self.run("cp", f"{container}:/bin/busybox", str(folder / "busybox"))
        finally:
            self.run("rm", "-f", container, check=False)
        return folder / "busybox"


class ContainerRegistry:
    """`registry:3` on 127.0.0.1, run by the docker that is there, and nothing kept of it."""

    def __init__(self, docker: Docker, name: str) -> None:
        self._docker = docker
        self._name = name
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.pid: int | None = None

    def start(self) -> ContainerRegistry:
        """RuntimeError where the image can't be had or does not answer within 20 s."""
        self.stop()
        address = f"REGISTRY_HTTP_ADDR={self.host}"
        where = ["--network=host", "--env", address]
        if self._docker.has_bridge():
            where = [f"--publish={self.host}:5000"]
        self._docker.run("run", "--detach", f"--name={self._name}", *where, "registry:3")
        deadline = time.monotonic() + 20
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"registry:3 did not start: {self._log()[-800:]}")
            time.sleep(0.1)
        return self

    def stop(self) -> None:
        self._docker.run("rm", "--force", "--volumes", self._name, check=False)

    def traffic(self) -> Traffic:
        return parse_access_log(self._log())

    def _log(self) -> str:
        return self._docker.run("logs", self._name, check=False)

    def _answers(self) -> bool:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"{self.url}/v2/", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False


def docker_host(environment: Mapping[str, str] = os.environ) -> str:
    """The address of the docker that a person's own `docker` command would use."""
    if environment.get("DOCKER_HOST"):
        return environment["DOCKER_HOST"]
    shown = subprocess.run(
        ["docker", "context", "inspect"], capture_output=True, text=True, check=False
    )
    try:
        return str(json.loads(shown.stdout)[0]["Endpoints"]["docker"]["Host"])
    except (ValueError, LookupError, TypeError):
        return "unix:///var/run/docker.sock"
