"""`pushwright` as a user runs it: a process of its own, with settings of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAYLOADS = ROOT / "tests" / "payloads"


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Nothing of the machine's own settings, and a proxy that answers nobody."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PUSHWRIGHT")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "PUSHWRIGHT_STATE": str(folder / "state"),
        "PUSHWRIGHT_CONFIG": str(folder / "pushwright.yaml"),
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        **more,
    }


def pushwright(
    folder: Path,
    *arguments: str,
    given: bytes | None = None,
    settings: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end in that folder."""
    ended = subprocess.run(
        command(arguments),
        cwd=folder,
        env=environment(folder, **(settings or {})),
        input=given,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return subprocess.CompletedProcess(
        ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode()
    )


def command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "bot.cli", *arguments]
