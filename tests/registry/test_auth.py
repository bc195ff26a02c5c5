"""Basic and token authentication against a real registry."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bot.ports import Forbidden
from bot.registry.credentials import AuthFile, Credential
from bot.registry.transport import Endpoint
from tests.fakes.loopback import Asked, Reply, Script, free_port, serve
from tests.fakes.registry_process import GET, PROGRAM, RegistryProcess
from tests.needs import need
from tests.registry.conftest import MakeClient, Time
from tests.registry.images import make_image, push
from tests.registry.token_server import Signer, json_reply, scopes_of

PASSWORD = "canary-basic-7f3a"
IDENTITY = "canary-identity-91c2"
HTPASSWD = "robot:$2y$05$7LK19MnTwDR6nH.SyJlZ9O7AAEOm1UBBVPSStEft5XazOtOaNNgWO\n"


def auth_file(path: Path, clock: Time, host: str, entry: dict[str, str]) -> AuthFile:
    path.write_text(json.dumps({"auths": {host: entry}}))
    return AuthFile(path, clock)


@pytest.fixture
def basic_registry(tmp_path: Path) -> Iterator[RegistryProcess]:
    need(PROGRAM, GET)
    users = tmp_path / "htpasswd"
    users.write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "test", "path": str(users)}}
    with RegistryProcess(tmp_path / "basic", auth=auth) as process:
        yield process


def test_basic(
    basic_registry: RegistryProcess, make_client: MakeClient, clock: Time, tmp_path: Path
) -> None:
    host = basic_registry.host
    digest = push(basic_registry.url, "api", make_image("b"), "git-1", ("robot", PASSWORD))
    entry = {"username": "robot", "password": PASSWORD}
    file = auth_file(tmp_path / "config.json", clock, host, entry)
    client = make_client(Endpoint(host, credentials=file, insecure=True))
    client.ping(host)
    client.move(f"{host}/api", "latest", digest)
    client.copy(f"{host}/api", digest, f"{host}/prod", "v1")
    assert client.digest(f"{host}/prod", "v1") == digest


@pytest.mark.parametrize("password", [None, "canary-wrong-password"])
def test_basic_refused_says_what_to_do_and_shows_no_secret(
    basic_registry: RegistryProcess,
    make_client: MakeClient,
    clock: Time,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    password: str | None,
) -> None:
    host = basic_registry.host
    entry = {"username": "robot", "password": password} if password else {}
    file = auth_file(tmp_path / "config.json", clock, host, entry)
    client = make_client(Endpoint(host, credentials=file, insecure=True))
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Forbidden, match="bot-auth-file credentials with pull on api") as caught:
        client.digest(f"{host}/api", "v1")
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    secrets = Credential("robot", "canary-wrong-password").secrets
    assert not [secret for secret in secrets if secret in shown]


@pytest.fixture
def token_setup(tmp_path: Path) -> Iterator[tuple[RegistryProcess, Script]]:
    """A registry that believes a token service; the service takes the password or the token."""
    need(PROGRAM, GET)
    signer = Signer(tmp_path)

    def answer(asked: Asked) -> Reply:
        good = Credential("robot", PASSWORD).basic
        if asked.method == "POST" and f"refresh_token={IDENTITY}".encode() in asked.body:
            return json_reply({"access_token": signer.token(scopes_of(asked)), "expires_in": 300})
        if asked.headers.get("Authorization") == f"Basic {good}":
            return json_reply({"token": signer.token(scopes_of(asked)), "expires_in": 300})
        return json_reply({"errors": [{"code": "DENIED", "message": "who are you?"}]}, 401)

    with ExitStack() as stack:
        service = stack.enter_context(serve(answer))
        auth = {
            "token": {
                "realm": f"{service.url}/token",
                "service": "registry",
                "issuer": "tests",
                "rootcertbundle": str(signer.bundle),
            }
        }
        process = RegistryProcess(tmp_path / "tokens", auth=auth, port=free_port())
        yield stack.enter_context(process), service


@pytest.mark.parametrize(
    "entry", [{"username": "robot", "password": PASSWORD}, {"identitytoken": IDENTITY}]
)
def test_tokens(
    token_setup: tuple[RegistryProcess, Script],
    make_client: MakeClient,
    clock: Time,
    tmp_path: Path,
    other_registry: RegistryProcess,
    entry: dict[str, str],
) -> None:
    registry, service = token_setup
    file = auth_file(tmp_path / "config.json", clock, registry.host, entry)
    client = make_client(
        Endpoint(registry.host, credentials=file, insecure=True),
        Endpoint(other_registry.host, insecure=True),
    )
    image = make_image("tokens")
    push(other_registry.url, "origin", image, "v1")
    digest, name = image.manifest.digest, f"{registry.host}/acme/api"
    client.copy(f"{other_registry.host}/origin", digest, name, "v1")
    client.copy(name, digest, f"{registry.host}/acme/prod", "v1")
    assert client.digest(f"{registry.host}/acme/prod", "v1") == digest
    assert registry.traffic().count("POST", "upload", 201) == len(image.blobs)
    tokens = len(service.asked)
    for _ in range(3):
        client.digest(name, "v1")
    assert len(service.asked) == tokens
    clock.at += 280  # within the margin before the end of a token of 300 s
    client.digest(name, "v1")
    assert len(service.asked) == tokens + 1


def test_a_token_service_that_says_no(
    token_setup: tuple[RegistryProcess, Script], make_client: MakeClient
) -> None:
    registry, _ = token_setup
    client = make_client(Endpoint(registry.host, insecure=True))
    with pytest.raises(Forbidden, match="DENIED who are you"):
        client.digest(f"{registry.host}/acme/api", "v1")
