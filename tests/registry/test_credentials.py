"""config.json documents and credential helpers (real processes)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bot.ports import Permanent, Temporary
from bot.registry.credentials import AuthFile, Credential, run_helper
from tests.registry.conftest import Time

PAIR = Credential("robot", "canary-file-1b")


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`docker-credential-test`, first on PATH: prints what its sibling file `answer` says."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "docker-credential-test"
    program.write_text(
        '#!/bin/sh\n[ "$1" = get ] || exit 9\n'
        'cat >> "$0.asked"; echo >> "$0.asked"\n. "$0.answer"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return program


def asked(helper: Path) -> list[str]:
    return Path(f"{helper}.asked").read_text().split()


def answers(helper: Path, script: str) -> None:
    Path(f"{helper}.answer").write_text(script + "\n")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": PAIR.basic}, PAIR),
        ({"username": "robot", "password": "canary-file-1b"}, PAIR),
        ({"identitytoken": "t"}, Credential(identity_token="t")),
        ({}, None),
    ],
)
def test_plain(path: Path, clock: Time, entry: object, expected: Credential | None) -> None:
    file = AuthFile(write(path, {"auths": {"ghcr.io": entry}}), clock)
    assert file.find("ghcr.io", "acme/api") == expected
    assert file.find("quay.io") is None


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"]
)
def test_docker_hub_has_many_names(path: Path, clock: Time, key: str) -> None:
    file = AuthFile(write(path, {"auths": {key: {"auth": PAIR.basic}}}), clock)
    assert file.find("docker.io", "library/alpine") == PAIR
    assert file.plain_auths(["docker.io"]) == {
        "auths": {"https://index.docker.io/v1/": {"auth": PAIR.basic}}
    }


def test_the_longest_path_wins(path: Path, clock: Time) -> None:
    other = Credential("other", "x")
    auths = {"ghcr.io": {"auth": PAIR.basic}, "ghcr.io/acme": {"auth": other.basic}}
    file = AuthFile(write(path, {"auths": auths}), clock)
    assert file.find("ghcr.io", "acme/api") == other
    assert file.find("ghcr.io", "acmeevil/api") == PAIR


def test_builders_get_the_narrowest_entry_for_the_name_that_they_push(
    path: Path, clock: Time
) -> None:
    other = Credential("other", "x")
    auths = {"ghcr.io/acme": {"auth": PAIR.basic}, "ghcr.io/other": {"auth": other.basic}}
    file = AuthFile(write(path, {"auths": auths}), clock)
    given = {"auths": {"ghcr.io": {"auth": PAIR.basic}}}
    assert file.plain_auths(["ghcr.io/acme/api"]) == given
    assert file.plain_auths(["ghcr.io"]) == file.plain_auths(["ghcr.io/acmeevil/api"])
    assert file.plain_auths(["ghcr.io"]) == {"auths": {}}


def test_changes_are_seen_and_mistakes_leave_the_last_good_one(path: Path, clock: Time) -> None:
    file = AuthFile(write(path, {"auths": {"a.io": {"auth": PAIR.basic}}}), clock)
    assert file.find("a.io") == PAIR
    path.write_text("{")
    clock.at += 11
    assert file.find("a.io") == PAIR
    new = Credential("new", "y")
    write(path, {"auths": {"a.io": {"auth": new.basic}}})
    clock.at += 11
    assert file.find("a.io") == new


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"auths": {"a.io": {"auth": "canary!"}}}', "auths\\['a.io'\\].auth"),
        ('{"auths": []x}', "line 1, column 13"),
        ('{"auths": [1]}', "auths is not an object"),
        ('{"credsStore": "../../bin/sh"}', "credsStore"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
    ],
)
def test_mistakes_are_named_without_the_secret(
    path: Path, clock: Time, text: str, words: str
) -> None:
    path.write_text(text)
    with pytest.raises(Permanent, match=words) as caught:
        AuthFile(path, clock).find("a.io")
    assert "canary" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_helpers(path: Path, clock: Time, helper: Path) -> None:
    answers(helper, """echo '{"Username":"robot","Secret":"canary-file-1b"}'""")
    document = {
        "auths": {"plain.io": {"auth": PAIR.basic}, "ecr.io": {}},
        "credHelpers": {"ecr.io": "test"},
        "credsStore": "test",
    }
    file = AuthFile(write(path, document), clock)
    assert file.find("ecr.io") == PAIR
    assert file.find("ecr.io") == PAIR
    assert file.find("plain.io") == PAIR
    assert asked(helper) == ["ecr.io"]
    assert file.find("ecr.io", fresh=True) == PAIR
    assert file.find("docker.io") == PAIR
    assert asked(helper) == ["ecr.io", "ecr.io", "https://index.docker.io/v1/"]
    assert file.plain_auths(["ecr.io"]) == {"auths": {"ecr.io": {"auth": PAIR.basic}}}


def test_an_identity_token_from_a_helper(helper: Path) -> None:
    answers(helper, """echo '{"Username":"<token>","Secret":"t"}'""")
    assert run_helper("test", "a.io", timeout=10) == Credential(identity_token="t")


def test_helpers_that_fail(helper: Path) -> None:
    answers(helper, "echo 'credentials not found in native keychain'; exit 1")
    assert run_helper("test", "a.io", timeout=10) is None
    answers(helper, "echo canary; echo canary >&2; exit 3")
    with pytest.raises(Temporary, match="exit code 3") as failed:
        run_helper("test", "a.io", timeout=10)
    answers(helper, "echo canary")
    with pytest.raises(Permanent, match="printed no credential") as garbled:
        run_helper("test", "a.io", timeout=10)
    assert "canary" not in f"{failed.value}{garbled.value}"
    answers(helper, "exec sleep 30")
    with pytest.raises(Temporary, match=r"within 0\.2 s"):
        run_helper("test", "a.io", timeout=0.2)
    with pytest.raises(Permanent, match="install it"):
        run_helper("not-there", "a.io", timeout=10)


def test_nothing_is_shown() -> None:
    credential = Credential("robot", "canary-1", "canary-2")
    assert "canary" not in f"{credential!r}{credential}"
