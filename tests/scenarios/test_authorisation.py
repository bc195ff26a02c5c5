"""The authorisation matrix, made from the command table: every command × every role × own, fork,
approved fork and closed request × host, a real Gitea among them where there is one. What is
expected is worked out from the table's row alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from bot.core.commands import TABLE, Place, Slot, Spec
from bot.core.ids import HostKind, Role
from tests.fakes.executor_memory import Hold
from tests.fakes.githost.host import PLAYED
from tests.fakes.githost.model import Request
from tests.gitea.stage import EVERY
from tests.gitea.world import opened_on
from tests.scenarios.talk import Talk
from tests.scenarios.world import FILES

Kind = Literal["own", "fork", "approved", "closed"]
AUTHOR = "author"
ORDER = [str(role) for role in Role]
GITEAS = ["read", "write", "admin"]
"""The roles there are on Gitea; who has none sees neither a private repository nor its requests."""
# An approval changes what the others may do, so it comes last.
COMMANDS = sorted(TABLE, key=lambda spec: spec.name == "ok-to-test")


@pytest.fixture(params=EVERY)
def talk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Talk]:
    with opened_on(request, request.param, tmp_path) as world:
        for role in roles(request.param):
            world.host.set_role(world.repository, f"{role}-person", role)
        world.host.set_role(world.repository, AUTHOR, "read")
        world.executor.untrusted = True
        world.configure(commands={"per-minute": 1000})
        allowing = FILES[".pushwright.yaml"] + "promote: {allow: [prod]}\n"
        world.push(FILES | {".pushwright.yaml": allowing})
        world.run()
        yield Talk(world)


def roles(kind: HostKind) -> list[str]:
    return GITEAS if kind is HostKind.GITEA else ORDER


def opened_request(talk: Talk, kind: Kind) -> Request:
    world = talk.world
    if kind in ("fork", "approved"):
        request = talk.fork_request(by=AUTHOR)[1]
    else:
        world.push("services/api/main.py", "topic")
        request = world.host.open_request(world.repository, "topic", by=AUTHOR)
    world.run(30)
    if kind == "closed":
        world.close_request(request)
        world.run(30)
    if kind == "approved":
        talk.say(f"/ok-to-test {request.head_sha}", request, by=person("write"))
        world.run()
        assert "api" in {run.image for run in world.runs() if run.sha == request.head_sha}
    return request


def person(who: str) -> str:
    return AUTHOR if who == AUTHOR else f"{who}-person"


def lines(spec: Spec, request: Request) -> list[str]:
    """An approval may be taken back by who may give it."""
    back = ["/ok-to-test cancel"] if Slot.SHA in spec.slots else []
    return [line(spec, request), *back]


def line(spec: Spec, request: Request | None) -> str:
    head = request.head_sha if request is not None else ""
    words = {Slot.ONE: "api", Slot.SHA: head, Slot.FROM: "api", Slot.TAGS: "to prod"}
    return " ".join([f"/{spec.name}", *(words[slot] for slot in spec.slots if slot in words)])


def may(spec: Spec, who: str, kind: Kind) -> bool:
    role = "read" if who == AUTHOR else who
    fork = kind in ("fork", "approved")
    author = spec.author == "any" or (spec.author == "own" and not fork)
    return ORDER.index(role) >= ORDER.index(spec.role) or (who == AUTHOR and author)


def refused(spec: Spec, who: str, kind: Kind) -> bool:
    steers = spec.floor is Role.WRITE
    # A fork's head that waits has no build, so it has no log either, and nothing to promote.
    waits = kind == "fork" and spec.name in ("build", "rebuild", "retest", "logs", "promote")
    unpushed = kind == "approved" and spec.name == "promote"
    return not may(spec, who, kind) or (kind == "closed" and steers) or waits or unpushed


@pytest.mark.parametrize(
    "kind_of_request",
    [
        "fork",
        *(pytest.param(kind, marks=pytest.mark.long) for kind in ("own", "approved", "closed")),
    ],
)
def test_every_command_by_every_role(talk: Talk, kind_of_request: Kind) -> None:
    world = talk.world
    request = opened_request(talk, kind_of_request)
    started = len(world.runs())
    world.executor.usual = Hold()
    everybody, wrong = (*roles(world.kind), AUTHOR), []
    for spec, text in [(one, text) for one in COMMANDS for text in lines(one, request)]:
        assert Place.REQUEST in spec.places
        sent = {who: talk.send(text, request, by=person(who)) for who in everybody}
        world.settle()
        if kind_of_request in ("fork", "closed") and spec.name != "ok-to-test":
            assert len(world.runs()) == started, "nothing ran that nobody may run"
        for who, comment in sent.items():
            reaction = talk.reaction(comment)
            assert reaction, f"{spec.name} by {who} was not acknowledged"
            if (reaction == "refused") != refused(spec, who, kind_of_request):
                wrong.append(f"{text} by {who}: {reaction}")
    assert wrong == []
    steering = [spec for spec in TABLE if spec.floor is Role.WRITE]
    privileged = [text for spec in steering for text in lines(spec, request)]
    approvals = 1 if kind_of_request == "approved" else 0
    assert len(world.journal("command")) == len(privileged) * len(everybody) + approvals
    mine = [body for body in talk.replies() if "Not done" in body or "Settled" in body]
    assert len(mine) <= len(everybody), "one comment for each person's refusals"


@pytest.mark.parametrize("talk", PLAYED, indirect=True)
def test_every_command_on_a_commit(talk: Talk) -> None:
    world = talk.world
    sha = world.push("services/api/main.py")
    world.run()
    world.executor.usual = Hold()
    for spec in (spec for spec in TABLE if Place.COMMIT in spec.places):
        for who in (*ORDER, AUTHOR):
            text = line(spec, None)
            comment = talk.say(text, sha=sha, by=person(who))
            # Nobody is the author of a commit: names in commits prove nothing.
            role = "read" if who == AUTHOR else who
            allowed = ORDER.index(role) >= ORDER.index(spec.role)
            if world.kind is HostKind.GITHUB:
                assert (talk.reaction(comment) == "refused") != allowed, f"{spec.name} by {who}"
            said = talk.refusal(sha, person(who))
            told = said.startswith("Not done") and text in said
            assert told != allowed, f"{spec.name} by {who}"
