"""Registries that ask for a password."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.needs import need


def one_user(folder: Path, user: str, password: str) -> dict[str, object]:
    """`auth` of a registry that lets in that user and nobody else; its file lies in the folder."""
    file = folder / "htpasswd"
    argv = [need("htpasswd", "make deps"), "-Bbc", str(file), user, password]
    subprocess.run(argv, check=True, capture_output=True)
    return {"htpasswd": {"realm": "test", "path": str(file)}}
