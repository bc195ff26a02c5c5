"""The Git host port, the same tests on all kinds of host: what is read of a repository."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from bot.core.facts import KnownPaths, UnknownPaths
from bot.core.ids import HostKind, RepositoryId, Sha
from bot.ports import NotFound, Permanent
from tests.fakes.githost.stage import Stage, staged
from tests.gitea.stage import EVERY, staged_on

NOWHERE = Sha("1" * 40)


@pytest.fixture(params=EVERY)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    # Only GitLab has groups in groups.
    path = "acme/team.one/shop-api" if request.param is HostKind.GITLAB else "acme/shop.api"
    with staged_on(request, tmp_path, path) as made:
        yield made


def _many(stage: Stage) -> int:
    """More than a page holds; a real host takes its time to make each."""
    return 52 if stage.host.kind is HostKind.GITEA else 105


def _push(stage: Stage, *arguments: str) -> None:
    """A real push over HTTP from a clone."""
    url = stage.host.clone_url(stage.fake).replace("://", f"://x:{stage.token}@")
    work = stage.folder / "work"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(work)]
    if not work.exists():
        subprocess.run(["git", "clone", "-q", url, str(work)], check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "Pushed"], check=True)
    subprocess.run([*git, *arguments], check=True)
    subprocess.run([*git, "push", "-q", "--all", "origin"], check=True)
    subprocess.run([*git, "push", "-q", "--tags", "origin"], check=True)


def test_repository_by_path_and_by_id(stage: Stage) -> None:
    by_path = stage.client.repository(stage.fake.path)
    assert by_path == stage.client.repository(RepositoryId(stage.fake.id))
    assert by_path == stage.repository


def test_unknown_repository(stage: Stage) -> None:
    with pytest.raises(NotFound):
        stage.client.repository("acme/none")
    with pytest.raises(NotFound):
        stage.client.repository(RepositoryId(999_999))


def test_renamed_repository_is_still_found(stage: Stage) -> None:
    old = stage.repository
    stage.host.world.rename(stage.fake, "acme/renamed")
    assert stage.client.repository(old.path).path == "acme/renamed"
    assert stage.client.read_file(old, "Dockerfile", stage.first) == b"FROM scratch\n"
    assert stage.client.refs(old) == {"refs/heads/main": stage.first}


def test_name_taken_by_another_repository(stage: Stage) -> None:
    old = stage.repository
    stage.host.world.rename(stage.fake, "acme/renamed")
    stage.host.set_role(stage.host.create_repository(old.path), "pushwright-bot", "write")
    assert stage.client.read_file(old, "Dockerfile", stage.first) == b"FROM scratch\n"
    assert stage.client.repository(old.path).id != old.id


def test_repositories(stage: Stage) -> None:
    others = [stage.host.create_repository(f"acme/r{n:03}") for n in range(_many(stage))]
    for other in others:
        stage.host.set_role(other, "pushwright-bot", "write")
    found = stage.client.repositories()
    assert {repository.id for repository in found} == {stage.fake.id} | {o.id for o in others}


@pytest.mark.parametrize(
    "path", ["Dockerfile", "a b/ü #1%2f?.txt", "deep/er/file", ".pushwright.yaml", "+&=.txt"]
)
def test_read_file(stage: Stage, path: str) -> None:
    sha = stage.commit(**{path: "first\n"})
    later = stage.commit(**{path: "second\n"})
    assert stage.client.read_file(stage.repository, path, sha) == b"first\n"
    assert stage.client.read_file(stage.repository, path, later) == b"second\n"


def test_read_file_that_is_missing(stage: Stage) -> None:
    assert stage.client.read_file(stage.repository, "none", stage.first) is None
    assert stage.client.read_file(stage.repository, "Dockerfile/none", stage.first) is None


def test_read_file_of_a_commit_that_is_gone(stage: Stage) -> None:
    """A missing commit must not read as a missing file: that would be "nothing to build"."""
    with pytest.raises(NotFound):
        stage.client.read_file(stage.repository, "Dockerfile", NOWHERE)


def test_read_file_that_is_none(stage: Stage) -> None:
    sha = stage.commit(**{"folder/file": "x"})
    with pytest.raises(Permanent, match="folder"):
        stage.client.read_file(stage.repository, "folder", sha)


def test_read_file_up_to_a_mebibyte(stage: Stage) -> None:
    size = 1024 * 1024
    sha = stage.commit(fits="x" * size, large="x" * (size + 1))
    fits = stage.client.read_file(stage.repository, "fits", sha)
    assert fits is not None
    assert len(fits) == size
    with pytest.raises(Permanent, match="1 MiB"):
        stage.client.read_file(stage.repository, "large", sha)


def test_links_and_submodules_on_github(tmp_path: Path) -> None:
    """GitHub follows a link to a file of the repository, and nothing else."""
    with staged(HostKind.GITHUB, tmp_path) as stage:
        git = stage.fake.git
        target = git.run("hash-object", "-w", "--stdin", stdin=b"Dockerfile").decode().strip()
        away = git.run("hash-object", "-w", "--stdin", stdin=b"/etc/passwd").decode().strip()
        blob = git.run("rev-parse", f"{stage.first}:Dockerfile").decode().strip()
        rows = (
            f"100644 blob {blob}\tDockerfile\n120000 blob {target}\tlink\n"
            f"120000 blob {away}\taway\n160000 commit {stage.first}\tmodule\n"
        )
        tree = git.run("mktree", "--missing", stdin=rows.encode()).decode().strip()
        sha = Sha(git.run("commit-tree", tree, "-m", "Links").decode().strip())
        client, repository = stage.client, stage.repository
        assert client.read_file(repository, "link", sha) == b"FROM scratch\n"
        for path in ("away", "module"):
            with pytest.raises(Permanent, match="not a file"):
                client.read_file(repository, path, sha)


def test_binary_file(stage: Stage) -> None:
    content = bytes(range(256)) * 9
    sha = Sha(stage.host.commit(stage.fake, "main", {"binary": content}))
    assert stage.client.read_file(stage.repository, "binary", sha) == content


ODD = ["feature/a#b%20c", "-x", "$(id)", "ünïcödé", "a;b&c=d", "release/1.x", "x" * 200]


@pytest.mark.parametrize("name", ODD)
def test_resolve_ref(stage: Stage, name: str) -> None:
    refs = {f"refs/heads/{name}": stage.first, f"refs/tags/{name}": stage.first}
    stage.host.set_refs(stage.fake, refs)
    later = stage.commit(name)
    assert stage.client.resolve_ref(stage.repository, f"refs/heads/{name}") == later
    assert stage.client.resolve_ref(stage.repository, f"refs/tags/{name}") == stage.first


def test_resolve_peels_annotated_tags(stage: Stage) -> None:
    tag = stage.host.annotated_tag(stage.fake, "v1", stage.first)
    assert tag != stage.first
    assert stage.client.resolve_ref(stage.repository, "refs/tags/v1") == stage.first


def test_resolve_missing_ref(stage: Stage) -> None:
    assert stage.client.resolve_ref(stage.repository, "refs/heads/none") is None
    assert stage.client.resolve_ref(stage.repository, "refs/heads/mai") is None
    assert stage.client.resolve_ref(stage.repository, "refs/tags/main") is None


def test_refs(stage: Stage) -> None:
    later = stage.commit("second")
    stage.host.annotated_tag(stage.fake, "v1.0.0", stage.first)
    names = {f"refs/heads/{name}": str(later) for name in ODD}
    stage.host.set_refs(stage.fake, {**names, "refs/tags/plain": later})
    request = stage.host.open_request(stage.fake, "second")
    assert request.number == 1
    assert stage.client.refs(stage.repository) == {
        "refs/heads/main": stage.first,
        "refs/heads/second": later,
        "refs/tags/v1.0.0": stage.first,
        "refs/tags/plain": later,
        **names,
    }


def test_refs_after_a_real_push(stage: Stage) -> None:
    _push(stage, "tag", "-a", "-m", "x", "v2")
    refs = stage.client.refs(stage.repository)
    assert refs["refs/tags/v2"] == refs["refs/heads/main"] != stage.first


def test_refs_of_many(played: Stage) -> None:
    names = {f"refs/tags/v{n}": str(played.first) for n in range(2000)}
    stdin = "".join(f"create {name} {sha}\n" for name, sha in names.items())
    played.fake.git.run("update-ref", "--stdin", stdin=stdin.encode())
    assert played.client.refs(played.repository) == {"refs/heads/main": played.first, **names}


def test_refs_of_an_empty_repository(stage: Stage) -> None:
    stage.fake = stage.host.create_repository("acme/empty")
    stage.host.set_role(stage.fake, "pushwright-bot", "write")
    assert stage.client.refs(stage.repository) == {}
    assert stage.client.resolve_ref(stage.repository, "refs/heads/main") is None


def test_refs_of_a_repository_that_is_gone(stage: Stage) -> None:
    gone = stage.repository
    stage.host.delete_fork(stage.fake)
    with pytest.raises(Permanent):
        stage.client.refs(gone)


def test_open_requests_on_many_pages(stage: Stage) -> None:
    many = 5 if stage.host.kind is HostKind.GITEA else 105
    for n in range(many):
        stage.host.set_refs(stage.fake, {f"refs/heads/b{n}": stage.first})
        stage.host.open_request(stage.fake, f"b{n}")
    closed = stage.fake.requests[3]
    stage.host.change_request(stage.fake, closed, "closed")
    found = stage.client.open_requests(stage.repository)
    assert found.complete
    assert [r.number for r in found.requests] == [n for n in range(1, many + 1) if n != 3]


def test_request(stage: Stage) -> None:
    head = stage.commit("topic", by="bob")
    made = stage.host.open_request(stage.fake, "topic", by="bob", title="A change", draft=True)
    stage.host.label(stage.fake, made, "wanted")
    found = stage.client.request(stage.repository, made.number)
    assert found is not None
    request, is_open = found
    assert is_open
    assert (request.number, request.head_sha, request.head_branch) == (1, head, "topic")
    # Gitea's drafts are titles.
    title = "WIP: A change" if stage.host.kind is HostKind.GITEA else "A change"
    assert (request.base_branch, request.title) == ("main", title)
    assert request.head_repository == stage.fake.id
    assert request.draft
    assert request.labels == ("wanted",)
    assert request.author.login == "bob"
    assert stage.client.open_requests(stage.repository).requests == (request,)
    stage.host.change_request(stage.fake, made, "closed")
    closed = stage.client.request(stage.repository, made.number)
    assert closed is not None
    assert not closed[1]
    assert stage.client.request(stage.repository, 99) is None


def test_request_from_a_fork(stage: Stage) -> None:
    fork = stage.host.fork(stage.fake, "mallory/shop")
    head = Sha(stage.host.commit(fork, "evil", {"x": "y"}, by="mallory"))
    stage.host.open_request(stage.fake, "evil", head=fork, by="mallory")
    found = stage.client.open_requests(stage.repository).requests[0]
    assert (found.head_repository, found.head_sha) == (fork.id, head)
    ref = stage.host._request_ref(1)
    assert stage.client.resolve_ref(stage.repository, ref) == head
    stage.host.delete_fork(fork)
    left = stage.client.request(stage.repository, 1)
    assert left is not None
    assert left[0].head_repository is None
    # Gitea closes the requests of a fork that is deleted.
    assert left[1] == (stage.host.kind is not HostKind.GITEA)


def test_changed_paths(stage: Stage) -> None:
    base = stage.commit(old="same text\n" * 20, gone="x")
    stage.commit("topic", changed="y")
    renamed = {"old": None, "new": "same text\n" * 20, "gone": None}
    head = Sha(stage.host.commit(stage.fake, "topic", renamed))
    found = stage.client.changed_paths(stage.repository, base, head)
    assert isinstance(found, KnownPaths)
    assert set(found.paths) == {"old", "new", "gone", "changed"}


def test_changed_paths_since_the_merge_base(stage: Stage) -> None:
    topic = stage.commit("topic", topic="x")
    main = stage.commit("main", other="x")
    found = stage.client.changed_paths(stage.repository, main, topic)
    assert found == KnownPaths(("topic",))


def test_nothing_changed(stage: Stage) -> None:
    found = stage.client.changed_paths(stage.repository, stage.first, stage.first)
    assert found == KnownPaths(())


def test_changed_paths_beyond_what_the_host_lists(played: Stage) -> None:
    head = played.commit(**{f"file{n}": "x" for n in range(1001)})
    found = played.client.changed_paths(played.repository, played.first, head)
    assert isinstance(found, UnknownPaths)


def test_changed_paths_of_unknown_commits(stage: Stage) -> None:
    for base, head in ((NOWHERE, stage.first), (stage.first, NOWHERE)):
        found = stage.client.changed_paths(stage.repository, base, head)
        assert isinstance(found, UnknownPaths)


def test_changed_paths_without_a_common_ancestor(stage: Stage) -> None:
    root = Sha(stage.fake.git.commit({"x": "y"}, "Root"))
    stage.host.set_refs(stage.fake, {"refs/heads/orphan": root})
    found = stage.client.changed_paths(stage.repository, stage.first, root)
    assert isinstance(found, UnknownPaths)
    assert stage.client.merge_base(stage.repository, stage.first, root) is None
    assert stage.client.is_ancestor(stage.repository, stage.first, root) is None


def test_ancestors(stage: Stage) -> None:
    main, topic = stage.commit("main"), stage.commit("topic")
    left = stage.commit("main")
    repository, client = stage.repository, stage.client
    assert client.is_ancestor(repository, main, left) is True
    assert client.is_ancestor(repository, left, left) is True
    assert client.is_ancestor(repository, left, main) is False
    assert client.is_ancestor(repository, topic, left) is False
    assert client.is_ancestor(repository, NOWHERE, left) is None
    assert client.merge_base(repository, topic, left) == main


def test_request_paths(stage: Stage) -> None:
    stage.commit("topic", **{f"file{n:03}": "x" for n in range(150)})
    stage.host.open_request(stage.fake, "topic")
    found = stage.client.request_paths(stage.repository, 1)
    assert isinstance(found, KnownPaths)
    assert sorted(found.paths) == [f"file{n:03}" for n in range(150)]
    assert isinstance(stage.client.request_paths(stage.repository, 9), UnknownPaths)


def test_request_paths_beyond_what_the_host_lists(played: Stage) -> None:
    played.commit("topic", **{f"file{n}": "x" for n in range(3001)})
    played.host.open_request(played.fake, "topic")
    assert isinstance(played.client.request_paths(played.repository, 1), UnknownPaths)


def test_a_commit_tells_its_message_and_its_date(stage: Stage) -> None:
    text = "Subject\n\nBody with ünïcode\n[skip ci]"
    sha = Sha(stage.host.commit(stage.fake, "main", {"x": "y"}, text))
    found = stage.client.commit(stage.repository, sha)
    assert found is not None
    assert found.message == text
    shown = stage.fake.git.commit_info(sha)
    assert shown is not None
    assert found.date == datetime.fromisoformat(shown.date)
    assert stage.client.commit(stage.repository, NOWHERE) is None
