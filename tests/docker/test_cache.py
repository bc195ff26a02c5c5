"""Every hit here comes from the registry: the daemon is emptied between two builds."""

from __future__ import annotations

from tests.docker.site import Ended, Site

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


def test_full_hit_on_an_emptied_daemon(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit({**FILES, "Dockerfile": APP.format(base=site.base, link="")})
    first = site.recipe(repository, sha)
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


def test_a_file_that_is_ignored_changes_nothing(site: Site) -> None:
    repository = site.repository()
    dockerfile = APP.format(base=site.base, link="").replace("app.txt /app/", ". /app/")
    first = site.recipe(repository, repository.commit({**FILES, "Dockerfile": dockerfile}))
    cold = site.run(first)
    assert cold.kind == "succeeded", cold.result

    site.daemon.empty()
    sha = repository.commit({"README.md": "another\n"})
    warm = site.build(repository, sha, cache={"from": [site.pinned(first, cold)]})
    _all_hit(warm)
    assert warm.result["digest"] == cold.result["digest"]
    assert warm.result["tree"] != cold.result["tree"]
