"""The Git host port, the same on all kinds of host: who we are, reactions, comments on commits,
and when a status was taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.conversation import Reaction, Spot
from bot.core.events import Person
from bot.core.ids import HostKind, Sha
from bot.core.reports import CommitStatus, StatusState
from bot.hosts.factory import Hosts
from bot.ports import NotFound, Permanent
from tests.fakes.githost.host import PLAYED
from tests.fakes.githost.stage import SOURCE, Stage, TurnedClock
from tests.gitea.stage import EVERY, staged_on

MARKER = "<!-- pushwright:answer:7 -->"
AT = 1_764_000_000.75
WORDS = {
    Reaction.ACCEPTED: ("rocket", "rocket"),
    Reaction.RECEIVED: ("eyes", "eyes"),
    Reaction.REFUSED: ("confused", "confused"),
    Reaction.NOTHING: ("+1", "thumbsup"),
}


@pytest.fixture(params=EVERY)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with staged_on(request, tmp_path, "acme/shop", now=lambda: AT) as made:
        made.commit("topic")
        made.host.open_request(made.fake, "topic")
        yield made


@pytest.fixture(params=PLAYED)
def played(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """Gitea has no comments on commits."""
    with staged_on(request, tmp_path, "acme/shop", now=lambda: AT) as made:
        yield made


def pending() -> CommitStatus:
    return CommitStatus("pushwright", StatusState.PENDING, "waiting", None, "main")


def test_a_status_was_taken_when_the_hosts_clock_says(stage: Stage) -> None:
    at = stage.client.set_status(stage.repository, stage.first, pending())
    [taken] = stage.host.statuses(stage.fake, stage.first).values()
    assert at == int(taken.at)
    assert stage.host.kind is HostKind.GITEA or at == int(AT)  # that one has a clock of its own


def test_a_repetition_that_gitlab_refuses_was_taken_nobody_knows_when(stage: Stage) -> None:
    stage.client.set_status(stage.repository, stage.first, pending())
    at = stage.client.set_status(stage.repository, stage.first, pending())
    assert (at is None) == (stage.host.kind is HostKind.GITLAB)


def test_who_we_are(stage: Stage) -> None:
    own = stage.host.person("pushwright-bot")
    other = stage.host.person("mallory")
    assert stage.client.is_own(stage.repository, Person(own.id, own.login))
    # The number counts: a login can be given up and taken by somebody else.
    assert not stage.client.is_own(stage.repository, Person(other.id, own.login))
    assert not stage.client.is_own(stage.repository, Person(None, "ghost"))


def test_who_the_administrator_says_we_are_too(stage: Stage) -> None:
    """A name that was written down before a rename takes nothing from the number."""
    own = stage.host.person("pushwright-bot")
    source = dataclasses.replace(stage.source, bot_login="mallory")
    client = Hosts({SOURCE: source}, TurnedClock()).get(SOURCE)
    assert client.is_own(stage.repository, Person(7, "Mallory"))
    assert client.is_own(stage.repository, Person(own.id, "renamed"))
    assert not client.is_own(stage.repository, Person(7, "pushwright-bot"))
    client.close()


@pytest.mark.parametrize("reaction", list(Reaction))
def test_reactions_on_requests(stage: Stage, reaction: Reaction) -> None:
    comment = stage.host.comment(stage.fake, "/build", number=1)
    spot = Spot(comment.id, number=1)
    for _ in range(2):
        assert stage.client.react(stage.repository, spot, reaction)
    word = WORDS[reaction][stage.host.kind is HostKind.GITLAB]
    assert stage.host.reactions(stage.fake, comment.id) == [(word, "pushwright-bot")]


def test_reactions_on_commits_where_the_host_has_them(played: Stage) -> None:
    comment = played.host.comment(played.fake, "/build", sha=played.first)
    taken = played.client.react(
        played.repository, Spot(comment.id, sha=played.first), Reaction.ACCEPTED
    )
    assert taken == (played.host.kind is HostKind.GITHUB)
    assert len(comment.reactions) == taken


def test_whether_a_comment_is_still_there(stage: Stage) -> None:
    comment = stage.host.comment(stage.fake, "/build", number=1)
    spot = Spot(comment.id, number=1)
    assert stage.client.has_comment(stage.repository, spot)
    stage.host.delete_comment(stage.fake, comment.id)
    assert not stage.client.has_comment(stage.repository, spot)


def test_whether_a_comment_on_a_commit_is_still_there(played: Stage) -> None:
    """GitLab does not say it of a single one."""
    comment = played.host.comment(played.fake, "/build", sha=played.first)
    spot = Spot(comment.id, sha=played.first)
    assert played.client.has_comment(played.repository, spot)
    played.host.delete_comment(played.fake, comment.id)
    gitlab = played.host.kind is HostKind.GITLAB
    assert played.client.has_comment(played.repository, spot) == gitlab


def test_a_reaction_to_a_comment_that_is_gone(stage: Stage) -> None:
    with pytest.raises(NotFound):
        stage.client.react(stage.repository, Spot(4711, number=1), Reaction.ACCEPTED)


def test_a_reaction_in_a_locked_conversation(stage: Stage) -> None:
    comment = stage.host.comment(stage.fake, "/build", number=1)
    stage.host.lock(stage.fake, 1)
    if stage.host.kind is HostKind.GITEA:  # who may write there is not kept from talking
        reader = stage.host.create_token("reader", stage.fake, "read")
        Path(str(stage.source.token_file)).write_text(reader)
    assert not stage.client.react(stage.repository, Spot(comment.id, number=1), Reaction.REFUSED)


def test_a_comment_on_a_commit_is_made_once(played: Stage) -> None:
    client, repository, sha = played.client, played.repository, played.first
    trap = played.host.comment(played.fake, f"{MARKER}\ntrap", sha=sha, by="mallory")
    for text in ("one", "two"):
        client.comment_on_commit(repository, sha, MARKER, f"{MARKER}\n{text}")
    made = [comment for comment in played.fake.comments.values() if comment.id != trap.id]
    assert [(one.body, one.sha) for one in made] == [(f"{MARKER}\ntwo", sha)]
    assert trap.body == f"{MARKER}\ntrap"


def test_a_comment_on_a_commit_that_is_gone(played: Stage) -> None:
    with pytest.raises(NotFound):
        played.client.comment_on_commit(played.repository, Sha("1" * 40), MARKER, MARKER)


def test_a_marker_counts_only_where_a_comment_begins(stage: Stage) -> None:
    """Answers of ours show what strangers typed, markers included."""
    client, repository = stage.client, stage.repository
    said = f"<!-- pushwright:refused:7 -->\nNot done:\n\n/skip {MARKER}"
    quote = stage.host.comment(stage.fake, said, number=1, by="pushwright-bot")
    report = f"{MARKER}\nreport"
    made = client.upsert_comment(repository, 1, MARKER, report, None)
    assert made not in (None, quote.id)
    assert [one.body for one in stage.host.comments(stage.fake, 1)] == [said, report]


def test_nor_on_a_commit(played: Stage) -> None:
    client, repository = played.client, played.repository
    said = f"<!-- pushwright:refused:7 -->\nNot done:\n\n/skip {MARKER}"
    played.host.comment(played.fake, said, sha=played.first, by="pushwright-bot")
    client.comment_on_commit(repository, played.first, MARKER, f"{MARKER}\nreport")
    assert [one.body for one in played.fake.comments.values()] == [said, f"{MARKER}\nreport"]


def test_gitea_has_no_comments_on_commits(stage: Stage) -> None:
    if stage.host.kind is HostKind.GITEA:
        assert not stage.client.react(stage.repository, Spot(1, sha=stage.first), Reaction.ACCEPTED)
        with pytest.raises(Permanent, match="no comments on commits"):
            stage.client.comment_on_commit(stage.repository, stage.first, MARKER, MARKER)
