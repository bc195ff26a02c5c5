"""The Git host port, the same tests on all kinds of host: who has which role, and what a credential
may see."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.core.ids import HostKind, Role
from bot.ports import Forbidden, NotFound, Permanent
from tests.fakes.githost.stage import Stage


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("admin", Role.ADMIN),
        ("maintain", Role.MAINTAIN),
        ("write", Role.WRITE),
        ("triage", Role.READ),
        ("read", Role.READ),
        ("none", Role.NONE),
    ],
)
def test_role(stage: Stage, given: str, expected: Role) -> None:
    if stage.host.kind is HostKind.GITEA and given == "maintain":
        given, expected = "write", Role.WRITE  # it has no such role
    person = stage.host.set_role(stage.fake, "carol", given)
    assert stage.client.role(stage.repository, person.id, "carol") == expected


def test_role_goes_by_number(stage: Stage) -> None:
    """The login is somebody else's by now; or the person's, and they were renamed."""
    writer = stage.host.set_role(stage.fake, "carol", "write")
    other = stage.host.person("mallory")
    assert stage.client.role(stage.repository, other.id, "carol") == Role.NONE
    writer.login = "caroline"
    other.login = "carol"
    assert stage.client.role(stage.repository, writer.id, "carol") == Role.WRITE
    assert stage.client.role(stage.repository, other.id, "carol") == Role.NONE


def test_role_of_nobody(stage: Stage) -> None:
    assert stage.client.role(stage.repository, None, "ghost") == Role.NONE
    assert stage.client.role(stage.repository, None, "ada") == Role.NONE
    assert stage.client.role(stage.repository, 999_999, "nobody") == Role.NONE


def test_token_that_is_none(stage: Stage) -> None:
    Path(str(stage.source.token_file)).write_text("0123456789012345678901234567890123456789")
    with pytest.raises(Forbidden) as caught:
        stage.client.repository(stage.fake.path)
    assert "0123456789" not in str(caught.value)
    with pytest.raises(Permanent):
        stage.client.refs(stage.repository)


def test_clone_credential_is_hidden(stage: Stage) -> None:
    credential = stage.client.clone_credential(stage.repository)
    assert credential is not None
    assert credential.password == stage.token
    assert stage.token not in repr(credential)


def test_token_without_access(stage: Stage) -> None:
    Path(str(stage.source.token_file)).write_text(stage.host.create_token("stranger"))
    with pytest.raises(NotFound):
        stage.client.repository(stage.fake.path)
    with pytest.raises(Permanent):
        stage.client.refs(stage.repository)


def test_expired_token(played: Stage) -> None:
    expired = played.host.create_token("pushwright-bot", seconds=-1)
    Path(str(played.source.token_file)).write_text(expired)
    with pytest.raises(Forbidden, match="expired") as caught:
        played.client.repository(played.fake.path)
    assert expired not in str(caught.value)
