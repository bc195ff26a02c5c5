"""`pushwright` as a user runs it: in a process of its own or, cheaper, in this one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from bot.cli import main

ROOT = Path(__file__).parents[2]
PAYLOADS = ROOT / "tests" / "payloads"
GITHUB = PAYLOADS / "github"
GITLAB = PAYLOADS / "gitlab"


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


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: str | Path) -> Ended:
    """In this process: the same parser and commands, without the price of a new one."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as exit_:
            code = int(exit_.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


def asked(
    verb: str, payload: Path, *more: str | Path, event: str = "push", host: str = "github"
) -> Ended:
    return run(verb, "--host", host, "--event", event, "--payload", payload, *more)
