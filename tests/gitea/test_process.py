"""The real Gitea does for the tests what they are going to ask of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import needs
from tests.gitea.process import GiteaProcess, Refused
from tests.gitea.shop import Shop

FILES = {"Dockerfile": "FROM scratch\n"}


def test_what_is_built_is_what_is_pinned(gitea: GiteaProcess) -> None:
    pinned = (Path(__file__).parent / "tools" / "go.mod").read_text()
    version = gitea.api("GET", "/version")["version"]
    assert f"code.gitea.io/gitea v{version} " in pinned
    document = json.loads((needs.gitea() / "openapi.json").read_text())
    assert (document["info"]["version"], document["basePath"]) == (version, "/api/v1")


def test_branches_and_tags_are_pushed_and_forced(gitea: GiteaProcess, tmp_path: Path) -> None:
    shop = Shop.make(gitea, tmp_path, private=True)
    first = shop.push(FILES)
    second = shop.push({"README.md": "one\n"})
    shop.tag("v1", first)
    shop.tag("v2", second, message="annotated")
    shop.send("v1", "v2")
    assert shop.api("GET", "/tags/v2")["commit"]["sha"] == second
    third = shop.push({"README.md": "two\n"}, force=True, start=first)
    branch = shop.api("GET", "/branches/main")["commit"]
    assert branch["id"] == third
    shop.send(":refs/tags/v1")
    assert [tag["name"] for tag in shop.api("GET", "/tags")] == ["v2"]


def test_a_stranger_sees_no_private_repository(gitea: GiteaProcess, tmp_path: Path) -> None:
    shop = Shop.make(gitea, tmp_path, private=True)
    with pytest.raises(Refused) as refused:
        shop.api("GET", "", by="mallory")
    assert refused.value.status == 404


def test_only_an_administrator_is_told_what_others_may_do(
    gitea: GiteaProcess, tmp_path: Path
) -> None:
    shop = Shop.make(gitea, tmp_path)
    asked = "/collaborators/rita/permission"
    assert shop.api("GET", asked, by="pushwright")["permission"] == "read"
    with pytest.raises(Refused) as refused:
        shop.api("GET", asked, by="ada")
    assert refused.value.status == 403


def test_a_forks_request_is_merged_only_with_the_status(
    gitea: GiteaProcess, tmp_path: Path
) -> None:
    shop = Shop.make(gitea, tmp_path)
    shop.push(FILES)
    shop.protect("pushwright")
    fork = shop.fork()
    sha = fork.push({"README.md": "from outside\n"}, "topic", by="mallory")
    request = shop.request("topic", fork=fork, by="mallory")
    assert request.head_sha == sha
    comment = shop.say("/help", request, by="mallory")
    assert (shop.reaction(comment), shop.comments(request)) == ("", [])
    assert shop.merge(request) == 405
    for state in ("pending", "failure"):
        said = {"context": "pushwright", "state": state, "description": state}
        shop.api("POST", f"/statuses/{sha}", said, by="pushwright")
        assert shop.statuses(sha) == {"pushwright": (state, state)}
        assert shop.merge(request) == 405
    said = {"context": "pushwright", "state": "success", "description": "ok"}
    shop.api("POST", f"/statuses/{sha}", said, by="pushwright")
    assert shop.merge(request) == 200
    assert shop.api("GET", f"/pulls/{request.number}")["merged"]


def test_it_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    with GiteaProcess(tmp_path / "data", needs.gitea()) as own:
        (tmp_path / "work").mkdir()
        shop = Shop.make(own, tmp_path / "work")
        sha = shop.push(FILES)
        own.stop()
        assert own.pid is None
        own.resume()
        assert shop.api("GET", "/branches/main")["commit"]["id"] == sha
    assert own.pid is None
