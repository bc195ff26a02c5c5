"""Every hit here comes from the registry: the daemon is emptied between two builds."""

from __future__ import annotations

import json
import random
import string
import urllib.request

import pytest

from bot.builder.manifests import ACCEPT
from tests.docker.site import DEBIAN_BUILDX, DEBIAN_DOCKER, DOCKER29, Ended, Site, at_both, on
from tests.fakes.registry_process import Traffic

APP = """\
FROM {base} AS tools
RUN dd if=/dev/urandom of=/tools bs=1024 count=300
FROM {base} AS unused
COPY unused.txt /
RUN cat unused.txt
FROM {base}
RUN dd if=/dev/urandom of=/big bs=1024 count=2000
WORKDIR /app
COPY {link} app.txt /app/
"""
FILES = {
    "app.txt": "one\n",
    "unused.txt": "u\n",
    "README.md": "read\n",
    ".dockerignore": "README.md",
}


def _hits(ended: Ended) -> list[bool | None]:
    return [step["hit"] for step in ended.steps]


def _all_hit(ended: Ended) -> None:
    """Plain output leaves some hits unmarked, but a step that ran is marked so."""
    assert ended.kind == "succeeded", ended.result
    assert ended.steps
    assert False not in _hits(ended), ended.steps


def test_without_cache_a_base_is_asked_for_anew(site: Site) -> None:
    """Also by a daemon that holds what its name stood for before."""
    host = f"{site.registry.host}/{site.name}/moving"
    made: dict[str, str] = {}
    for tag in ("second", "latest"):
        repository = site.repository()
        sha = repository.commit({"which": tag, "Dockerfile": f"FROM {site.base}\nCOPY which /\n"})
        built = site.build(repository, sha, push={"reference": f"{host}:{tag}", "insecure": True})
        made[tag] = built.result["digest"]
    repository = site.repository()
    dockerfile = f"FROM {host}:latest\nRUN echo {site.name} base=$(cat /which)\n"
    sha = repository.commit({"Dockerfile": dockerfile})
    assert "base=latest" in site.build(repository, sha).log
    address = f"{site.registry.url}/v2/{site.name}/moving/manifests"
    ask = urllib.request.Request(f"{address}/{made['second']}", headers={"Accept": ACCEPT})
    with urllib.request.urlopen(ask) as answer:
        body, kind = answer.read(), answer.headers["Content-Type"]
    put = urllib.request.Request(f"{address}/latest", body, {"Content-Type": kind}, method="PUT")
    urllib.request.urlopen(put).close()
    assert "base=second" in site.build(repository, sha, build={"no_cache": True}).log


@at_both()
def test_full_hit_on_an_emptied_daemon(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit({**FILES, "Dockerfile": APP.format(base=site.base, link="")})
    first = site.recipe(repository, sha)
    site.daemon.empty()  # else another test's records of the same steps mix into the cold build
    cold = site.run(first)
    assert cold.kind == "succeeded", cold.result
    assert cold.result["size_bytes"] > 2_000_000
    assert cold.result["tree"]

    site.daemon.empty()
    again = site.recipe(repository, sha, cache={"from": [site.pinned(first, cold)]})
    before = site.registry.traffic()
    warm = site.run(again)
    fetched = (site.registry.traffic() - before).bytes("GET")
    _all_hit(warm)
    assert warm.result["digest"] == cold.result["digest"]
    assert warm.result["cache"]["found"] == 1
    if site.buildx:
        assert warm.result["cache"]["hits"] == warm.result["cache"]["steps"] == 3
        assert warm.result["cache"]["first_miss"] is None
    if site.lazy:
        assert fetched < 100_000


def _warm(site: Site, changed: dict[str, str], dockerfile: str) -> tuple[Ended, Ended, Traffic]:
    """(cold build, build after `changed` on an emptied daemon, what that one moved)."""
    repository = site.repository()
    first = site.recipe(repository, repository.commit({**FILES, "Dockerfile": dockerfile}))
    site.daemon.empty()  # records of other tests may give the cold build another digest
    cold = site.run(first)
    assert cold.kind == "succeeded", cold.result
    site.daemon.empty()
    sha = repository.commit({**changed})
    before = site.registry.traffic()
    warm = site.build(repository, sha, cache={"from": [site.pinned(first, cold)]})
    assert warm.kind == "succeeded", warm.result
    return cold, warm, site.registry.traffic() - before


@on(DEBIAN_DOCKER, DOCKER29)
def test_a_file_that_is_ignored_changes_nothing(site: Site) -> None:
    text = APP.format(base=site.base, link="").replace("app.txt /app/", ". /app/")
    cold, warm, traffic = _warm(site, {"README.md": "another\n"}, text)
    _all_hit(warm)
    assert warm.result["digest"] == cold.result["digest"]
    assert warm.result["tree"] != cold.result["tree"]
    assert not site.lazy or traffic.bytes("GET") < 100_000


@on(DEBIAN_DOCKER, DOCKER29)
def test_a_change_of_an_unused_stage_changes_nothing(site: Site) -> None:
    cold, warm, traffic = _warm(site, {"unused.txt": "v\n"}, APP.format(base=site.base, link=""))
    _all_hit(warm)
    assert warm.result["digest"] == cold.result["digest"]
    assert not site.lazy or traffic.bytes("GET") < 100_000


def test_a_change_of_the_last_layer_runs_only_that(site: Site) -> None:
    cold, warm, _ = _warm(site, {"app.txt": "two\n"}, APP.format(base=site.base, link=""))
    assert warm.result["digest"] != cold.result["digest"]
    ran = [step["name"].partition("] ")[2] for step in warm.steps if step["hit"] is False]
    assert all(name.startswith("COPY") for name in ran), ran
    if site.buildx:
        assert warm.result["cache"]["hits"] == 2
        assert warm.result["cache"]["first_miss"].endswith("(Dockerfile:9)")


@on(DOCKER29)
def test_a_linked_last_layer_pulls_no_parent_and_pushes_itself_alone(site: Site) -> None:
    layer = "".join(random.Random(7).choices(string.printable, k=400_000))
    text = APP.format(base=site.base, link="--link")
    cold, warm, traffic = _warm(site, {"app.txt": layer}, text)
    assert warm.result["digest"] != cold.result["digest"]
    assert traffic.bytes("GET") < 100_000
    assert traffic.count("PUT", "upload", 201) == 2, "the layer and the configuration"


CHAIN = (
    "FROM {base}\nRUN dd if=/dev/urandom of=/big bs=1024 count=300\nCOPY app.txt /\n"
    "RUN cat /app.txt > /out\n"
)


@on(DEBIAN_DOCKER, DEBIAN_BUILDX, DOCKER29)
def test_a_chain_of_builds_hits_with_the_last_that_took_nothing_from_a_cache(site: Site) -> None:
    """Each build gets what the bot offers: the last image and the last that was built in full."""
    digests = _chain(site, whole=True)
    assert len(set(digests)) == 1, "the random layer was made once"


@pytest.mark.long
@on(DEBIAN_DOCKER)
def test_old_daemons_miss_every_second_build_of_a_chain_without_it(site: Site) -> None:
    """https://github.com/moby/buildkit/pull/4796: the reason for that candidate."""
    digests = _chain(site, whole=False)
    assert digests[0] == digests[1]
    assert digests[1] != digests[2]


def _chain(site: Site, *, whole: bool) -> list[str]:
    """Three builds, each on an emptied daemon with one file changed: the random layer of each."""
    repository = site.repository()
    images: list[str] = []
    found = []
    for n in range(3):
        files = {"app.txt": f"{n}\n", "Dockerfile": CHAIN.format(base=site.base)}
        recipe = site.recipe(repository, repository.commit(files))
        recipe["cache"]["from"] = [*images[-1:], *(images[:1] if whole else ())]
        site.daemon.empty()
        ended = site.run(recipe)
        assert ended.kind == "succeeded", ended.result
        images.append(site.pinned(recipe, ended))
        found.append(_layers(site, images[-1])[1])
    return found


def _layers(site: Site, image: str) -> list[str]:
    name, _, digest = image.partition("/")[2].partition("@")
    request = urllib.request.Request(f"{site.registry.url}/v2/{name}/manifests/{digest}")
    request.add_header("Accept", ACCEPT)
    with urllib.request.urlopen(request) as answer:
        return [layer["digest"] for layer in json.loads(answer.read())["layers"]]


@on(DEBIAN_DOCKER, DOCKER29)
def test_withheld_candidates_must_miss(site: Site) -> None:
    """Else a hit above might come from anywhere."""
    repository = site.repository()
    sha = repository.commit({**FILES, "Dockerfile": APP.format(base=site.base, link="")})
    cold = site.build(repository, sha)
    site.daemon.empty()
    missing = f"{site.registry.host}/{site.name}/none:1"
    again = site.build(repository, sha, cache={"from": [missing]})
    assert again.kind == "succeeded", again.result
    assert again.result["digest"] != cold.result["digest"]  # the random file was made again
    assert (again.result["cache"]["candidates"], again.result["cache"]["found"]) == (1, 0)
    assert "does not exist" in again.notes


@on(DEBIAN_DOCKER, DOCKER29)
def test_a_dead_cache_registry_costs_nothing(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit({**FILES, "Dockerfile": APP.format(base=site.base, link="")})
    cache = {"from": ["127.0.0.1:1/x/y:1"], "insecure_hosts": ["127.0.0.1:1"]}
    ended = site.build(repository, sha, cache=cache, allowed=["**"])
    assert ended.kind == "succeeded", ended.result
    assert "does not answer" in ended.notes


@on(DOCKER29)
def test_registry_cache_keeps_the_stages_between(site: Site) -> None:
    """mode=max: the dependency stage hits though it is not in the image."""
    text = (
        f"FROM {site.base} AS deps\nCOPY unused.txt /\nRUN head -c 9 /dev/urandom >/dep; echo D\n"
        f"FROM {site.base}\nCOPY --from=deps /dep /\nCOPY app.txt /\n"
    )
    repository = site.repository()
    to = f"{site.registry.host}/{repository.name.removesuffix('.git')}:cache"
    cache = {"mode": "registry", "to": to}
    sha = repository.commit({**FILES, "Dockerfile": text})
    cold = site.build(repository, sha, cache=cache)
    assert cold.kind == "succeeded", cold.result
    site.daemon.empty()
    sha = repository.commit({"app.txt": "two\n"})
    warm = site.build(repository, sha, cache={**cache, "from": [to]})
    assert warm.kind == "succeeded", warm.result
    assert "D" in cold.log.splitlines()
    assert "D" not in warm.log.splitlines()
