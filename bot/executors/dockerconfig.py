"""Docker `config.json` documents: what in them must never be seen."""

from __future__ import annotations

import base64
from collections.abc import Mapping


def secret_values(document: Mapping[str, object]) -> list[str]:
    """What must not be seen of a Docker config: passwords, tokens, and both inside `auth`."""
    auths = document.get("auths")
    found = []
    for entry in auths.values() if isinstance(auths, Mapping) else ():
        for key in ("auth", "password", "identitytoken", "registrytoken"):
            value = entry.get(key) if isinstance(entry, Mapping) else None
            if isinstance(value, str) and value:
                found.append(value)
                if key == "auth":
                    found.append(_password(value))
    return [value for value in dict.fromkeys(found) if value]


def _password(auth: str) -> str:
    try:
        return base64.b64decode(auth, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""
