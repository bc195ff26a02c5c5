"""Builds that succeed, and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path

from tests.docker.site import DEBIAN_DOCKER, DOCKER29, Site, on

HOSTILE = """\
import os
open(os.environ.get("CANARY", "/tmp") + "/ran", "a").write(__name__)
raise SystemExit("hostile code ran")
"""


@on(DEBIAN_DOCKER, DOCKER29)
def test_a_repository_that_looks_like_the_builder(site: Site) -> None:
    """It holds modules of the names that the builder imports; none of them may run."""
    names = ("json.py", "sitecustomize.py", "usercustomize.py", "bot/__init__.py", "signal.py")
    more = ("bot/builder.py", "bot/builder/__init__.py", "bot/builder/__main__.py", "re.py")
    repository = site.repository()
    files: dict[str, str | bytes | None] = dict.fromkeys((*names, *more[1:]), HOSTILE)
    sha = repository.commit({**files, "Dockerfile": f"FROM {site.base}\nCOPY . /x\n"})
    ended = site.run(site.recipe(repository, sha), {"CANARY": str(site.folder)})
    assert ended.kind == "succeeded", ended.result
    assert not (site.folder / "ran").exists()
    other = site.repository()
    sha = other.commit({"bot/builder.py": HOSTILE, "Dockerfile": f"FROM {site.base}\nCOPY . /x\n"})
    ended = site.run(site.recipe(other, sha), {"CANARY": str(site.folder)})
    assert ended.kind == "succeeded", ended.result
    assert not (site.folder / "ran").exists()


def test_a_check_only_build_leaves_nothing_in_the_registry(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit({"Dockerfile": f"FROM {site.base}\nRUN echo checked by {site.name}\n"})
    stored = site.registry.stored_bytes()
    before = site.registry.traffic()
    ended = site.build(repository, sha, push=None)
    assert ended.kind == "succeeded", ended.result
    assert ended.result["digest"] is None
    assert "not pushed" in ended.result["message"]
    traffic = site.registry.traffic() - before
    assert traffic.count("PUT") == traffic.count("POST") == 0
    assert site.registry.stored_bytes() == stored
    assert "checked" in ended.log


def test_a_build_secret_appears_nowhere(site: Site, tmp_path: Path) -> None:
    canary = "canary-7f3a-secret-value"
    secret = tmp_path / "secret,with comma"
    secret.write_text(canary + "\n")
    run = (
        f"RUN --mount=type=secret,id=token echo {site.name}; cat /run/secrets/token; "
        "head -c 9 /run/secrets/token; sleep 0.2; tail -c +10 /run/secrets/token; "
        "base64 /run/secrets/token; test -s /run/secrets/token"
    )
    repository = site.repository()
    # 20.10 has the mount in its own frontend; no `# syntax=` line, for no registry is reachable.
    sha = repository.commit({"Dockerfile": f"FROM {site.base}\n{run}\nRUN echo ok\n"})
    recipe = site.recipe(repository, sha, redact_files=[str(secret)])
    recipe["build"]["secrets"] = [{"id": "token", "file": str(secret)}]
    ended = site.run(recipe)
    assert ended.kind == "succeeded", ended.result
    assert "[redacted]" in ended.log
    seen = ended.stdout + ended.stderr + json.dumps(ended.result).encode()
    assert canary.encode() not in seen
    assert not [file for file in Path(recipe["workdir"]).rglob("*") if _holds(file, canary)]
    blobs = site.registry.storage / "docker" / "registry" / "v2" / "blobs"
    assert not [file for file in blobs.rglob("data") if _holds(file, canary)]


def _holds(file: Path, text: str) -> bool:
    return file.is_file() and not file.is_symlink() and text.encode() in file.read_bytes()


@on(DEBIAN_DOCKER, DOCKER29)
def test_arguments_labels_and_target(site: Site) -> None:
    repository = site.repository()
    text = f'FROM {site.base} AS a\nARG V=none\nRUN echo "v=$V"\nFROM a\nRUN echo second\n'
    sha = repository.commit({"sub/Docker file": text})
    build = {
        "context": "sub",
        "dockerfile": "Docker file",
        "target": "a",
        "args": {"V": '--build-arg=$(id) `x` "q"'},
        "labels": {"org.example.x": "-y, z=1"},
        "network": "none",
    }
    ended = site.build(repository, sha, build=build)
    assert ended.kind == "succeeded", ended.result
    assert 'v=--build-arg=$(id) `x` "q"' in ended.log.splitlines()
    assert "second" not in ended.log


@on(DOCKER29)
def test_three_hundred_steps_fit_the_result(site: Site) -> None:
    lines = [f"ENV V{n}={n}\nCOPY f{n % 3} /{'n' * 150}{n}" for n in range(120)]
    repository = site.repository()
    text = "\n".join([f"FROM {site.base}", *lines, f"RUN echo {'x' * 3000}; exit 1", ""])
    sha = repository.commit({"Dockerfile": text, "f0": "0", "f1": "1", "f2": "2"})
    ended = site.build(repository, sha)
    assert ended.kind == "step", ended.result
    assert ended.result["line"]["line"] == 242
    assert len(ended.steps) == 121


@on(DEBIAN_DOCKER, DOCKER29)
def test_needed_images(site: Site) -> None:
    """A named context with buildx; with docker 20.10 a mistake that names the other form."""
    repository = site.repository()
    sha = repository.commit({"Dockerfile": "FROM dep\nRUN echo from-dep\n"})
    build = {"contexts": {"dep": f"docker-image://{site.base}"}, "network": "none"}
    ended = site.build(repository, sha, build=build)
    if site.buildx:
        assert ended.kind == "succeeded", ended.result
    else:
        assert ended.kind == "config", ended.result
        assert "arg:" in ended.result["message"]


@on(DOCKER29)
def test_a_long_log_is_bounded_and_ends_with_its_end(site: Site) -> None:
    repository = site.repository()
    run = "RUN yes 0123456789abcdef | head -n 60000; echo the-last-words"
    sha = repository.commit({"Dockerfile": f"FROM {site.base}\n{run}\n"})
    ended = site.build(repository, sha, limits={"log_bytes": 100_000})
    assert ended.kind == "succeeded", ended.result
    assert ended.log.splitlines()[0] == "0123456789abcdef"
    assert "the-last-words" in ended.log.splitlines()
