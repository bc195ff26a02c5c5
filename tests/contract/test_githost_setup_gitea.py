"""Webhooks and tokens of the real Gitea: what `hooks sync` writes is what arrives, and what doctor
looks for is found. Gitea differs from the others here: it shows no secret and no deliveries, and it
changes no secret of a hook that is there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.core import signatures
from bot.core.events import BranchDeleted, CommentCreated, Pinged, RequestChanged
from bot.core.hookplan import FoundHook, HookFault, WantedHook, faults, ours
from bot.core.hostneeds import GITEA_EVENTS
from bot.core.ids import HostKind
from bot.hosts.gitea import codec
from bot.hostsetup import HostSetup
from bot.ports import Forbidden, NotFound
from bot.store import migrate
from tests.commands.running import Ended, run
from tests.fakes.githost.stage import SOURCE, Stage
from tests.fakes.loopback import Asked, Reply, serve
from tests.gitea.process import GiteaProcess, Refused
from tests.gitea.stage import staged_gitea

SECRET = "a secret of forty characters, more or less"
pytestmark = pytest.mark.xdist_group("gitea")


@dataclass(slots=True)
class Inbox:
    """An address that answers 202. `arrived`: (event type, body, whether the secret signed it)."""

    url: str = ""
    arrived: list[tuple[str, bytes, bool]] = field(default_factory=list)

    def parsed(self) -> list[object]:
        return [codec.parse(event, body) for event, body, _ in self.arrived]

    def wait(self, done: Callable[[], bool]) -> None:
        limit = time.monotonic() + 30
        while not done():
            assert time.monotonic() < limit, [event for event, _, _ in self.arrived]
            time.sleep(0.05)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    made = Inbox()

    def answer(asked: Asked) -> Reply:
        if asked.method == "GET":
            return Reply()
        headers = {name.lower(): value for name, value in asked.headers.items()}
        check = signatures.check(HostKind.GITEA, headers, [SECRET.encode()], (), 0)
        assert check is not None
        check.update(asked.body)
        made.arrived.append((headers["x-gitea-event-type"], asked.body, check.genuine()))
        return Reply(202)

    with serve(answer) as script:
        made.url = f"{script.url}/webhooks/forge"
        yield made


@pytest.fixture
def stage(gitea: GiteaProcess, tmp_path: Path) -> Iterator[Stage]:
    with staged_gitea(gitea, tmp_path) as made:
        yield made


@pytest.fixture
def setup(stage: Stage) -> Iterator[HostSetup]:
    made = stage.hosts.setup(SOURCE)
    yield made
    made.close()


def wanted(inbox: Inbox) -> WantedHook:
    return WantedHook(inbox.url, GITEA_EVENTS)


def only(stage: Stage, setup: HostSetup, inbox: Inbox) -> FoundHook:
    [found] = ours(wanted(inbox), setup.hooks(stage.repository, wanted(inbox)))
    return found


def api(stage: Stage, method: str, path: str, body: object = None, by: str = "root") -> Any:
    """Behind the repository's address, as somebody."""
    host: Any = stage.host
    return host.api(method, f"/repos/{stage.fake.path}{path}", body, by)


def add_hook(stage: Stage, url: str, events: Sequence[str] = ("push",), **more: object) -> int:
    config = {"url": url, "content_type": "json", "secret": "another secret of theirs", **more}
    body = {"type": "gitea", "active": True, "events": events, "config": config}
    made: int = api(stage, "POST", "/hooks", body)["id"]
    return made


def test_what_we_ask_for_arrives_signed(stage: Stage, setup: HostSetup, inbox: Inbox) -> None:
    assert setup.hooks(stage.repository, wanted(inbox)) == []
    made = setup.create_hook(stage.repository, wanted(inbox), SECRET)
    found = only(stage, setup, inbox)
    assert (found.id, faults(wanted(inbox), found)) == (made.id, frozenset())
    assert found.events == {event.key for event in GITEA_EVENTS}
    stage.commit("topic")
    request = stage.host.open_request(stage.fake, "topic")
    stage.commit("topic")
    stage.host.label(stage.fake, request, "build")
    stage.host.comment(stage.fake, "/build", number=1)
    stage.host.set_refs(stage.fake, {"refs/heads/other": stage.first})
    stage.host.set_refs(stage.fake, {"refs/heads/other": None})
    wishes = {event.key for event in GITEA_EVENTS}
    inbox.wait(lambda: {event for event, _, _ in inbox.arrived} == wishes)
    assert all(genuine for _, _, genuine in inbox.arrived)
    actions = {one.action for one in inbox.parsed() if isinstance(one, RequestChanged)}
    assert actions == {"opened", "synchronize", "labeled"}
    for kind in (BranchDeleted, CommentCreated):
        assert len([one for one in inbox.parsed() if isinstance(one, kind)]) == 1


def test_hooks_of_others_are_listed_and_told_apart(
    stage: Stage, setup: HostSetup, inbox: Inbox
) -> None:
    for url in (inbox.url + "?x=1", inbox.url + "2", "http://ci.test/hook"):
        add_hook(stage, url)
    found = setup.hooks(stage.repository, wanted(inbox))
    assert len(found) == 3
    assert ours(wanted(inbox), found) == []


def test_what_is_wrong_with_a_hook_is_seen_and_mended(
    stage: Stage, setup: HostSetup, inbox: Inbox
) -> None:
    """The secret as well, which Gitea lets nobody change: another hook takes its place."""
    old = add_hook(stage, inbox.url, ("push", "wiki"), content_type="form")
    theirs = add_hook(stage, "http://ci.test/hook")
    body = {"active": False, "branch_filter": "release/*", "events": ["push", "wiki"]}
    api(stage, "PATCH", f"/hooks/{old}", body)
    found = only(stage, setup, inbox)
    assert faults(wanted(inbox), found) == {
        HookFault.EVENTS,
        HookFault.INACTIVE,
        HookFault.FORM,
        HookFault.DISABLED,
    }
    assert "branches that match release/*" in str(found.disabled)
    setup.repair_hook(stage.repository, found, wanted(inbox), SECRET)
    mended = only(stage, setup, inbox)
    assert faults(wanted(inbox), mended) == frozenset()
    assert mended.events == {event.key for event in GITEA_EVENTS} | {"wiki"}
    left = {hook.id for hook in setup.hooks(stage.repository, wanted(inbox))}
    assert left == {mended.id, theirs}
    # The number of the old one is what the caller still has.
    assert setup.test_hook(stage.repository, found) is None
    inbox.wait(lambda: bool(inbox.arrived))
    assert [genuine for _, _, genuine in inbox.arrived] == [True]
    assert isinstance(inbox.parsed()[0], Pinged)


def test_hooks_are_an_administrators(stage: Stage, setup: HostSetup, inbox: Inbox) -> None:
    stage.host.set_role(stage.fake, "pushwright-bot", "write")
    with pytest.raises((NotFound, Forbidden)):
        setup.hooks(stage.repository, wanted(inbox))
    with pytest.raises((NotFound, Forbidden)):
        setup.create_hook(stage.repository, wanted(inbox), SECRET)
    assert setup.access(stage.repository).level == 30


def test_who_we_are_and_the_hosts_clock(stage: Stage, setup: HostSetup) -> None:
    found = setup.credential()
    assert (found.who, found.scopes, found.expires) == ("pushwright-bot", None, None)
    assert found.served is not None
    assert abs(found.served) < 30
    assert setup.app() is None


@pytest.mark.parametrize(
    ("scopes", "refused"),
    [
        (("write:repository", "write:issue", "read:user"), set()),
        (("write:repository", "read:issue", "read:user"), {"issue"}),
        (("read:repository", "read:issue", "read:user"), {"repository", "issue"}),
    ],
)
def test_scopes_are_tried_out_and_nothing_is_written(
    stage: Stage, setup: HostSetup, scopes: tuple[str, ...], refused: set[str]
) -> None:
    host: Any = stage.host
    token = host.create_token("pushwright-bot", scopes=scopes)
    (stage.folder / "token").write_text(token)
    found = setup.access(stage.repository)
    assert (set(found.refused), set(found.untold)) == (refused, set())
    assert (found.level, found.private, found.archived) == (50, True, False)
    assert stage.host.statuses(stage.fake, stage.first) == {}
    assert api(stage, "GET", "/issues?state=all") == []


def test_a_token_that_may_not_say_who_we_are(stage: Stage, setup: HostSetup) -> None:
    host: Any = stage.host
    token = host.create_token("pushwright-bot", scopes=("write:repository",))
    (stage.folder / "token").write_text(token)
    with pytest.raises(Forbidden, match="read:user"):
        setup.credential()


def test_an_archived_repository(stage: Stage, setup: HostSetup) -> None:
    api(stage, "PATCH", "", {"archived": True})
    assert setup.access(stage.repository).archived


# -- the commands ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Site:
    """An installation whose source is the Gitea."""

    folder: Path

    def doctor(self) -> dict[str, tuple[str, str, str]]:
        """(result, found, remedy) by the check."""
        shown = run("doctor", "--json").json()["findings"]
        return {
            row["check"]: (row["result"], row["found"], row["remedy"])
            for row in shown
            if row["subject"] == "forge"
        }

    def sync(self, *more: str) -> Ended:
        return run("hooks", "sync", *more)


@pytest.fixture
def site(stage: Stage, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Site:
    folder = stage.folder
    (folder / "secret").write_text(SECRET)
    (folder / "state").mkdir()
    migrate(f"sqlite:///{folder / 'state' / 'pushwright.db'}")
    source = {"kind": "gitea", "url": stage.host.url, "token-file": "token"}
    config = {
        "version": 1,
        "public-url": inbox.url.removesuffix("/webhooks/forge"),
        "sources": {"forge": source | {"webhook-secret-files": ["secret"]}},
        "repositories": ["forge:acme/shop"],
        "defaults": {"registry": "127.0.0.1:9"},
        "docker": {"host": f"unix://{folder}/none.sock"},
    }
    (folder / "pushwright.yaml").write_text(json.dumps(config))
    monkeypatch.setenv("PUSHWRIGHT_CONFIG", str(folder / "pushwright.yaml"))
    monkeypatch.setenv("PUSHWRIGHT_STATE", str(folder / "state"))
    return Site(folder)


def test_the_commands_from_nothing_to_all_well(stage: Stage, inbox: Inbox, site: Site) -> None:
    assert site.doctor()["webhook of acme/shop"][0] == "fail"
    assert "would be created" in site.sync("--dry-run").out
    assert api(stage, "GET", "/hooks") == []
    made = site.sync()
    assert (made.code, made.out.split()[0]) == (0, "created")
    assert site.sync().out.split()[0] == "kept"
    found = site.doctor()
    assert {result for result, _, _ in found.values()} == {"ok"}, found
    assert found["acme/shop"][1] == "administrator"
    renewed = site.sync("--secret")
    assert (renewed.code, renewed.out.split()[0]) == (0, "repaired")
    inbox.wait(lambda: bool(inbox.arrived))
    assert len(api(stage, "GET", "/hooks")) == 1


def test_doctor_says_what_the_bots_user_lacks(stage: Stage, site: Site) -> None:
    host: Any = stage.host
    narrow = ("read:repository", "write:issue", "read:user")
    (stage.folder / "token").write_text(host.create_token("pushwright-bot", scopes=narrow))
    result, found, _ = site.doctor()["acme/shop"]
    assert (result, found) == ("fail", "the token lacks the scope write:repository")
    (stage.folder / "token").write_text(stage.token)
    host.set_role(stage.fake, "pushwright-bot", "write")
    found_by = site.doctor()
    assert found_by["acme/shop"][0] == "warn"
    assert "commands of others" in found_by["acme/shop"][1]
    assert found_by["webhook of acme/shop"][0] == "unknown"
    host.set_role(stage.fake, "pushwright-bot", "read")
    assert "may not write" in site.doctor()["acme/shop"][1]
    (stage.folder / "token").write_text("0123456789" * 4)
    result, found, remedy = site.doctor()["credential"]
    assert result == "fail"
    assert "wrong, revoked or expired" in found
    assert "write:repository, write:issue, read:user" in remedy


def test_a_role_is_told_to_administrators_alone(stage: Stage) -> None:
    person = stage.host.set_role(stage.fake, "carol", "write")
    stage.host.set_role(stage.fake, "pushwright-bot", "write")
    with pytest.raises(Forbidden, match="administrator"):
        stage.client.role(stage.repository, person.id, "carol")


def test_a_request_pushed_for_review_without_write_access(stage: Stage) -> None:
    """As its delivery: see tests/contract/test_codecs.py."""
    host: Any = stage.host
    host.set_role(stage.fake, "mallory", "read")
    sha = stage.fake.git.commit({"x": "y"}, "For review", [stage.first])
    secret = host.gitea.people["mallory"].token
    url = host.clone_url(stage.fake).replace("://", f"://mallory:{secret}@")
    stage.fake.git.run("push", "--quiet", url, f"{sha}:refs/for/main/topic")
    found = stage.client.request(stage.repository, 1)
    assert found is not None
    assert (found[0].head_sha, found[0].head_repository) == (sha, None)
    with pytest.raises(Refused):
        host.api("GET", f"/repos/{stage.fake.path}/branches/topic", by="mallory")
