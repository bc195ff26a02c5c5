"""Two commits compared by git over HTTP, on a host's own Git."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.facts import KnownPaths, UnknownPaths
from bot.core.ids import HostKind, Sha
from bot.hosts import comparison, git
from bot.ports import CloneCredential, Forbidden, NotFound
from tests.fakes.githost.stage import Stage, staged

NOWHERE = Sha("1" * 40)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with staged(HostKind.GITHUB, tmp_path) as made:
        yield made
    assert list(place.iterdir()) == []  # nothing is left behind


def merge_base(stage: Stage, one: Sha, other: Sha) -> Sha | None:
    remote = git.Remote(stage.host.clone_url(stage.fake))
    return comparison.merge_base(remote, CloneCredential("x", stage.token), one, other)


def changed(stage: Stage, base: Sha, head: Sha) -> KnownPaths | UnknownPaths:
    remote = git.Remote(stage.host.clone_url(stage.fake))
    return comparison.changed_paths(remote, CloneCredential("x", stage.token), base, head)


def test_both_names_of_what_was_renamed_and_any_character(stage: Stage) -> None:
    base = stage.commit(old="same\n" * 20)
    files = {"old": None, "new": "same\n" * 20, "a b/ü\n\t'\"": "x", "-x": "x"}
    head = Sha(stage.host.commit(stage.fake, "main", files))
    found = changed(stage, base, head)
    assert isinstance(found, KnownPaths)
    assert set(found.paths) == {"old", "new", "a b/ü\n\t'\"", "-x"}


def test_what_a_merge_brought_counts_as_what_it_changed(stage: Stage) -> None:
    """A push of a merge: its first parent is before, all that the branch had is new."""
    main, topic = stage.commit("main", a="1"), stage.commit("topic", b="1")
    tree = stage.fake.git.commit({"b": "1"}, "Merge", [main, topic])
    merge = Sha(tree)
    stage.host.set_refs(stage.fake, {"refs/heads/main": merge})
    assert changed(stage, main, merge) == KnownPaths(("b",))
    assert merge_base(stage, main, merge) == main
    # The other way round nothing is new.
    assert changed(stage, merge, main) == KnownPaths(())


def test_what_was_changed_and_changed_back_did_not_change(stage: Stage) -> None:
    stage.commit(a="1")
    base = stage.commit(b="1")
    stage.commit(a="2")
    head = stage.commit(a="1")
    assert changed(stage, base, head) == KnownPaths(())


def test_commits_that_are_not_there(stage: Stage) -> None:
    for one, other in ((NOWHERE, stage.first), (stage.first, NOWHERE)):
        assert merge_base(stage, one, other) is None
        assert isinstance(changed(stage, one, other), UnknownPaths)


def test_no_common_ancestor(stage: Stage) -> None:
    root = Sha(stage.fake.git.commit({"x": "y"}, "Root"))
    stage.host.set_refs(stage.fake, {"refs/heads/orphan": root})
    assert merge_base(stage, stage.first, root) is None
    assert isinstance(changed(stage, stage.first, root), UnknownPaths)


def test_a_commit_of_a_fork_by_its_request(stage: Stage) -> None:
    fork = stage.host.fork(stage.fake, "mallory/shop")
    head = Sha(stage.host.commit(fork, "topic", {"evil": "y"}, by="mallory"))
    stage.host.open_request(stage.fake, "topic", head=fork, by="mallory")
    assert changed(stage, stage.first, head) == KnownPaths(("evil",))


def test_only_trees_are_fetched(stage: Stage) -> None:
    """Contents of any size stay where they are."""
    base = stage.commit(large="x" * 5_000_000)
    head = stage.commit(small="y")
    assert changed(stage, base, head) == KnownPaths(("small",))
    sent = [one for one in stage.host.records if one.path.endswith("git-upload-pack")]
    assert len(sent) >= 2
    assert any(b"filter tree:0" in one.body for one in sent)
    assert any(b"filter blob:none" in one.body for one in sent)


def test_a_credential_that_may_not(stage: Stage) -> None:
    later = stage.commit()
    remote = git.Remote(stage.host.clone_url(stage.fake))
    with pytest.raises((Forbidden, NotFound)):
        comparison.merge_base(remote, CloneCredential("x", "wrong"), stage.first, later)
