"""What a test needs of the machine: present, or skipped with the command that gets it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest


def lacking(what: str, get: str) -> NoReturn:
    """Skip the test, or fail it where PUSHWRIGHT_NO_SKIPS=1 says that nothing may be skipped."""
    reason = f"{what} is not installed: {get}"
    if os.environ.get("PUSHWRIGHT_NO_SKIPS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def need(program: str, get: str) -> str:
    """The path of `program`; where it is lacking the test is skipped, naming `get`."""
    return shutil.which(program) or lacking(program, get)


def gitea() -> Path:
    """The folder of the real Gitea with its openapi.json; skipped where it is not built."""
    script = Path(__file__).resolve().parent / "gitea" / "tools" / "build.sh"
    asked = subprocess.run(["sh", script, "--where"], capture_output=True, text=True, check=True)
    folder = Path(asked.stdout.strip())
    return folder if (folder / "gitea").exists() else lacking("gitea", "make gitea")
