"""GitHub Apps: whose tokens, for what, for how long, and by whose clock."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.core.ids import HostKind, RepositoryId, Role
from bot.core.reports import CommitStatus, StatusState
from bot.hosts.factory import Hosts
from bot.ports import Forbidden, GitHost, NotFound, Permanent, Temporary
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.github_apps import key_pair
from tests.fakes.githost.model import App
from tests.fakes.githost.stage import (
    APP_PERMISSIONS,
    SOURCE,
    Stage,
    TurnedClock,
    app_source,
    staged,
)
from tests.fakes.openapi_documents import request_check

PENDING = CommitStatus("pushwright", StatusState.PENDING, "Queued", None, "main")


@dataclass(slots=True)
class AppStage:
    """The stage's source as an App that is installed on its repository."""

    stage: Stage
    app: App
    installation: int
    hosts: Hosts
    clock: TurnedClock

    @property
    def client(self) -> GitHost:
        return self.hosts.get(SOURCE)

    def minted(self) -> list[dict[str, object]]:
        """The bodies of all requests for a token."""
        return [json.loads(r.body) for r in self.stage.host.calls("POST", "/access_tokens")]


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    return key_pair()


@pytest.fixture
def made(tmp_path: Path, keys: tuple[str, str]) -> Iterator[AppStage]:
    kind = HostKind.GITHUB
    with staged(kind, tmp_path, check=request_check(kind)) as stage:
        app = stage.host.create_app(keys[1], APP_PERMISSIONS)
        installation = stage.host.install(app, stage.fake)
        clock = TurnedClock()
        source = app_source(stage, app.id, keys[0])
        hosts = Hosts({SOURCE: source}, clock)
        yield AppStage(stage, app, installation, hosts, clock)
        hosts.close()


def test_a_comment_on_a_commit_stays_as_it_is_without_the_right_to_edit(made: AppStage) -> None:
    """Contents: write, which an App is seldom given."""
    stage, marker = made.stage, "<!-- pushwright:refused:7:abc -->"
    for text in ("one", "two"):
        made.client.comment_on_commit(stage.repository, stage.first, marker, f"{marker}\n{text}")
    assert [one.body for one in stage.fake.comments.values()] == [f"{marker}\none"]


def test_everything_that_a_token_can(made: AppStage) -> None:
    stage, client = made.stage, made.client
    repository = stage.repository
    assert client.repository(stage.fake.path) == repository
    assert client.repository(RepositoryId(stage.fake.id)) == repository
    assert client.repositories() == [repository]
    assert client.read_file(repository, "Dockerfile", stage.first) == b"FROM scratch\n"
    assert client.refs(repository) == {"refs/heads/main": stage.first}
    client.set_status(repository, stage.first, PENDING)
    assert stage.host.statuses(stage.fake, stage.first)["pushwright"].creator.bot
    stage.commit("topic")
    stage.host.open_request(stage.fake, "topic")
    first = client.upsert_comment(repository, 1, "<!-- m -->", "<!-- m -->\none", None)
    assert client.upsert_comment(repository, 1, "<!-- m -->", "<!-- m -->\ntwo", None) == first
    ada = stage.host.set_role(stage.fake, "ada", "write")
    assert client.role(repository, ada.id, "ada") == Role.WRITE
    assert client.role(repository, ada.id, "was-ada") == Role.WRITE
    # One for the work, one for the clone.
    assert len(made.minted()) == 2


def test_clone_credential_reads_one_repository_and_nothing_else(made: AppStage) -> None:
    stage = made.stage
    other = stage.host.create_repository("acme/other", private=True)
    made.app.installations[made.installation].add(other.id)
    credential = made.client.clone_credential(stage.repository)
    assert credential is not None
    assert made.minted()[-1] == {
        "repository_ids": [stage.fake.id],
        "permissions": {"contents": "read"},
    }
    assert credential.expires is not None
    again = made.client.clone_credential(stage.repository)
    assert again is not None
    assert again.password != credential.password
    token = stage.host.world.valid_token(credential.password)
    assert token is not None
    world = stage.host.world
    assert world.may(token, stage.fake, 20, "contents:read")
    assert not world.may(token, stage.fake, 30, "contents:write")
    assert not world.may(token, stage.fake, 30, "statuses:write")
    assert not world.may(token, other, 20, "contents:read")


def test_one_token_for_all_threads(made: AppStage) -> None:
    errors: list[BaseException] = []
    gate = threading.Barrier(8)

    def run() -> None:
        try:
            client = made.hosts.get(SOURCE)
            gate.wait()
            client.set_status(made.stage.repository, made.stage.first, PENDING)
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(made.minted()) == 1
    assert len(made.stage.fake.statuses) == 8


def test_token_is_replaced_five_minutes_before_its_end(made: AppStage) -> None:
    client, repository = made.client, made.stage.repository
    client.repository(repository.id)
    made.clock.offset = 3600 - 310
    client.repository(repository.id)
    assert len(made.minted()) == 1
    made.clock.offset = 3600 - 290
    made.stage.host.world.now = made.clock.now
    client.repository(repository.id)
    assert len(made.minted()) == 2


def test_token_that_ended_early(made: AppStage) -> None:
    """Revoked: the first refusal brings a new token, and the write is done once."""
    client, repository = made.client, made.stage.repository
    client.repository(repository.id)
    made.stage.host.world.tokens.clear()
    client.set_status(repository, made.stage.first, PENDING)
    assert len(made.minted()) == 2
    assert len(made.stage.fake.statuses) == 1


def test_tokens_of_a_minute(made: AppStage) -> None:
    made.stage.host.world.token_seconds = 60
    for _ in range(3):
        made.client.set_status(made.stage.repository, made.stage.first, PENDING)
    assert len(made.stage.fake.statuses) == 3


@pytest.mark.parametrize("offset", [-3600, -700, -90, 90, 700, 3600])
def test_clock_that_is_off(made: AppStage, offset: float) -> None:
    """GitHub refuses an App's token from the future or too far from its end."""
    made.clock.offset = offset
    made.client.set_status(made.stage.repository, made.stage.first, PENDING)
    assert len(made.stage.fake.statuses) == 1


def test_app_that_is_not_installed_here(made: AppStage) -> None:
    other = made.stage.host.create_repository("acme/other")
    with pytest.raises(Forbidden, match="not installed"):
        made.client.repository(RepositoryId(other.id))
    with pytest.raises(Forbidden, match="not installed"):
        made.client.repository("acme/none")


def test_app_that_was_removed_and_installed_again(made: AppStage) -> None:
    client, repository = made.client, made.stage.repository
    client.repository(repository.id)
    world = made.stage.host.world
    held = made.app.installations.pop(made.installation)
    world.tokens.clear()
    with pytest.raises(Temporary, match="gone"):
        client.repository(repository.id)
    with pytest.raises(Forbidden, match="not installed"):
        client.repository(repository.id)
    made.app.installations[world.number()] = held
    assert client.repository(repository.id) == repository


def test_app_without_the_permission(made: AppStage) -> None:
    made.app.permissions = {"contents": "read", "metadata": "read"}
    with pytest.raises(Forbidden, match="statuses=write"):
        made.client.set_status(made.stage.repository, made.stage.first, PENDING)


def test_wrong_key(made: AppStage, keys: tuple[str, str]) -> None:
    source = app_source(made.stage, made.app.id, key_pair()[0])
    hosts = Hosts({SOURCE: source}, made.clock)
    with pytest.raises(Forbidden, match="private key"):
        hosts.get(SOURCE).repository(made.stage.fake.path)
    hosts.close()


def test_a_thread_that_still_had_an_older_config_leaves_no_key_behind(
    made: AppStage, keys: tuple[str, str]
) -> None:
    source = app_source(made.stage, made.app.id, keys[0])
    assert source.app is not None
    older = replace(source, app=replace(source.app, id="1"))
    hosts = Hosts({SOURCE: older}, made.clock)
    hosts.replace({SOURCE: source})
    hosts._tokens(older)  # as `get` does that was asked before
    assert hosts.get(SOURCE).repository(made.stage.fake.path) == made.stage.repository
    hosts.close()


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN RSA PRIVATE KEY-----\nsecret\n"])
def test_key_that_is_none(made: AppStage, text: str) -> None:
    hosts = Hosts({SOURCE: app_source(made.stage, made.app.id, text)}, made.clock)
    with pytest.raises(Permanent, match=r"app\.pem") as caught:
        hosts.get(SOURCE).repository(made.stage.fake.path)
    assert "secret" not in str(caught.value)
    (made.stage.folder / "app.pem").unlink()
    with pytest.raises(Temporary, match=r"app\.pem"):
        hosts.get(SOURCE).repository(made.stage.fake.path)
    hosts.close()


def test_mint_that_fails_for_a_while(made: AppStage) -> None:
    made.stage.host.faults.add(Fault("answer", status=502, path="/access_tokens"))
    with pytest.raises(Temporary):
        made.client.repository(made.stage.fake.path)
    assert len(made.minted()) == 1
    assert made.client.repository(made.stage.fake.path) == made.stage.repository


def test_renamed_repository(made: AppStage) -> None:
    old = made.stage.repository
    made.stage.host.world.rename(made.stage.fake, "acme/renamed")
    assert made.client.repository(old.path).path == "acme/renamed"
    assert made.client.refs(old) == {"refs/heads/main": made.stage.first}


def test_tokens_in_no_text(made: AppStage, caplog: pytest.LogCaptureFixture) -> None:
    made.client.close()
    for name in ("", "github", "urllib3"):
        caplog.set_level(logging.DEBUG, name)
    made.client.repository(made.stage.fake.path)
    credential = made.client.clone_credential(made.stage.repository)
    assert credential is not None
    values = list(made.stage.host.world.tokens)
    texts = [repr(credential), repr(made.hosts), repr(made.client), repr(made.client.__dict__)]
    with pytest.raises(NotFound) as caught:
        made.client.set_status(made.stage.repository, made.stage.first, _gone(made))
    texts += [str(caught.value), caplog.text]
    assert "/access_tokens" in caplog.text
    assert not [value for value in values for text in texts if value in text]


def _gone(made: AppStage) -> CommitStatus:
    made.stage.host.faults.add(Fault("answer", status=404, path="/statuses/"))
    return PENDING
