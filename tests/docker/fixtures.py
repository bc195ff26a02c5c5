"""The daemons, the registry and the Git server of all tests that build for real, whatever folder
they are in: `tests/conftest.py` takes them in, so that a process has one of each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docker.git_http import GitServer
from tests.docker.site import DEBIAN_DOCKER, DOCKER29, SITES, Site, places
from tests.fakes.base_image import push_base
from tests.fakes.docker_process import (
    DaemonProgram,
    DockerDaemon,
    built_dockerd,
    debian_dockerd,
    tools_folder,
)
from tests.fakes.registry_process import RegistryProcess
from tests.needs import lacking, need


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    need("docker-registry", "make deps")
    with RegistryProcess(tmp_path_factory.mktemp("registry") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def git_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    need("git", "make deps")
    with GitServer(tmp_path_factory.mktemp("git")) as server:
        yield server


@pytest.fixture(scope="session")
def base(registry: RegistryProcess) -> str:
    """An image of static busybox with its links, made by hand and pushed to the local registry."""
    need("busybox", "make deps")
    return push_base(registry.url, "base/busybox", "1")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all tests of a session share; daemons are started when first asked for."""

    registry: RegistryProcess
    git: GitServer
    base: str
    folder: Path
    daemons: dict[str, DockerDaemon]

    def daemon(self, program: DaemonProgram) -> DockerDaemon:
        """Running, whatever a test did to it before."""
        daemon = self.daemons.get(program.name)
        if daemon is None:
            folder = self.folder / program.name
            folder.mkdir()
            daemon = DockerDaemon(program, folder, insecure=[self.registry.host])
            self.daemons[program.name] = daemon
        return daemon if daemon.pid is not None else daemon.start()


@pytest.fixture(scope="session")
def surroundings(
    registry: RegistryProcess,
    git_server: GitServer,
    base: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Surroundings]:
    daemons: dict[str, DockerDaemon] = {}
    yield Surroundings(registry, git_server, base, tmp_path_factory.mktemp("dockerd"), daemons)
    for daemon in daemons.values():
        daemon.remove()


@pytest.fixture(params=places(*SITES))
def site(request: pytest.FixtureRequest, surroundings: Surroundings, tmp_path: Path) -> Site:
    """Each test is made for each site; `@on(…)` narrows it."""
    name: str = request.param
    if os.geteuid() != 0:
        lacking("a root shell (dockerd needs it)", "run the tests as root")
    program = built_dockerd() if name == DOCKER29 else debian_dockerd()
    if program is None:
        lacking("dockerd 29" if name == DOCKER29 else "dockerd", _get(name))
        raise AssertionError  # `lacking` never returns
    client = Path("/usr/bin/docker") if name == DEBIAN_DOCKER else tools_folder() / "docker-buildx"
    if not client.exists():
        lacking(client.name, "make deps" if name == DEBIAN_DOCKER else "make tools")
    return Site(
        name=name,
        daemon=surroundings.daemon(program),
        client=client,
        registry=surroundings.registry,
        git=surroundings.git,
        base=surroundings.base,
        folder=tmp_path,
        lazy=name == DOCKER29,
        buildx=name != DEBIAN_DOCKER,
    )


def _get(name: str) -> str:
    return "make tools" if name == DOCKER29 else "make deps"
