"""Mode `registry`: a cache of all stages in a reference of its own, read and written for real."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docker.fault_proxy import FaultProxy
from tests.docker.site import DEBIAN_BUILDX, DEBIAN_DOCKER, DOCKER29, Ended, Site, on

TEXT = (
    "FROM {base} AS deps\nCOPY lock /\nRUN head -c 300000 /dev/urandom >/dep; echo ran-deps\n"
    "FROM {base} AS app\nCOPY --from=deps /dep /dep\nCOPY app.txt /\nRUN cat /app.txt >/out\n"
    "FROM {base}\nCOPY --from=app /out /\n"
)
FILES = {"lock": "1\n", "app.txt": "one\n"}


def _cache(site: Site, repository: Any, host: str | None = None) -> str:
    name = repository.name.removesuffix(".git")
    return f"{host or site.registry.host}/{name}:cache-trusted-api"


def _ran_deps(ended: Ended) -> bool:
    return "ran-deps" in ended.log.splitlines()


@pytest.mark.long
@on(DOCKER29)
def test_inline_runs_a_dependency_stage_again_and_registry_keeps_it(site: Site) -> None:
    seen = {}
    for mode in ("inline", "registry"):
        repository = site.repository()
        to = _cache(site, repository)
        cache: dict[str, Any] = {"mode": mode, "to": to if mode == "registry" else None}
        files = {**FILES, "Dockerfile": TEXT.format(base=site.base) + f"# {mode}\n"}
        first = site.recipe(repository, repository.commit(files), cache=cache)
        site.daemon.empty()
        cold = site.run(first)
        assert cold.kind == "succeeded", cold.result
        assert _ran_deps(cold)
        site.daemon.empty()
        # One source alone: of two BuildKit now and then takes records without what they lead to.
        sources = [to if mode == "registry" else site.pinned(first, cold)]
        sha = repository.commit({"app.txt": f"two {mode}\n"})
        warm = site.build(repository, sha, cache={**cache, "from": sources})
        assert warm.kind == "succeeded", warm.result
        assert warm.result["cache"]["found"] == len(sources)
        seen[mode] = _ran_deps(warm), warm.result["cache"]["rerun_stages"], warm.result["cache"]
    assert seen["inline"][:2] == (True, "deps, app")
    assert "stage deps is not in the image" in seen["inline"][2]["why"]
    assert seen["registry"][0] is False
    assert seen["registry"][2]["first_miss"].endswith("COPY app.txt / (Dockerfile:6)")


@on(DOCKER29)
def test_the_cache_is_one_oci_image_manifest(site: Site) -> None:
    """ECR and Harbor refuse the older form: an index whose entries are layers."""
    repository = site.repository()
    to = _cache(site, repository)
    files = {**FILES, "Dockerfile": TEXT.format(base=site.base)}
    cache = {"mode": "registry", "to": to}
    ended = site.build(repository, repository.commit(files), cache=cache)
    assert ended.kind == "succeeded", ended.result
    name, _, tag = to.removeprefix(f"{site.registry.host}/").rpartition(":")
    request = urllib.request.Request(f"{site.registry.url}/v2/{name}/manifests/{tag}")
    request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json")
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Type"] == "application/vnd.oci.image.manifest.v1+json"
        manifest = json.loads(answer.read())
    assert manifest["config"]["mediaType"] == "application/vnd.buildkit.cacheconfig.v0"
    assert all(
        layer["mediaType"].startswith("application/vnd.oci.image.layer.")
        for layer in manifest["layers"]
    )


@on(DOCKER29)
def test_a_full_hit_in_registry_mode_fetches_no_layer(site: Site) -> None:
    repository = site.repository()
    to = _cache(site, repository)
    cache = {"mode": "registry", "to": to}
    sha = repository.commit({**FILES, "Dockerfile": TEXT.format(base=site.base)})
    first = site.recipe(repository, sha, cache=cache)
    site.daemon.empty()
    cold = site.run(first)
    site.daemon.empty()
    before = site.registry.traffic()
    warm = site.build(repository, sha, cache={**cache, "from": [site.pinned(first, cold), to]})
    assert warm.kind == "succeeded", warm.result
    assert warm.result["digest"] == cold.result["digest"]
    assert (site.registry.traffic() - before).bytes("GET") < 100_000


@pytest.fixture
def proxy(site: Site) -> Iterator[FaultProxy]:
    with FaultProxy(site.registry.host) as running:
        yield running


@pytest.mark.parametrize("status", [403, 500])
@on(DOCKER29)
def test_a_cache_that_can_not_be_written_fails_no_build_and_is_told(
    site: Site, proxy: FaultProxy, status: int
) -> None:
    def fault(method: str, path: str) -> int | None:
        return status if method == "PUT" and "/manifests/cache-trusted-api" in path else None

    proxy.fault = fault
    repository = site.repository()
    to = _cache(site, repository, proxy.host)
    text = TEXT.format(base=site.base) + f"# {status}\n"
    ended = site.build(
        repository,
        repository.commit({**FILES, "Dockerfile": text}),
        cache={"mode": "registry", "to": to, "insecure_hosts": [site.registry.host, proxy.host]},
        allowed=["**"],
    )
    assert proxy.faults >= 1
    assert ended.kind == "succeeded", ended.result
    (warning,) = ended.result["warnings"]
    assert warning.startswith(f"the cache could not be written to {to}")
    assert str(status) in warning
    assert warning in ended.notes


@pytest.mark.long
@on(DEBIAN_DOCKER, DEBIAN_BUILDX)
def test_an_old_daemon_writes_inline_instead_and_says_so(site: Site) -> None:
    repository = site.repository()
    to = _cache(site, repository)
    cache = {"mode": "registry", "to": to}
    text = f"FROM {site.base}\nRUN head -c 9 /dev/urandom >/r; echo {site.name}\n"
    sha = repository.commit({"Dockerfile": text})
    first = site.recipe(repository, sha, cache=cache)
    site.daemon.empty()
    cold = site.run(first)
    assert cold.kind == "succeeded", cold.result
    (warning,) = cold.result["warnings"]
    assert warning.startswith("`cache: registry` is inline here")
    assert cold.result["daemon"] in warning
    site.daemon.empty()
    warm = site.build(repository, sha, cache={**cache, "from": [to, site.pinned(first, cold)]})
    assert warm.result["cache"]["found"] == 1, "the reference was never written"
    assert warm.result["digest"] == cold.result["digest"], "the image's own records hit"
