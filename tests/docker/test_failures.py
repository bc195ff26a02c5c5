"""How builds fail, on real daemons: the class, the Dockerfile's line, a sentence that helps."""

from __future__ import annotations

import pytest

from tests.docker.site import DEBIAN_DOCKER, DOCKER29, Site, on


def _dockerfile(site: Site, *lines: str) -> str:
    return "\n".join(["# a comment", f"FROM {site.base} AS one", "RUN true", *lines, ""])


CASES = {
    "exit code": (["", "RUN echo before \\", "  && exit 3"], "step", 5, "exit 3"),
    "exit 137 is a step": (["RUN exit 137"], "step", 4, "exit 137"),
    "a step that plays a registry": (
        ["RUN echo 'failed to push: 503 Service Unavailable' >&2; exit 1"],
        "step",
        4,
        "exit 1",
    ),
    "parse error": (["RUNN true"], "dockerfile", 4, "RUNN"),
    "missing file": (["COPY nope.txt /"], "context", 4, "nope.txt"),
    "no such base": (["FROM {host}/base/none:1"], "base-not-found", 4, "base/none:1"),
    "second stage": (
        ["FROM {base}", "WORKDIR /x", "# why", "COPY --from=one /bin /b", "RUN exit 9"],
        "step",
        8,
        "exit 9",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_line_and_the_class(site: Site, case: str) -> None:
    lines, kind, line, words = CASES[case]
    filled = [text.format(host=site.registry.host, base=site.base) for text in lines]
    repository = site.repository()
    sha = repository.commit({"Dockerfile": _dockerfile(site, *filled)})
    ended = site.build(repository, sha)
    assert ended.kind == kind, ended.result
    assert ended.code == 0
    assert words in ended.result["message"]
    assert ended.result["line"] is not None, ended.result
    assert (ended.result["line"]["file"], ended.result["line"]["line"]) == ("Dockerfile", line)
    assert ended.result["digest"] is None


@on(DEBIAN_DOCKER, DOCKER29)
def test_what_a_failed_step_printed_is_in_log_and_message(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit(
        {"Dockerfile": _dockerfile(site, "RUN echo 'it is \"broken\"'; exit 1")}
    )
    ended = site.build(repository, sha)
    assert 'it is "broken"' in ended.log.splitlines()
    assert 'it is "broken"' in ended.result["message"]
    failed = [step for step in ended.steps if step["error"]]
    assert [step["line"] for step in failed] == [4]


def test_unknown_target(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit({"Dockerfile": _dockerfile(site)})
    ended = site.build(repository, sha, build={"network": "none", "target": "--nope"})
    assert ended.kind == "unknown-target", ended.result
    assert "'--nope'" in ended.result["message"]
    assert "one" in ended.result["message"]


@on(DEBIAN_DOCKER)
def test_paths(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit({"services/api/Dockerfile": "FROM scratch\n", "file": "x"})
    for build, kind, words in (
        ({"context": "."}, "dockerfile", "services/api/Dockerfile"),
        ({"context": "service/api"}, "context", "services/api"),
        ({"context": "file"}, "context", "is a file"),
        ({"context": "../.."}, "context", "inside the repository"),
        ({"context": "services/api", "dockerfile": "../../../x"}, "context", "inside"),
        ({"context": "/etc"}, "context", "inside the repository"),
    ):
        ended = site.build(repository, sha, build=build)
        assert ended.kind == kind, ended.result
        assert words in ended.result["message"]


@on(DEBIAN_DOCKER)
def test_a_symbolic_link_out_of_the_repository(site: Site) -> None:
    repository = site.repository()
    (repository.work / "out").symlink_to("/etc")
    (repository.work / "Dockerfile").symlink_to("/etc/passwd")
    sha = repository.commit({})
    for build in ({"context": "out"}, {"context": "."}):
        ended = site.build(repository, sha, build=build)
        assert ended.kind == "context", ended.result
        assert "symbolic link" in ended.result["message"]


@on(DEBIAN_DOCKER, DOCKER29)
def test_timeout(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit({"Dockerfile": _dockerfile(site, "RUN sleep 1000")})
    ended = site.build(repository, sha, limits={"timeout_seconds": 3})
    assert ended.kind == "timeout", ended.result
    assert "3 s" in ended.result["message"]


@on(DOCKER29, DEBIAN_DOCKER)
def test_silence(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit({"Dockerfile": _dockerfile(site, "RUN sleep 1000")})
    ended = site.build(repository, sha, limits={"silence_seconds": 2})
    assert ended.kind == "timeout", ended.result
    assert "no output for 2 s" in ended.result["message"]


def test_cancel(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit({"Dockerfile": _dockerfile(site, "RUN echo at-it; sleep 1000")})
    running = site.start(site.recipe(repository, sha))
    running.wait_for(b'"x":"at-it"')
    running.process.terminate()
    ended = running.wait(20)
    assert ended.kind == "cancelled", ended.result
    assert ended.code == 0


def test_dockerd_dies(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit({"Dockerfile": _dockerfile(site, "RUN echo at-it; sleep 1000")})
    running = site.start(site.recipe(repository, sha))
    running.wait_for(b'"x":"at-it"')
    site.daemon.kill()
    ended = running.wait(30)
    site.daemon.stop(keep_socket=True)
    assert ended.kind == "dockerd-down", ended.result


@on(DEBIAN_DOCKER)
def test_no_dockerd(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit({"Dockerfile": _dockerfile(site)})
    docker = {"host": f"unix://{site.folder}/none.sock"}
    ended = site.build(repository, sha, docker=docker, limits={"dockerd_seconds": 0.2})
    assert ended.kind == "dockerd-down", ended.result
    assert "did not start" in ended.result["message"]
