"""`pushwright setup github` as it waits for a browser."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.commands.running import command, environment
from tests.fakes.githost.host import FakeHost

PUBLIC = "https://builds.example.com"


def arguments(host: FakeHost, *more: str) -> list[str]:
    return ["setup", "github", "--url", host.url, "--public-url", PUBLIC, *more]


@dataclass(slots=True)
class Waiting:
    """`address`: the page that it told to open; `told`: what it printed up to there."""

    process: subprocess.Popen[str]
    address: str
    told: str

    def end(self) -> tuple[int, str, str]:
        """Exit code, the rest of standard output, standard error."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@contextmanager
def waiting(folder: Path, host: FakeHost, *more: str) -> Iterator[Waiting]:
    """In a process of its own, in that folder, on any free port."""
    process = subprocess.Popen(
        command(arguments(host, "--port", "0", *more)),
        cwd=folder,
        env=environment(folder, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        told = ""
        assert process.stdout is not None
        for line in process.stdout:
            told += line
            if line.startswith("Waiting"):
                break
        found = re.search(r"^    (http://127\.0\.0\.1:\d+/)$", told, re.MULTILINE)
        assert found is not None, told + process.communicate(timeout=30)[1]
        yield Waiting(process, found[1], told)
    finally:
        process.kill()
        process.communicate()
