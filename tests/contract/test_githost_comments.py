"""The Git host port, the same on all kinds of host: new comments on requests, as the sweep reads
them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.ids import HostKind
from tests.fakes.githost.host import PLAYED
from tests.fakes.githost.stage import Stage
from tests.gitea.stage import EVERY, staged_on

BEFORE = 3600.0


@pytest.fixture(params=EVERY)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with staged_on(request, tmp_path, "acme/shop", fronted=True) as made:
        made.commit("topic")
        made.host.open_request(made.fake, "topic")
        yield made


class Turned:
    """A stand-in's clock that is turned by hand, and which a stage reads."""

    def __init__(self) -> None:
        self.at = 1_764_000_000.25

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Turned:
    return Turned()


@pytest.fixture(params=PLAYED)
def played(request: pytest.FixtureRequest, tmp_path: Path, clock: Turned) -> Iterator[Stage]:
    """Where the host's time can be turned."""
    with staged_on(request, tmp_path, "acme/shop", now=clock) as made:
        made.commit("topic")
        made.host.open_request(made.fake, "topic")
        yield made


def bodies(stage: Stage, since: float) -> list[str]:
    found = stage.client.request_comments(stage.repository, since)
    assert found.complete
    return [comment.body for comment in found.comments]


def test_new_comments_are_read_as_they_were_made(stage: Stage) -> None:
    since = time.time() - BEFORE
    assert bodies(stage, since) == []
    first = stage.host.comment(stage.fake, "/build\r\nplease", number=1, by="bob")
    stage.host.comment(stage.fake, "/status", number=1)
    found = stage.client.request_comments(stage.repository, since).comments
    assert [one.body for one in found] == ["/build\r\nplease", "/status"]
    said, bob = found[0], stage.host.person("bob")
    assert (said.comment_id, said.number, said.sha) == (first.id, 1, None)
    assert (said.author.id, said.author.login, said.author.bot) == (bob.id, "bob", False)
    assert said.repository == stage.repository
    assert not said.internal
    assert said.created_at is not None
    assert abs(said.created_at - time.time()) < BEFORE


def test_what_is_on_an_issue_was_edited_or_deleted_is_not_listed(stage: Stage) -> None:
    since = time.time() - BEFORE
    issue = stage.host.world.issue(stage.fake)
    stage.host.comment(stage.fake, "/build issue", number=issue)
    deleted = stage.host.comment(stage.fake, "/build deleted", number=1)
    stage.host.delete_comment(stage.fake, deleted.id)
    edited = stage.host.comment(stage.fake, "harmless", number=1)
    kept = stage.host.comment(stage.fake, "/build kept", number=1)
    time.sleep(2.1)  # hosts tell whole seconds
    stage.host.edit_comment(stage.fake, edited.id, "/promote api latest")
    assert [one.id for one in stage.host.comments(stage.fake, 1)] == [edited.id, kept.id]
    assert bodies(stage, since) == ["/build kept"]


def test_one_request_finds_that_there_is_nothing(stage: Stage) -> None:
    stage.client.open_requests(stage.repository)
    asked = len(stage.host.records)
    assert bodies(stage, time.time() - BEFORE) == []
    assert len(stage.host.records) == asked + 1


def test_older_comments_are_left_out(played: Stage, clock: Turned) -> None:
    for n in range(3):
        played.host.comment(played.fake, f"/build {n}", number=1)
        clock.at += 86400 * 3
    last = clock.at - 86400 * 3
    assert bodies(played, last) == ["/build 2"]
    assert bodies(played, last + 1) == []
    assert bodies(played, last - 86400 * 4) == ["/build 1", "/build 2"]


def test_comments_on_commits_are_not_listed(played: Stage, clock: Turned) -> None:
    played.host.comment(played.fake, "/build", sha=played.first)
    assert bodies(played, clock.at - BEFORE) == []


def test_as_many_as_are_listed_at_once(played: Stage, clock: Turned) -> None:
    """The newest are listed; more than five pages are too many."""
    for n in range(250):
        clock.at += 1
        played.host.comment(played.fake, f"/build {n}", number=1)
    assert bodies(played, clock.at - BEFORE) == [f"/build {n}" for n in range(250)]
    for n in range(250, 510):
        clock.at += 1
        played.host.comment(played.fake, f"/build {n}", number=1)
    found = played.client.request_comments(played.repository, clock.at - BEFORE)
    assert not found.complete
    assert [one.body for one in found.comments] == [f"/build {n}" for n in range(10, 510)]


@pytest.mark.parametrize("played", [HostKind.GITLAB], indirect=True)
def test_internal_notes_and_reactions_on_gitlab(played: Stage, clock: Turned) -> None:
    """A reaction changes when the note was changed last there, so that it counts as an edit."""
    note = played.host.comment(played.fake, "/build inside", number=1)
    note.internal = True
    liked = played.host.comment(played.fake, "/build liked", number=1)
    clock.at += 5
    liked.changed_at = clock.at
    [found] = played.client.request_comments(played.repository, clock.at - BEFORE).comments
    assert (found.body, found.internal) == ("/build inside", True)
