"""`pushwright setup github` as it waits for a browser, or takes the code by hand."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.appsetup.browser import Browser
from tests.commands.running import Ended, command, environment, run
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


def code_by_hand(host: FakeHost, browser: Browser, folder: Path) -> str:
    """The page as a file, the code out of the address that shows nothing."""
    page = folder / "page.html"
    assert run(*arguments(host, "--page", str(page), "--org", "acme")).code == 0
    browser.read(page.read_text())
    browser.press()
    address = browser.press(name=f"a{len(host.world.apps)}", follow=False).headers["Location"]
    assert address.startswith("http://127.0.0.1:8642/registered?code=")
    found = re.search(r"code=(\w+)", address)
    assert found is not None
    return found[1]


def converted(host: FakeHost, code: str, folder: Path, *more: str) -> Ended:
    return run(*arguments(host, "--code", code, "--folder", str(folder), *more))
