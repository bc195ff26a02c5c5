"""The real builder under the executor: what it leaves in a daemon, in /proc and on disk."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from bot.core.builds import OutcomeClass
from bot.core.centralconfig import DockerExecutor as DockerSettings
from bot.executors.docker.daemon import Daemon, _SocketConnection
from bot.ports import AttemptSpec, CloneCredential
from tests.docker.git_http import Repository
from tests.docker.site import Site
from tests.executor.bench import HASH, ORIGIN, Bench, ended, eventually, processes_naming

pytestmark = pytest.mark.xdist_group("docker")


def attempt(site: Site, repository: Repository, sha: str, **changes: Any) -> AttemptSpec:
    recipe = site.recipe(repository, sha, **changes)
    name = recipe["attempt"]
    return AttemptSpec(
        f"{site.name}-{name}",
        {k: v for k, v in recipe.items() if k not in ("workdir", "result", "redact_files")},
        HASH,
        trusted=True,
        origin=ORIGIN,
        registries=(site.registry.host,),
        credential=None,
    )


@pytest.fixture
def at(site: Site, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench on the site's daemon, whose client stands first on PATH."""
    monkeypatch.setenv("PATH", f"{site.client.parent}:/usr/bin:/bin:/usr/sbin:/sbin")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost,::1")
    bench.settings = DockerSettings(host=site.daemon.host, dedicated=True, network="none")
    return bench


def images(site: Site, repository: Repository | None = None) -> list[str]:
    """Names in the daemon, those by digest included; those of what a repository built."""
    connection = _SocketConnection(str(site.daemon.socket))
    try:
        connection.request("GET", "/images/json?all=1", headers={"Host": "docker"})
        found = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    names = [n for i in found for n in (*(i["RepoTags"] or ()), *(i["RepoDigests"] or ()))]
    of = f"{site.registry.host}/{repository.name}" if repository else site.registry.host
    ends = (":", "@") if repository else ("/",)
    return [name for name in names if name.startswith(tuple(of + end for end in ends))]


def dockerfile(site: Site, *lines: str) -> dict[str, str]:
    return {"Dockerfile": "\n".join((f"FROM {site.base}", *lines, ""))}


def cached(site: Site, step: str) -> set[str]:
    """The records of BuildKit's cache that the step left. Of other records some go by themselves,
    when the daemon is done with a build."""
    records = Daemon(site.daemon.host)._ask("GET", "/system/df")["BuildCache"]
    assert isinstance(records, list)
    return {one["ID"] for one in records if step in one["Description"]}


def test_a_build_leaves_no_image_no_process_and_no_secret(site: Site, at: Bench) -> None:
    repository = site.repository()
    site.git.tokens[repository.name] = "clone-canary-0123"
    auth = base64.b64encode(b"robot:registry-canary-0123").decode()
    at.auths = {"auths": {site.registry.host: {"auth": auth}}}
    lines = ("COPY a /a", f"RUN echo {site.name} $(cat /a) && sleep 1")
    sha = repository.commit({**dockerfile(site, *lines), "a": "clone-canary-0123\n"})
    executor = at.real()
    wanted = replace(
        attempt(site, repository, sha), credential=CloneCredential("bot", "clone-canary-0123")
    )
    seen_in_proc, stop = list[str](), threading.Event()
    needles = [b"clone-canary-0123", b"registry-canary-0123", auth.encode()]
    watcher = threading.Thread(target=watch, args=(needles, seen_in_proc, stop))
    watcher.start()
    executor.start(wanted)
    seen = ended(executor, wanted.name)
    stop.set()
    watcher.join(30)
    assert seen.result is not None
    assert seen.outcome is OutcomeClass.SUCCEEDED, seen.result.message
    assert seen.result.digest is not None
    assert seen_in_proc == []
    folder = at.attempt(wanted.name)
    log = "".join(line.text for line in executor.read_log(wanted.name, 0, 10_000))
    assert "[redacted]" in log
    for path in (folder.log, folder.errors, folder.result, folder.recipe):
        assert not any(needle in path.read_bytes() for needle in needles), path
    assert processes_naming(folder.path) == []
    executor.forget(wanted.name)
    assert not folder.path.exists()
    assert images(site, repository) == []


def watch(needles: list[bytes], found: list[str], stop: threading.Event) -> None:
    """Look for secrets in every process's arguments and environment until told to stop."""
    while not stop.wait(0.02):
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            for name in ("cmdline", "environ"):
                try:
                    data = (entry / name).read_bytes()
                except OSError:
                    continue
                found.extend(f"{entry.name} {name}" for needle in needles if needle in data)


def test_cancel_ends_git_docker_and_the_step(site: Site, at: Bench) -> None:
    repository = site.repository()
    mark = f"sleep 3{len(site.name)}71"
    sha = repository.commit(dockerfile(site, f"RUN echo begun && {mark}"))
    executor = at.real()
    wanted = attempt(site, repository, sha)
    executor.start(wanted)
    eventually(lambda: processes_naming(Path(mark.replace(" ", "\0"))))
    assert processes_naming(at.attempt(wanted.name).work)
    executor.cancel(wanted.name)
    seen = ended(executor, wanted.name)
    assert seen.outcome is OutcomeClass.CANCELLED
    assert processes_naming(at.attempt(wanted.name).path) == []
    eventually(lambda: processes_naming(Path(mark.replace(" ", "\0"))) == [])
    executor.forget(wanted.name)


def test_a_builder_killed_outright_leaves_no_client_and_no_step(site: Site, at: Bench) -> None:
    repository = site.repository()
    mark = f"sleep 4{len(site.name)}72"
    sha = repository.commit(dockerfile(site, f"RUN echo begun && {mark}"))
    executor = at.real()
    wanted = attempt(site, repository, sha)
    executor.start(wanted)
    eventually(lambda: processes_naming(Path(mark.replace(" ", "\0"))))
    folder = at.attempt(wanted.name)
    executor._children[wanted.name].kill()
    seen = ended(executor, wanted.name)
    assert (seen.result, seen.outcome) == (None, OutcomeClass.BUILDER_LOST)
    eventually(lambda: processes_naming(folder.path) == [])
    eventually(lambda: processes_naming(Path(mark.replace(" ", "\0"))) == [])
    executor.forget(wanted.name)
    assert images(site, repository) == []


def build(site: Site, at: Bench, text: str) -> Repository:
    repository = site.repository()
    sha = repository.commit(dockerfile(site, text))
    executor = at.real()
    wanted = attempt(site, repository, sha)
    executor.start(wanted)
    seen = ended(executor, wanted.name)
    assert seen.result is not None
    assert seen.outcome is OutcomeClass.SUCCEEDED, seen.result.message
    executor.forget(wanted.name)
    return repository


def test_a_dedicated_daemon_stays_within_its_limit(site: Site, at: Bench) -> None:
    site.daemon.empty()
    daemon = Daemon(site.daemon.host)
    for number in range(2):
        build(site, at, f"RUN dd if=/dev/urandom of=/{number} bs=1M count=7 2>/dev/null")
    before, limit = daemon.cache_bytes(), 10_000_000
    assert before > limit
    at.settings = replace(at.settings, cache_limit_bytes=limit)
    at.executor().housekeeping()
    after = daemon.cache_bytes()
    assert after <= limit
    at.settings = replace(at.settings, cache_limit_bytes=20_000_000_000)
    at.executor().housekeeping()
    assert daemon.cache_bytes() == after
    build(site, at, "RUN echo it still builds")


@pytest.fixture
def somebody(site: Site) -> Iterator[str]:
    """An image in the daemon that somebody else has made."""
    name = f"{site.registry.host}/somebody/tool:1"
    host, _, tag = site.base.rpartition(":")
    pull = f"/images/create?fromImage={quote(host, safe='')}&tag={tag}"
    rename = (
        f"/images/{quote(site.base, safe='/:')}/tag?repo={quote(name.rpartition(':')[0])}&tag=1"
    )
    connection: http.client.HTTPConnection
    for path in (pull, rename):
        connection = _SocketConnection(str(site.daemon.socket))
        connection.request("POST", path, headers={"Host": "docker"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status < 300, body
        assert b'"error"' not in body
    yield name
    for left in (name, site.base):
        Daemon(site.daemon.host).remove_image(left)


def test_on_a_shared_daemon_nothing_of_others_goes(site: Site, at: Bench, somebody: str) -> None:
    at.settings = replace(at.settings, dedicated=False, cache_limit_bytes=1)
    repository = build(site, at, "RUN echo shared")
    records = cached(site, "echo shared")
    assert records
    at.executor().housekeeping()
    assert cached(site, "echo shared") == records
    left = images(site)
    assert somebody in left
    assert site.base in left
    assert images(site, repository) == []
