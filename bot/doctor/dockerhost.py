"""The docker executor's daemon and the client that builds use here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.builder.budget import Budget
from bot.builder.clients import Kind, choose
from bot.builder.outcome import BuildFailed
from bot.core.centralconfig import CentralConfig
from bot.core.daemons import flaws, sentence
from bot.core.findings import About, Finding
from bot.doctor.checks import Check
from bot.executors.docker.daemon import Daemon
from bot.ports import HostError

_LITTLE = 5 * 10**9
_CLIENT_SECONDS = 20.0
_BUILDKIT_SINCE = (18, 9)


@dataclass(frozen=True, slots=True)
class DockerHost:
    config: CentralConfig

    def checks(self) -> Iterator[Check]:
        yield Check(About("docker", "client"), self.client)
        yield Check(About("docker", "daemon"), self.daemon)

    def client(self) -> Iterator[Finding]:
        """Chosen as the builder chooses it."""
        about = About("docker", "client")
        budget = Budget(_CLIENT_SECONDS)
        env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent"}
        try:
            found = choose(None, env, Path("/"), budget)
        except BuildFailed as error:
            yield about.fail(str(error), "apt-get install docker-buildx, or docker.io of Debian 12")
            return
        finally:
            budget.close()
        if found.kind is Kind.DOCKER:
            text = f"{found} ({found.program}): no named contexts, no line of a failed step"
            yield about.warn(text, "install docker-buildx where the worker runs")
        else:
            yield about.ok(f"{found} ({found.program})")

    def daemon(self) -> Iterator[Finding]:
        about, host = About("docker", "daemon"), self.config.docker.host
        daemon = Daemon(host)
        try:
            version, info = daemon.version(), daemon.info()
        except HostError as error:
            remedy = "start it, or set docker.host; the bot's user must be in the group `docker`"
            yield about.fail(str(error), remedy)
            return
        yield from daemon_findings(host, version, info)


def daemon_findings(host: str, version: str, info: Mapping[str, object]) -> Iterator[Finding]:
    """What a daemon's `/version` and `/info` mean for builds."""
    about = About("docker", "daemon")
    if _numbers(version) < _BUILDKIT_SINCE:
        yield about.fail(f"{version} has no BuildKit", "upgrade to docker 20.10 or later")
    else:
        yield about.ok(f"{version} at {host}")
    yield from _flaws(version)
    if host.startswith("tcp://"):
        text = f"{host} is root on its machine for everybody who reaches that port"
        yield about.warn(text, "use the unix socket, or protect it by TLS and a firewall")
    yield from _storage(info)
    yield from _cgroup(info)


def _flaws(version: str) -> Iterator[Finding]:
    about = About("docker", "inline cache")
    for flaw in flaws(version):
        if flaw.lived_with:
            yield about.ok(sentence(version, flaw))
        else:
            yield about.warn(f"dockerd {version}: {flaw.what} ({flaw.source})", flaw.todo)


def _storage(info: Mapping[str, object]) -> Iterator[Finding]:
    about, driver = About("docker", "storage"), str(info.get("Driver") or "unknown")
    root = str(info.get("DockerRootDir") or "")
    left = shutil.disk_usage(root).free if root and Path(root).is_dir() else None
    room = "" if left is None else f", {left / 1e9:.1f} GB left in {root}"
    if driver == "vfs":
        text = f"vfs{room}: every layer is a whole copy, builds are many times slower"
        yield about.warn(text, "put the daemon's data on ext4 or xfs, not on an overlay")
    elif left is not None and left < _LITTLE:
        yield about.warn(f"{driver}{room}", "free some; docker.dedicated keeps a cache in bounds")
    else:
        yield about.ok(f"{driver}{room}")


def _cgroup(info: Mapping[str, object]) -> Iterator[Finding]:
    about, version = About("docker", "cgroup"), str(info.get("CgroupVersion") or "")
    text = f"version {version or 'unknown'}, driver {info.get('CgroupDriver') or 'unknown'}"
    if version and info.get("MemoryLimit") is False:
        remedy = "boot with cgroup memory accounting: cgroup_enable=memory"
        yield about.warn(f"{text}: memory limits of builds have no effect", remedy)
    else:
        yield about.ok(text)


def _numbers(version: str) -> tuple[int, int]:
    parts = version.split(".")
    try:
        return int(parts[0]), int(parts[1])
    except (ValueError, IndexError):
        return (0, 0)
