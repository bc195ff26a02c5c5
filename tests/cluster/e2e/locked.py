"""Registries that want a password, themselves or for a token, which the bot's builds have or do not
have."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.node import HOST
from tests.cluster.pki import Authority
from tests.cluster.programs import DIES_WITH_US
from tests.fakes.loopback import Asked, Reply, Script, serve
from tests.fakes.registry_process import RegistryProcess
from tests.registry.passwords import one_user
from tests.registry.token_server import Signer, has_password, json_reply, scopes_of

PASSWORD = "canary-of-a-registry"


def locked_registry(folder: Path) -> RegistryProcess:
    """For the user `bot` with `PASSWORD` and nobody else, where pods reach it; not started."""
    folder.mkdir(parents=True, exist_ok=True)
    auth = one_user(folder, "bot", PASSWORD)
    return RegistryProcess(folder / "data", address=HOST, auth=auth, in_front=DIES_WITH_US)


@contextmanager
def token_registry(folder: Path, authority: Authority) -> Iterator[tuple[RegistryProcess, Script]]:
    """One that takes tokens alone, and the service that gives them for that password. The service
    has a certificate of `authority`."""
    folder.mkdir(parents=True, exist_ok=True)
    signer = Signer(folder)
    pair = authority.issue("tokens", "tokens", hosts=[HOST])

    def answer(asked: Asked) -> Reply:
        if not has_password(asked, "bot", PASSWORD):
            return json_reply({}, 401)
        token = signer.token(scopes_of(asked))
        return json_reply({"token": token, "access_token": token, "expires_in": 300})

    with serve(answer, (pair.certificate, pair.key), HOST) as service:
        auth = {
            "realm": f"{service.url}/token",
            "service": "registry",
            "issuer": "tests",
            "rootcertbundle": str(signer.bundle),
        }
        with RegistryProcess(
            folder / "data", address=HOST, auth={"token": auth}, in_front=DIES_WITH_US
        ) as registry:
            yield registry, service


def entry(folder: Path, host: str, *, pods: str = PASSWORD) -> dict[str, Any]:
    """Of `registries` in the central config: the bot's own password is right, `pods` is what builds
    are given."""
    found: dict[str, Any] = {"insecure": True}
    for name, password in (("bot-auth-file", PASSWORD), ("pod-auth-file", pods)):
        auth = base64.b64encode(f"bot:{password}".encode()).decode()
        file = folder / f"{name}.json"
        file.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
        found[name] = str(file)
    return found
