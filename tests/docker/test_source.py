"""Fetching: real Git over HTTP, with tokens, hidden commits and hostile names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.pki import Authority
from tests.docker.git_http import GitServer, git
from tests.docker.site import DEBIAN_DOCKER, Site, on
from tests.docker.tunnel import Tunnel

pytestmark = on(DEBIAN_DOCKER)  # the daemon plays no part
TOKEN = "tok-4d3a-very-secret"


def _check(site: Site) -> dict[str, object]:
    return {"push": None, "build": {"network": "none"}}


def _dockerfile(site: Site) -> dict[str, str | bytes | None]:
    return {"Dockerfile": f"FROM {site.base}\nCOPY . /x\nRUN ls -la /x /x/*; test ! -e /x/.git\n"}


def test_a_private_repository(site: Site, tmp_path: Path) -> None:
    repository = site.repository()
    sha = repository.commit(_dockerfile(site))
    site.git.tokens[repository.name] = TOKEN
    user, password = tmp_path / "user", tmp_path / "password"
    user.write_text("x-access-token\n")
    password.write_text(TOKEN + "\n")
    recipe = site.recipe(repository, sha, push=None)
    refused = site.run(recipe)
    assert refused.kind == "fetch-network", refused.result
    assert "credential" in refused.result["message"]

    source = {"username_file": str(user), "password_file": str(password)}
    recipe = site.recipe(repository, sha, push=None, source=source, redact_files=[str(password)])
    ended = site.run(recipe)
    assert ended.kind == "succeeded", ended.result
    held = [file for file in Path(recipe["workdir"]).rglob("*") if file.is_file()]
    assert not [file for file in held if TOKEN.encode() in file.read_bytes()]
    assert TOKEN.encode() not in ended.stdout + ended.stderr


def test_a_host_behind_proxy_and_private_ca(site: Site, tmp_path: Path) -> None:
    """What a recipe says of its source is all that git needs; nothing of it is a step's."""
    repository = site.repository()
    sha = repository.commit({"Dockerfile": f"FROM {site.base}\nRUN env # {repository.name}\n"})
    authority = Authority(tmp_path / "pki")
    pair = authority.issue("git", "git", hosts=["git.test"])
    with (
        GitServer(site.git.root, (pair.certificate, pair.key)) as server,
        Tunnel(server.host) as tunnel,
    ):
        source = {"url": f"https://git.test/{repository.name}", "proxy": tunnel.url}
        limits = {"network_waits": [0.1]}
        refused = site.build(repository, sha, push=None, source=source, limits=limits)
        source["ca_file"] = str(authority.certificate)
        ended = site.build(repository, sha, push=None, source=source)
    assert refused.kind == "fetch-network", refused.result
    assert "certificate" in refused.result["message"]
    assert ended.kind == "succeeded", ended.result
    assert set(tunnel.asked) == {"git.test:443"}
    assert "PATH=" in ended.log
    assert "proxy" not in ended.log.lower()


def test_a_commit_that_is_gone(site: Site) -> None:
    repository = site.repository()
    repository.commit(_dockerfile(site))
    ended = site.build(repository, "1" * 40, push=None)
    assert ended.kind == "commit-gone", ended.result


def test_a_server_that_gives_no_commit_by_its_id(site: Site) -> None:
    repository = site.repository()
    old = repository.commit(_dockerfile(site))
    repository.commit({"more": "1"})
    repository.allow_any(False)
    env = {"GIT_CONFIG_COUNT": "0"}
    ended = site.run(site.recipe(repository, old, push=None), env)
    assert ended.kind == "succeeded", ended.result
    gone = site.build(repository, "1" * 40, push=None)
    assert gone.kind == "commit-gone", gone.result


def test_a_git_host_that_is_down(site: Site) -> None:
    repository = site.repository()
    sha = repository.commit(_dockerfile(site))
    site.git.broken.add(repository.name)
    ended = site.build(repository, sha, push=None, limits={"network_waits": [0.1, 0.1]})
    assert ended.kind == "fetch-network", ended.result
    assert "503" in ended.result["message"]
    assert ended.notes.count("again in") == 2


OTHERS = ["-x", "$(id)", "a;b`c`", "ü" * 60]


@pytest.mark.parametrize(
    "branch", ["--upload-pack=x", *(pytest.param(one, marks=pytest.mark.long) for one in OTHERS)]
)
def test_branch_names(site: Site, branch: str) -> None:
    repository = site.repository()
    sha = repository.commit(_dockerfile(site), branch=branch)
    source = {"ref": f"refs/heads/{branch}"}
    ended = site.build(repository, sha, push=None, source=source)
    assert ended.kind == "succeeded", ended.result
    repository.allow_any(False)
    ended = site.build(repository, "1" * 40, push=None, source=source)
    assert ended.kind == "commit-gone", ended.result


def test_submodules(site: Site) -> None:
    inner = site.repository()
    inner.commit({"inside": "content of the submodule\n"})
    site.git.tokens[inner.name] = TOKEN
    outer = site.repository()
    git(
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        str(inner.bare),
        "sub",
        cwd=outer.work,
    )
    relative = f"../{inner.bare.name}"
    outer.commit({".gitmodules": f'[submodule "sub"]\n\tpath = sub\n\turl = {relative}\n'})
    sha = outer.commit(
        {"Dockerfile": f"FROM {site.base}\nCOPY . /x\nRUN cat /x/sub/inside && ls -a /x/sub\n"}
    )
    off = site.build(outer, sha, push=None)
    assert off.kind == "step", off.result
    assert "submodules: true" in off.result["warnings"][0]

    password = site.folder / "password"
    password.write_text(TOKEN)
    source = {"submodules": True, "username_file": str(password), "password_file": str(password)}
    on_ = site.build(outer, sha, push=None, source=source)
    assert on_.kind == "succeeded", on_.result
    assert "content of the submodule" in on_.log
    assert ".git" not in on_.log.splitlines()

    # Whoever wrote .gitmodules would else read what the credential reads.
    outer_requests = len(site.git.requests)
    site.git.tokens[outer.name] = TOKEN
    own = site.build(outer, sha, push=None, source={**source, "own_only": True})
    assert own.kind == "context", own.result
    assert (
        "without a credential, since who wrote .gitmodules is not trusted" in own.result["message"]
    )
    asked = site.git.requests[outer_requests:]
    assert [line for line in asked if outer.name in line], "its own repository was fetched"
    assert "content of the submodule" not in own.log


def test_lfs_pointers_are_told(site: Site) -> None:
    pointer = (
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"
    )
    repository = site.repository()
    files = {".gitattributes": "*.bin filter=lfs diff=lfs\n", "data/x.bin": pointer}
    sha = repository.commit({**_dockerfile(site), **files})
    ended = site.build(repository, sha, push=None)
    assert ended.kind == "succeeded", ended.result
    assert "data/x.bin" in ended.result["warnings"][0]
