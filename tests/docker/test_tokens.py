"""A registry whose token service has a private CA and lies behind a proxy: the build client has to
trust the one and take the other, for it fetches the tokens, and not dockerd."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.builder.clients import client_environment
from bot.builder.recipe import parse
from tests.cluster.pki import Authority
from tests.docker.site import DEBIAN_DOCKER, DOCKER29, Site, config_json, on
from tests.docker.tunnel import Tunnel
from tests.fakes.loopback import Asked, Reply, serve
from tests.fakes.registry_process import RegistryProcess
from tests.registry.token_server import Signer, has_password, json_reply, scopes_of

_NAME = "tokens.test"
_USER, _PASSWORD = "bot", "open-sesame-2"


@dataclass(frozen=True, slots=True)
class Guarded:
    registry: RegistryProcess
    tunnel: Tunnel
    env: dict[str, str]
    """What a build pod has in its environment."""
    config: Path
    """Of the administrator's: with a proxy for RUN steps, which is not taken."""


@contextmanager
def _guarded(storage: Path, folder: Path) -> Iterator[Guarded]:
    """The registry over `storage`, to which only tokens give access; to these, a password."""
    authority, signer = Authority(folder / "pki"), Signer(folder)
    pair = authority.issue("tokens", "tokens", hosts=[_NAME])

    def answer(asked: Asked) -> Reply:
        if not has_password(asked, _USER, _PASSWORD):
            return json_reply({}, 401)
        token = signer.token(scopes_of(asked))
        return json_reply({"token": token, "access_token": token, "expires_in": 300})

    with (
        serve(answer, (pair.certificate, pair.key)) as service,
        Tunnel(service.host) as tunnel,
    ):
        auth = {
            "realm": f"https://{_NAME}/token",
            "service": "registry",
            "issuer": "tests",
            "rootcertbundle": str(signer.bundle),
        }
        with RegistryProcess(storage, auth={"token": auth}) as registry:
            env = {"SSL_CERT_FILE": str(authority.certificate), "HTTPS_PROXY": tunnel.url}
            config = config_json(folder / "config", registry.host, _USER, _PASSWORD)
            file = config / "config.json"
            proxies = {"default": {"httpsProxy": tunnel.url}}
            file.write_text(json.dumps(json.loads(file.read_text()) | {"proxies": proxies}))
            yield Guarded(registry, tunnel, env, config)


@on(DEBIAN_DOCKER, DOCKER29)
def test_tokens_of_a_service_behind_proxy_and_private_ca(site: Site, tmp_path: Path) -> None:
    with _guarded(site.registry.storage, tmp_path) as guarded:
        host = guarded.registry.host
        repository = site.repository()
        text = f"FROM {host}/base/busybox:1\nRUN env && echo {host}\n"
        sha = repository.commit({"Dockerfile": text})
        recipe = site.recipe(repository, sha, allowed=[f"{host}/**"])
        recipe["docker"]["config_dir"] = str(guarded.config)
        recipe["cache"]["insecure_hosts"] = [host]
        name = recipe["push"]["reference"].partition("/")[2]
        recipe["push"]["reference"] = f"{host}/{name}"
        if site.name == DEBIAN_DOCKER:
            recipe["push"] = None  # `docker push` is dockerd's own; its way out is not the client's
        ended = site.run(recipe, guarded.env)
    assert ended.kind == "succeeded", ended.result
    assert f"{_NAME}:443" in guarded.tunnel.asked
    assert "PATH=" in ended.log
    assert "proxy" not in ended.log.lower()


def test_the_client_gets_its_way_out_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = {
        "SSL_CERT_FILE": "/ca/ca.crt",
        **dict.fromkeys(
            ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://p:3128"
        ),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), ".example.com"),
    }
    for name, value in {**way, "DOCKER_HOST": "tcp://elsewhere", "CANARY": "canary"}.items():
        monkeypatch.setenv(name, value)
    document: dict[str, Any] = {
        "version": 1,
        "attempt": "a1",
        "workdir": str(tmp_path),
        "source": {"url": "http://127.0.0.1/r.git", "sha": "0" * 40, "ref": "refs/heads/main"},
        "docker": {"host": "unix:///d.sock"},
        "result": str(tmp_path / "result.json"),
    }
    found = client_environment(parse(json.dumps(document).encode()), {})
    assert way.items() <= found.items()
    assert found["DOCKER_HOST"] == "unix:///d.sock"
    assert "CANARY" not in found
    assert json.loads((tmp_path / "docker-config/config.json").read_bytes()) == {"auths": {}}
