"""Registries that refuse, are busy, or lose something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker.fault_proxy import FaultProxy
from tests.docker.git_http import Repository
from tests.docker.site import DEBIAN_BUILDX, DEBIAN_DOCKER, DOCKER29, Site, config_json, on
from tests.fakes.base_image import push_base
from tests.fakes.registry_process import RegistryProcess
from tests.registry.passwords import one_user

# 127.0.0.0/8 is insecure for every dockerd, so registries made here need no restart of the daemon.


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[RegistryProcess]:
    """Asks for a password: user bot, password open-sesame-1."""
    auth = one_user(tmp_path, "bot", "open-sesame-1")
    with RegistryProcess(tmp_path / "locked", auth=auth) as running:
        yield running


@pytest.fixture
def proxy(site: Site) -> Iterator[FaultProxy]:
    with FaultProxy(site.registry.host) as running:
        yield running


def _elsewhere(
    site: Site, repository: Repository, sha: str, host: str, **more: Any
) -> dict[str, Any]:
    """A recipe that pushes to another registry."""
    recipe = site.recipe(repository, sha, **more)
    name = recipe["push"]["reference"].partition("/")[2]
    recipe["push"]["reference"] = f"{host}/{name}"
    recipe["cache"]["insecure_hosts"] = [host, site.registry.host]
    recipe["allowed"] = [f"{host}/**", f"{site.registry.host}/**"]
    return recipe


def test_push_denied_and_then_allowed(site: Site, locked: RegistryProcess, tmp_path: Path) -> None:
    repository = site.repository()
    sha = repository.commit({"Dockerfile": f"FROM {site.base}\nRUN echo {locked.port}\n"})
    denied = site.run(_elsewhere(site, repository, sha, locked.host))
    assert denied.kind == "push-denied", denied.result
    assert denied.result["digest"] is None

    config = config_json(tmp_path / "config", locked.host, "bot", "open-sesame-1")
    docker = {"host": site.daemon.host, "client": str(site.client), "config_dir": str(config)}
    recipe = _elsewhere(site, repository, sha, locked.host, docker=docker)
    recipe["redact_files"] = [str(config / "config.json")]
    pushed = site.run(recipe)
    assert pushed.kind == "succeeded", pushed.result
    assert b"open-sesame-1" not in pushed.stdout + pushed.stderr
    assert not list(Path(recipe["workdir"]).rglob("config.json"))

    again = _elsewhere(site, repository, sha, locked.host, docker=docker)
    again["cache"]["from"] = [site.pinned(recipe, pushed)]
    site.daemon.empty()
    warm = site.run(again)
    assert warm.result["cache"]["found"] == 1
    assert warm.result["digest"] == pushed.result["digest"]


@on(DEBIAN_DOCKER, DOCKER29)
def test_a_base_that_needs_a_password(site: Site, locked: RegistryProcess) -> None:
    repository = site.repository()
    sha = repository.commit({"Dockerfile": f"# x\nFROM {locked.host}/private/base:1\nRUN true\n"})
    ended = site.build(repository, sha)
    assert ended.kind == "base-forbidden", ended.result
    assert ended.result["line"] == {"file": "Dockerfile", "line": 2, "instruction": "FROM"}


@pytest.mark.parametrize("status", [429, 500])
@on(DEBIAN_DOCKER, DOCKER29)
def test_a_busy_registry_is_asked_again(site: Site, proxy: FaultProxy, status: int) -> None:
    left = [2]

    def fault(method: str, path: str) -> int | None:
        if method == "PUT" and "/manifests/" in path and left[0]:
            left[0] -= 1
            return status
        return None

    proxy.fault = fault
    repository = site.repository()
    sha = repository.commit({"Dockerfile": f"FROM {site.base}\nRUN echo {status}\n"})
    recipe = _elsewhere(site, repository, sha, proxy.host)
    recipe["limits"]["registry_waits"] = [0.1, 0.1, 0.1]
    ended = site.run(recipe)
    assert proxy.faults == 2
    assert ended.kind == "succeeded", ended.result


@pytest.mark.parametrize("faults", [1, 2])
@on(DEBIAN_BUILDX, DEBIAN_DOCKER)
def test_a_manifest_of_the_old_schema_is_no_success(
    site: Site, proxy: FaultProxy, faults: int
) -> None:
    """dockerd 20.10 answers a refused manifest with one of schema 1."""
    left = [faults]

    def fault(method: str, path: str) -> int | None:
        if method == "PUT" and "/manifests/" in path and left[0]:
            left[0] -= 1
            return 500
        return None

    proxy.fault = fault
    repository = site.repository()
    sha = repository.commit({"Dockerfile": f"FROM {site.base}\nRUN echo old {faults}\n"})
    recipe = _elsewhere(site, repository, sha, proxy.host)
    recipe["limits"]["registry_waits"] = [0.1, 0.1]
    ended = site.run(recipe)
    assert ended.kind in ("succeeded", "registry-unavailable"), ended.result
    manifests = site.registry.storage / "docker" / "registry" / "v2" / "blobs"
    if ended.kind == "succeeded":
        digest = ended.result["digest"].removeprefix("sha256:")
        text = (manifests / "sha256" / digest[:2] / digest / "data").read_text()
        assert json.loads(text)["schemaVersion"] == 2


def test_a_registry_that_stays_broken(site: Site, proxy: FaultProxy) -> None:
    # dockerd 20.10 asks again by itself, for 50 s, where uploads fail: so it is the manifest here
    proxy.fault = lambda method, path: 503 if method == "PUT" and "/manifests/" in path else None
    repository = site.repository()
    sha = repository.commit({"Dockerfile": f"FROM {site.base}\nRUN echo broken\n"})
    recipe = _elsewhere(site, repository, sha, proxy.host)
    recipe["limits"]["registry_waits"] = [0.1]
    ended = site.run(recipe)
    assert ended.kind == "registry-unavailable", ended.result


@on(DEBIAN_DOCKER, DOCKER29)
def test_a_lost_manifest_is_no_success(site: Site, proxy: FaultProxy) -> None:
    """The registry says 201 and keeps nothing."""
    proxy.fault = lambda method, path: 201 if method == "PUT" and "/manifests/" in path else None
    repository = site.repository()
    sha = repository.commit({"Dockerfile": f"FROM {site.base}\nRUN echo lost\n"})
    recipe = _elsewhere(site, repository, sha, proxy.host)
    recipe["limits"]["registry_waits"] = [0.1]
    ended = site.run(recipe)
    assert ended.kind in ("registry-unavailable", "internal"), ended.result
    assert ended.result["digest"] is None


@on(DOCKER29)
def test_a_lost_cache_layer_costs_the_cache_and_not_the_build(site: Site, tmp_path: Path) -> None:
    """The cache image's manifest is there, a layer that a RUN needs as parent is gone."""
    with RegistryProcess(tmp_path / "losing") as losing:
        base = push_base(losing.url, "base/busybox", "1")
        repository = site.repository()
        text = (
            f"FROM {base}\nRUN dd if=/dev/urandom of=/big bs=1024 count=300\nCOPY a /\nRUN cat /a\n"
        )
        sha = repository.commit({"Dockerfile": text, "a": "1"})
        first = _elsewhere(site, repository, sha, losing.host)
        cold = site.run(first)
        assert cold.kind == "succeeded", cold.result
        site.daemon.empty()
        for blob in (tmp_path / "losing").rglob("data"):
            if 250_000 < blob.stat().st_size < 400_000:
                blob.unlink()
        sha = repository.commit({"a": "2"})
        recipe = _elsewhere(site, repository, sha, losing.host)
        recipe["cache"]["from"] = [site.pinned(first, cold)]
        ended = site.run(recipe)
    assert ended.kind == "succeeded", ended.result
    assert "without cache" in ended.notes
