"""What hosts tell of credentials, and the webhooks of repositories: the same on both hosts, read
and written by the real clients."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bot.core.hookplan import FoundHook, HookFault, WantedHook, faults, ours
from bot.core.hostfacts import CredentialKind
from bot.core.hostneeds import GITHUB_EVENTS, GITHUB_PERMISSIONS, GITLAB_EVENTS
from bot.core.ids import HostKind
from bot.hosts.factory import Hosts
from bot.hostsetup import HostSetup
from bot.ports import Forbidden, NotFound, Permanent
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.github_apps import key_pair
from tests.fakes.githost.happenings import signing_secret
from tests.fakes.githost.host import PLAYED
from tests.fakes.githost.model import Hook
from tests.fakes.githost.stage import (
    APP_PERMISSIONS,
    SOURCE,
    Stage,
    TurnedClock,
    app_source,
    staged,
)
from tests.fakes.openapi_documents import request_check

SECRET = "a secret of forty characters, more or less"
KEY = b"0123456789abcdef0123456789abcdef"
GITHUB, GITLAB = HostKind.GITHUB, HostKind.GITLAB


class Answering:
    """An address that answers deliveries with `code`."""

    def __init__(self) -> None:
        self.code = 202
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(outer.code)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/webhooks/forge"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def bot() -> Iterator[Answering]:
    answering = Answering()
    yield answering
    answering.stop()


@pytest.fixture(params=PLAYED)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with staged(request.param, tmp_path, check=request_check(request.param)) as made:
        made.host.set_role(made.fake, "pushwright-bot", "admin")
        yield made


@pytest.fixture
def github(tmp_path: Path) -> Iterator[Stage]:
    with staged(GITHUB, tmp_path, check=request_check(GITHUB)) as made:
        yield made


@pytest.fixture
def gitlab(tmp_path: Path) -> Iterator[Stage]:
    with staged(GITLAB, tmp_path, check=request_check(GITLAB)) as made:
        made.host.set_role(made.fake, "pushwright-bot", "maintain")
        yield made


def setup(stage: Stage) -> HostSetup:
    return stage.hosts.setup(SOURCE)


def wanted(stage: Stage, bot: Answering, *, signed: bool = False) -> WantedHook:
    events = GITHUB_EVENTS if stage.host.kind is GITHUB else GITLAB_EVENTS
    return WantedHook(bot.url, events, signed)


def only(stage: Stage, wish: WantedHook) -> FoundHook:
    stage.host.hooks.wait()
    [found] = ours(wish, setup(stage).hooks(stage.repository, wish))
    return found


def token(stage: Stage, value: str) -> None:
    """The source's token from now on."""
    (stage.folder / "token").write_text(value)


# -- webhooks, on both hosts ---------------------------------------------------------------------


def test_a_hook_that_we_make_is_found_again_without_a_fault(stage: Stage, bot: Answering) -> None:
    wish = wanted(stage, bot)
    assert setup(stage).hooks(stage.repository, wish) == []
    made = setup(stage).create_hook(stage.repository, wish, SECRET)
    found = only(stage, wish)
    assert (found.id, faults(wish, found)) == (made.id, frozenset())
    stage.commit()
    assert only(stage, wish).last_code == 202
    [hook] = stage.fake.hooks
    assert hook.secret == SECRET


def test_hooks_of_others_are_listed_and_told_apart(stage: Stage, bot: Answering) -> None:
    for url in (bot.url + "?x=1", bot.url + "2", "http://ci.test/hook"):
        stage.host.add_hook(stage.fake, url, SECRET)
    wish = wanted(stage, bot)
    found = setup(stage).hooks(stage.repository, wish)
    assert len(found) == 3
    assert ours(wish, found) == []


def test_what_is_wrong_with_a_hook_is_seen_and_mended(stage: Stage, bot: Answering) -> None:
    event = "push" if stage.host.kind is GITHUB else "Push Hook"
    hook = stage.host.add_hook(stage.fake, bot.url, None, events=(event,))
    wish = wanted(stage, bot)
    assert faults(wish, only(stage, wish)) == {HookFault.EVENTS, HookFault.SECRET}
    setup(stage).repair_hook(stage.repository, only(stage, wish), wish, SECRET)
    assert faults(wish, only(stage, wish)) == frozenset()
    assert hook.secret == SECRET


def test_repairing_keeps_events_that_somebody_added(stage: Stage, bot: Answering) -> None:
    mine = "workflow_run" if stage.host.kind is GITHUB else "Pipeline Hook"
    hook = stage.host.add_hook(stage.fake, bot.url, SECRET, events=(mine,))
    wish = wanted(stage, bot)
    setup(stage).repair_hook(stage.repository, only(stage, wish), wish, SECRET)
    assert mine in hook.events
    assert faults(wish, only(stage, wish)) == frozenset()


def test_a_wrong_secret_shows_in_the_deliveries(stage: Stage, bot: Answering) -> None:
    stage.host.add_hook(stage.fake, bot.url, SECRET)
    wish = wanted(stage, bot)
    bot.code = 401
    stage.commit()
    assert faults(wish, only(stage, wish)) == {HookFault.REFUSED}
    bot.code = 202
    assert setup(stage).test_hook(stage.repository, only(stage, wish)) is None
    assert faults(wish, only(stage, wish)) == frozenset()


def test_deliveries_that_nobody_answers(stage: Stage, bot: Answering) -> None:
    stage.host.hooks.auto_disable = False
    stage.host.add_hook(stage.fake, bot.url, SECRET)
    bot.stop()
    wish = wanted(stage, bot)
    for _ in range(3):
        stage.commit()
    found = only(stage, wish)
    assert faults(wish, found) == {HookFault.FAILING}
    assert (found.failed, found.looked, found.last_code) == (3, 3, 0)
    bot.__init__()  # type: ignore[misc] # the fixture ends what is there


def test_hooks_need_more_than_the_right_to_write(stage: Stage, bot: Answering) -> None:
    stage.host.set_role(stage.fake, "pushwright-bot", "write")
    wish = wanted(stage, bot)
    with pytest.raises((NotFound, Forbidden)):
        setup(stage).hooks(stage.repository, wish)
    with pytest.raises((NotFound, Forbidden)):
        setup(stage).create_hook(stage.repository, wish, SECRET)
    assert stage.fake.hooks == []
    assert setup(stage).access(stage.repository).level == 30


def test_the_credential_and_the_hosts_clock(stage: Stage) -> None:
    found = setup(stage).credential()
    assert found.who == "pushwright-bot"
    assert found.served is not None
    assert abs(found.served) < 30
    assert setup(stage).app() is None
    token(stage, "revoked")
    with pytest.raises(Forbidden, match="wrong, revoked or expired"):
        setup(stage).credential()


def test_a_token_tells_when_it_ends(stage: Stage) -> None:
    made = stage.host.create_token("pushwright-bot", seconds=40 * 86400)
    token(stage, made)
    found = setup(stage).credential()
    assert found.expires is not None
    assert 38 * 86400 < found.expires - time.time() < 41 * 86400


def test_answers_that_can_not_be_read_are_errors_of_ours(stage: Stage, bot: Answering) -> None:
    stage.host.add_hook(stage.fake, bot.url, SECRET)
    stage.host.faults.add(Fault("answer", status=200, message="hello", path="/hooks$"))
    with pytest.raises(Permanent):
        setup(stage).hooks(stage.repository, wanted(stage, bot))


# -- GitHub --------------------------------------------------------------------------------------


def test_a_classic_token_has_scopes(github: Stage) -> None:
    token(github, github.host.create_token("ada", github.fake, "write", scopes=("repo", "gist")))
    found = setup(github).credential()
    assert (found.kind, found.scopes) == (CredentialKind.CLASSIC, frozenset({"repo", "gist"}))
    assert (found.left, found.quota) != (None, None)
    access = setup(github).access(github.repository)
    assert (access.level, access.refused, access.untold) == (30, frozenset(), frozenset())
    assert github.host.calls("POST") == []
    token(github, github.host.create_token("ada", scopes=()))
    assert setup(github).credential().scopes == frozenset()
    with pytest.raises(NotFound):
        setup(github).access(github.repository)


@pytest.mark.parametrize(
    "lacking",
    [one.key for one in GITHUB_PERMISSIONS if one.needed and one.key != "metadata"],
)
def test_a_fine_grained_token_is_tried_out_and_nothing_is_written(
    github: Stage, lacking: str
) -> None:
    given = {one.key: one.access for one in GITHUB_PERMISSIONS if one.key != lacking}
    held = github.host.world.valid_token(github.token)
    assert held is not None
    held.permissions = {**given, "repository_hooks": "write"}
    assert setup(github).credential().kind is CredentialKind.FINE_GRAINED
    found = setup(github).access(github.repository)
    assert (found.refused, found.untold) == (frozenset({lacking}), frozenset())
    assert github.fake.statuses == []
    assert github.fake.comments == {}


def test_a_fine_grained_token_with_everything(github: Stage) -> None:
    held = github.host.world.valid_token(github.token)
    assert held is not None
    held.permissions = {one.key: one.access for one in GITHUB_PERMISSIONS}
    found = setup(github).access(github.repository)
    assert found.refused == {"repository_hooks"}
    github.host.faults.add(Fault("answer", status=502, path="/pulls"))
    assert setup(github).access(github.repository).untold == {"pull_requests"}


def test_an_empty_repository_refuses_nothing(github: Stage) -> None:
    empty = github.host.create_repository("acme/empty", private=True)
    github.host.set_role(empty, "pushwright-bot", "admin")
    repository = github.client.repository("acme/empty")
    assert setup(github).access(repository).refused == frozenset()


def test_a_config_without_the_secret_takes_it_away(github: Stage, bot: Answering) -> None:
    """GitHub's own rule, held by the stand-in: what we write always has it."""
    github.host.set_role(github.fake, "pushwright-bot", "admin")
    hook = github.host.add_hook(github.fake, bot.url, SECRET)
    wish = wanted(github, bot)
    setup(github).repair_hook(github.repository, only(github, wish), wish, SECRET)
    [call] = github.host.calls("PATCH")
    assert b'"secret"' in call.body
    assert hook.secret == SECRET


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    return key_pair()


def test_an_app_tells_what_it_asks_for_and_what_was_granted(
    github: Stage, keys: tuple[str, str], bot: Answering
) -> None:
    app = github.host.create_app(keys[1], APP_PERMISSIONS)
    app.events = ("push", "pull_request")
    first, second = github.host.install(app, github.fake), github.host.install(app)
    app.granted[first] = {"contents": "read"}
    app.suspended.add(second)
    made = Hosts({SOURCE: app_source(github, app.id, keys[0])}, TurnedClock()).setup(SOURCE)
    try:
        assert made.credential().kind is CredentialKind.APP
        facts = made.app()
        assert facts is not None
        assert facts.permissions == APP_PERMISSIONS
        assert facts.events == frozenset({"push", "pull_request"})
        assert [one.suspended for one in facts.installations] == [False, True]
        assert facts.installations[0].permissions == {"contents": "read"}
        assert facts.hook is None
        app.hook = Hook(7, bot.url, SECRET, ("*",))
        github.host.hooks.send_to(github.fake, app.hook, "ping", {})
        github.host.hooks.wait()
        facts = made.app()
        assert facts is not None
        assert facts.hook is not None
        assert (facts.hook.url, facts.hook.secret, facts.hook.last_code) == (bot.url, True, 202)
        app.granted.clear()
        assert made.access(github.repository).level is None
        with pytest.raises(Permanent, match="one webhook"):
            made.hooks(github.repository, wanted(github, bot))
    finally:
        made.close()


# -- GitLab --------------------------------------------------------------------------------------


def test_the_scopes_of_a_token(gitlab: Stage) -> None:
    found = setup(gitlab).credential()
    assert (found.kind, found.scopes) == (CredentialKind.GITLAB, frozenset({"api"}))
    token(gitlab, gitlab.host.create_token("ada", gitlab.fake, scopes=("read_api",)))
    assert setup(gitlab).credential().scopes == frozenset({"read_api"})
    with pytest.raises(Forbidden, match="scope `api`"):
        setup(gitlab).create_hook(gitlab.repository, WantedHook("http://b.test/x", ()), SECRET)


def test_a_gitlab_that_does_not_tell_scopes(gitlab: Stage) -> None:
    gitlab.host.faults.add(Fault("answer", status=404, path="personal_access_tokens"))
    found = setup(gitlab).credential()
    assert (found.who, found.scopes, found.expires) == ("pushwright-bot", None, None)


def test_no_member_has_no_role(gitlab: Stage) -> None:
    token(gitlab, gitlab.host.create_token("eve"))
    gitlab.fake.private = False
    assert setup(gitlab).access(gitlab.repository).level == 0


def test_failures_in_a_row_disable_a_hook_and_a_test_enables_it(
    gitlab: Stage, bot: Answering
) -> None:
    gitlab.host.add_hook(gitlab.fake, bot.url, SECRET)
    wish = wanted(gitlab, bot)
    bot.code = 500
    for _ in range(4):
        gitlab.commit()
        gitlab.host.hooks.wait()
    found = only(gitlab, wish)
    assert faults(wish, found) == {HookFault.DISABLED, HookFault.FAILING}
    assert "sends nothing until" in str(found.disabled)
    said = setup(gitlab).test_hook(gitlab.repository, found)
    assert said is not None
    assert "500" in said
    bot.code = 202
    assert setup(gitlab).test_hook(gitlab.repository, found) is None
    assert only(gitlab, wish).disabled is None


def test_a_hook_that_gitlab_gave_up(gitlab: Stage, bot: Answering) -> None:
    hook = gitlab.host.add_hook(gitlab.fake, bot.url, SECRET)
    hook.failures = 40
    assert "for good" in str(only(gitlab, wanted(gitlab, bot)).disabled)


def test_signing_tokens(gitlab: Stage, bot: Answering) -> None:
    wish = wanted(gitlab, bot, signed=True)
    setup(gitlab).create_hook(gitlab.repository, wish, signing_secret(KEY))
    [hook] = gitlab.fake.hooks
    assert (hook.signing_key, hook.secret) == (KEY, None)
    assert faults(wish, only(gitlab, wish)) == frozenset()
    assert faults(replace(wish, signed=False), only(gitlab, wish)) == {HookFault.SECRET}


def test_a_gitlab_without_lists_of_deliveries(gitlab: Stage, bot: Answering) -> None:
    gitlab.host.add_hook(gitlab.fake, bot.url, SECRET)
    gitlab.host.faults.add(Fault("answer", status=404, path="/events$"))
    found = only(gitlab, wanted(gitlab, bot))
    assert (found.looked, found.last_code) == (0, None)
