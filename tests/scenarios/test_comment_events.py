"""Webhooks about comments that command nothing, though a command stands in them: edits, deletions,
comments on issues, comments of accounts that are gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import pytest

from bot.core.ids import HostKind
from tests.fakes.githost.web import Json
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.talk import Talk
from tests.scenarios.world import FILES, World

Change = Callable[[Json], object]


def on_an_issue(payload: Json) -> None:
    if "issue" in payload:
        del payload["issue"]["pull_request"]
    else:
        payload["object_attributes"]["noteable_type"] = "Issue"
        payload["issue"] = {"iid": payload.pop("merge_request")["iid"]}


GITHUB: Mapping[str, tuple[Change, str]] = {
    "edited": (lambda body: body.update(action="edited"), "edited"),
    "deleted": (lambda body: body.update(action="deleted"), "deleted"),
    "on an issue": (on_an_issue, "issue"),
    "by a ghost": (lambda body: body["comment"].update(user=None), "author is gone"),
}
GITLAB: Mapping[str, tuple[Change, str]] = {
    "edited": (lambda body: body["object_attributes"].update(action="update"), "update"),
    "deleted": (lambda body: body["object_attributes"].update(action="destroy"), "destroy"),
    "on an issue": (on_an_issue, "'Issue'"),
    "by a ghost": (lambda body: body.update(user=None), "author is gone"),
}
"""GitLab tells nobody of deletions; should it, they are as little to us as edits."""


@pytest.mark.parametrize("what", GITHUB)
@ANY_HOST
def test_no_command(talk: Talk, world: World, what: str) -> None:
    change, reason = (GITHUB if world.kind is HostKind.GITHUB else GITLAB)[what]
    world.push(FILES)
    sha = world.push("services/api/main.py", "topic")
    request = world.request("topic")
    world.run()
    with world.lost_webhooks():
        comment = talk.send("/build api\n/status", request)
    talk.tell(comment, change)
    world.run(30)
    assert world.ran("api").count(sha) == 1
    assert talk.reactions(comment) == talk.replies() == []
    state, why = world.reasons()[0]
    assert (state, reason in why) == ("ignored", True), why
    talk.tell(comment, lambda _: None)  # the same comment, told as what it is, does count
    assert talk.reaction(comment) == "accepted"


@pytest.mark.parametrize("kind", [HostKind.GITLAB], indirect=True)
@pytest.mark.parametrize("mark", ["internal", "event_type"])
def test_an_internal_note_is_obeyed_and_never_answered_in_public(
    talk: Talk, world: World, mark: str
) -> None:
    """Everybody who sees the merge request can read what the bot writes there."""
    world.push(FILES)
    sha = world.push("services/api/main.py", "topic")
    request = world.request("topic")
    world.run()
    for line, came in (
        ("/status", "accepted"),
        ("/build sekret", "refused"),
        ("/build api", "accepted"),
    ):
        note = talk.say("Hello", request)
        talk.tell(note, partial(internal, mark, line))
        assert talk.reaction(note) == came
    world.run()
    skipped = talk.say("Hello", request)
    talk.tell(skipped, partial(internal, mark, "/skip api sekret customer waits"))
    world.run()
    assert talk.reaction(skipped) == "accepted"
    told = "skipped by @ada; the reason is in an internal note"
    assert world.status(sha, "/api") == ("success", told)
    assert world.status(sha) == ("success", told)
    assert "sekret customer waits" in world.journal("command")[0]
    assert talk.replies() == []
    assert world.ran("api").count(sha) == 2
    said = [one.body for one in world.host.all_comments(world.repository)]
    said += [one.description or "" for one in world.repository.statuses if one.sha == sha]
    assert not any("sekret" in one for one in said)


def internal(mark: str, line: str, payload: Json) -> None:
    payload["object_attributes"]["note"] = line
    if mark == "internal":
        payload["object_attributes"]["internal"] = True
    else:
        payload["event_type"] = "confidential_note"
