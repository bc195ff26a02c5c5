"""The Git host port: what git itself asks of a host, and what it may not be led to."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from bot.core.ids import Sha
from bot.hosts import git
from bot.ports import CloneCredential, HostError, Temporary
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.stage import Stage


def _commands() -> list[bytes]:
    """Arguments and environments of all processes that we may look at."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                found.append((process / name).read_bytes())
            except OSError:
                continue
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks into /proc")
def test_token_in_no_argument_and_no_environment(stage: Stage) -> None:
    """While git waits for the host, its processes are looked at."""
    stage.host.faults.add(Fault("slow", count=9, seconds=0.3, path="info/refs"))
    seen: list[bytes] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.extend(_commands())
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert stage.client.refs(stage.repository) == {"refs/heads/main": stage.first}
    finally:
        done.set()
        watcher.join()
    assert any(b"ls-remote" in text for text in seen)
    assert not any(stage.token.encode() in text for text in seen)


def test_git_that_hangs(stage: Stage) -> None:
    stage.host.faults.add(Fault("slow", seconds=3, path="info/refs"))
    remote = git.Remote(stage.host.clone_url(stage.fake))
    with pytest.raises(Temporary, match="longer than"):
        git.ls_remote(remote, CloneCredential("x", stage.token), seconds=0.5)
    running = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True).stdout
    assert f"ls-remote --heads --tags -- {remote.url}".encode() not in running


@pytest.mark.parametrize("form", ["{}", "file://{}", "ext::git %s {}", "ssh://x@127.0.0.1{}"])
def test_git_goes_by_http_only(stage: Stage, form: str) -> None:
    """A repository that could be read, by ways that must stay shut."""
    url = form.format(stage.fake.git.folder)
    with pytest.raises(HostError, match="not allowed"):
        git.ls_remote(git.Remote(url), None)


def test_address_that_looks_like_an_option(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    with pytest.raises(HostError):
        git.ls_remote(git.Remote(f"--upload-pack=touch {canary}"), None)
    assert not canary.exists()


def test_git_gives_the_credential_to_its_host_alone(stage: Stage, other: Stage) -> None:
    """A redirect to another host is not followed."""
    target = other.host.clone_url(other.fake) + "/info/refs?service=git-upload-pack"
    headers = (("Location", target),)
    stage.host.faults.add(Fault("answer", count=9, status=302, headers=headers))
    with pytest.raises(HostError):
        stage.client.refs(stage.repository)
    assert other.host.records == []


def test_lines_that_git_never_writes() -> None:
    sha = "a" * 40
    peeled = "b" * 40
    text = (
        f"{sha}\trefs/heads/main\n{sha}\trefs/tags/v1\n{peeled}\trefs/tags/v1^{{}}\n"
        f"{sha}\tHEAD\n{sha}\trefs/pull/1/head\nnonsense\n{sha} refs/heads/space\n"
    ).encode()
    odd = f"{sha}\trefs/heads/".encode() + b"\xff\xfe\n"
    assert git.parse_refs(text + odd + b"\n") == {
        "refs/heads/main": Sha(sha),
        "refs/tags/v1": Sha(peeled),
    }
