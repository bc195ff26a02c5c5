"""The real Gitea does for the tests what they are going to ask of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import needs
from tests.gitea.host import GiteaFace, Repository, Request
from tests.gitea.process import GiteaProcess, Refused

FILES = {"Dockerfile": "FROM scratch\n"}
MAIN = "refs/heads/main"


@pytest.fixture
def host(gitea: GiteaProcess, tmp_path: Path) -> GiteaFace:
    made = GiteaFace(gitea, tmp_path)
    made.clear()
    return made


def _shop(host: GiteaFace) -> Repository:
    return host.create_repository("acme/shop", private=True)


def _merge(host: GiteaFace, repository: Repository, request: Request) -> int:
    """HTTP's status of what somebody's click on Merge gets."""
    path = f"/repos/{repository.path}/pulls/{request.number}/merge"
    try:
        host.api("POST", path, {"Do": "merge"}, by="ada")
    except Refused as refused:
        return refused.status
    return 200


def test_what_is_built_is_what_is_pinned(gitea: GiteaProcess) -> None:
    pinned = (Path(__file__).parent / "tools" / "go.mod").read_text()
    version = gitea.api("GET", "/version")["version"]
    assert f"code.gitea.io/gitea v{version} " in pinned
    document = json.loads((needs.gitea() / "openapi.json").read_text())
    assert (document["info"]["version"], document["basePath"]) == (version, "/api/v1")


def test_branches_and_tags_are_pushed_and_forced(host: GiteaFace) -> None:
    shop = _shop(host)
    path = f"/repos/{shop.path}"
    first = host.commit(shop, "main", FILES)
    second = host.commit(shop, "main", {"README.md": "one\n"})
    host.set_refs(shop, {"refs/tags/v1": first})
    host.annotated_tag(shop, "v2", second)
    assert host.api("GET", f"{path}/tags/v2")["commit"]["sha"] == second
    third = shop.git.commit({"README.md": "two\n"}, "Change", [first])
    host.set_refs(shop, {MAIN: third})
    assert host.api("GET", f"{path}/branches/main")["commit"]["id"] == third
    host.set_refs(shop, {"refs/tags/v1": None})
    assert [tag["name"] for tag in host.api("GET", f"{path}/tags")] == ["v2"]


def test_a_stranger_sees_no_private_repository(host: GiteaFace) -> None:
    shop = _shop(host)
    host.person("mallory")
    with pytest.raises(Refused) as refused:
        host.api("GET", f"/repos/{shop.path}", by="mallory")
    assert refused.value.status == 404


def test_only_an_administrator_is_told_what_others_may_do(host: GiteaFace) -> None:
    shop = _shop(host)
    for login, role in {"rita": "read", "ada": "write", "pushwright": "admin"}.items():
        host.set_role(shop, login, role)
    asked = f"/repos/{shop.path}/collaborators/rita/permission"
    assert host.api("GET", asked, by="pushwright")["permission"] == "read"
    with pytest.raises(Refused) as refused:
        host.api("GET", asked, by="ada")
    assert refused.value.status == 403


def test_a_forks_request_is_merged_only_with_the_status(host: GiteaFace) -> None:
    shop = host.create_repository("acme/shop")
    path = f"/repos/{shop.path}"
    host.commit(shop, "main", FILES)
    host.set_role(shop, "pushwright", "admin")
    wanted = {
        "rule_name": "main",
        "enable_status_check": True,
        "status_check_contexts": ["pushwright"],
        "block_admin_merge_override": True,
    }
    host.api("POST", f"{path}/branch_protections", wanted)
    fork = host.fork(shop, "mallory/shop")
    sha = host.commit(fork, "topic", {"README.md": "from outside\n"}, by="mallory")
    request = host.open_request(shop, "topic", head=fork, by="mallory")
    assert request.head_sha == sha
    comment = host.comment(shop, "/help", number=request.number, by="mallory")
    assert host.reactions(shop, comment.id) == []
    assert [one.body for one in host.comments(shop, request.number)] == ["/help"]
    assert _merge(host, shop, request) == 405
    for state in ("pending", "failure"):
        said = {"context": "pushwright", "state": state, "description": state}
        host.api("POST", f"{path}/statuses/{sha}", said, by="pushwright")
        shown = host.statuses(shop, sha)
        assert {name: (one.state, one.description) for name, one in shown.items()} == {
            "pushwright": (state, state)
        }
        assert _merge(host, shop, request) == 405
    said = {"context": "pushwright", "state": "success", "description": "ok"}
    host.api("POST", f"{path}/statuses/{sha}", said, by="pushwright")
    assert _merge(host, shop, request) == 200
    assert host.api("GET", f"{path}/pulls/{request.number}")["merged"]


def test_it_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    with GiteaProcess(tmp_path / "data", needs.gitea()) as own:
        host = GiteaFace(own, tmp_path)
        shop = _shop(host)
        sha = host.commit(shop, "main", FILES)
        own.stop()
        assert own.pid is None
        own.resume()
        assert host.api("GET", f"/repos/{shop.path}/branches/main")["commit"]["id"] == sha
    assert own.pid is None
