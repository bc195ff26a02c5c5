"""A registry that wants a password, which the bot's builds have or do not have."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from tests.cluster.node import HOST
from tests.cluster.programs import DIES_WITH_US
from tests.fakes.registry_process import RegistryProcess
from tests.registry.passwords import one_user

PASSWORD = "canary-of-a-registry"


def locked_registry(folder: Path) -> RegistryProcess:
    """For the user `bot` with `PASSWORD` and nobody else, where pods reach it; not started."""
    folder.mkdir(parents=True, exist_ok=True)
    auth = one_user(folder, "bot", PASSWORD)
    return RegistryProcess(folder / "data", address=HOST, auth=auth, in_front=DIES_WITH_US)


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
