"""Attempts that run and end: looks, cancels, adoption, credentials, what is left."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.builds import Ended, NotThere, OutcomeClass, Running
from bot.ports import Temporary
from tests.executor.bench import (
    Bench,
    ended,
    eventually,
    processes_naming,
    spec,
    with_credential,
)


def running(path: Path) -> bool:
    """Whether the process whose id is in the file runs; a zombie does not."""
    try:
        state = Path(f"/proc/{path.read_text()}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_new_bot_adopts_a_running_builder(bench: Bench) -> None:
    gate = bench.folder / "gate"
    bench.executor().start(spec(until=str(gate)))
    restarted = bench.executor()
    assert isinstance(restarted.observe("b-1"), Running)
    restarted.start(spec(until=str(gate)))
    eventually(lambda: restarted.read_log("b-1", 0, 10))
    gate.touch()
    assert ended(restarted).outcome is OutcomeClass.SUCCEEDED
    assert bench.runs("b-1") == [0]


def test_a_builder_outlives_the_process_that_started_it(bench: Bench) -> None:
    """In a session of its own, and to the new bot it is nobody's child."""
    gate = bench.folder / "gate"
    program = (
        "import sys, os, signal; from pathlib import Path;"
        "from tests.executor.bench import Bench, spec;"
        "Bench(Path(sys.argv[1])).executor().start(spec(until=sys.argv[2]));"
        "os.killpg(0, signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program, str(bench.folder), str(gate)],
        env=environment,
        cwd="/",
        start_new_session=True,
        check=False,
    )
    assert done.returncode == -9
    executor = bench.executor()
    assert isinstance(executor.observe("b-1"), Running)
    gate.touch()
    assert ended(executor).outcome is OutcomeClass.SUCCEEDED


def test_a_result_waits_for_a_bot_that_was_down(bench: Bench) -> None:
    bench.executor().start(spec())
    eventually(bench.attempt("b-1").result.exists)
    eventually(lambda: not bench.attempt("b-1").alive())
    bench.clock.offset = 3 * 86400.0
    seen = bench.executor().observe("b-1")
    assert isinstance(seen, Ended)
    assert seen.outcome is OutcomeClass.SUCCEEDED


def test_a_killed_builder_is_lost_with_its_last_words(bench: Bench) -> None:
    executor = bench.executor()
    executor.start(spec(until="/nonexistent", child=True, words="Fatal Python error: Aborted"))
    child = bench.attempt("b-1").path / "child"
    eventually(lambda: executor.read_log("b-1", 0, 1))
    (pid,) = [int(p.suffix[1:]) for p in (bench.folder / "counts").glob("b-1.*")]
    assert running(child)
    os.kill(pid, 9)
    seen = ended(executor)
    assert seen.result is None
    assert seen.outcome is OutcomeClass.BUILDER_LOST
    assert seen.cause == "the builder ended without a result: Fatal Python error: Aborted"
    eventually(lambda: not running(child))


def test_a_builder_has_ended_though_a_grandchild_lives(bench: Bench) -> None:
    """The lock's descriptor is not handed on to what the builder starts."""
    executor = bench.executor()
    executor.start(spec(child=True))
    assert ended(executor).outcome is OutcomeClass.SUCCEEDED
    assert running(bench.attempt("b-1").path / "child")
    child = int((bench.attempt("b-1").path / "child").read_text())
    bench.attempt("b-1").recipe.write_text("{}")  # no image to remove
    executor.forget("b-1")
    eventually(lambda: not Path(f"/proc/{child}/environ").exists() or not environment_of(child))


def environment_of(pid: int) -> bytes:
    """Empty for a zombie."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"succeeded"',
        "{}",
        '{"class": "great"}',
        '{"class": "succeeded", "line": {"file": "x", "line": "1"}',
        "[" * 100_000,
        "\x00" * 4096,
        '{"class": ["succeeded"]}',
        '{"class": "SUCCEEDED"}',
    ],
)
def test_an_unreadable_result_is_no_success(bench: Bench, text: str) -> None:
    executor = bench.executor()
    executor.start(spec(result=text))
    seen = ended(executor)
    assert seen.result is None
    assert seen.outcome is OutcomeClass.BUILDER_LOST


def test_cancel_ends_it(bench: Bench) -> None:
    executor = bench.executor()
    executor.cancel("b-1")
    assert isinstance(executor.observe("b-1"), NotThere)
    executor.start(spec(until="/nonexistent"))
    eventually(lambda: executor.read_log("b-1", 0, 1))
    executor.cancel("b-1")
    seen = ended(executor)
    assert (seen.result, seen.outcome) == (None, OutcomeClass.CANCELLED)
    executor.cancel("b-1")
    executor.start(spec(until="/nonexistent"))
    assert bench.runs("b-1") == [0]


def test_a_builder_that_will_not_stop_is_killed_with_what_it_started(bench: Bench) -> None:
    executor = bench.executor()
    executor.start(spec(until="/nonexistent", deaf=True, child=True))
    child = bench.attempt("b-1").path / "child"
    eventually(lambda: executor.read_log("b-1", 0, 1))
    executor.cancel("b-1")
    bench.clock.offset = 10
    assert isinstance(executor.observe("b-1"), Running)
    bench.clock.offset = 16
    seen = ended(bench.executor())
    assert seen.outcome is OutcomeClass.CANCELLED
    eventually(lambda: not running(child))


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_clock_that_jumps_saves_no_deaf_builder(bench: Bench, jump: float) -> None:
    executor = bench.executor()
    executor.start(spec(until="/nonexistent", deaf=True))
    eventually(lambda: executor.read_log("b-1", 0, 1))
    executor.cancel("b-1")
    bench.clock.offset = jump
    assert ended(executor).outcome is OutcomeClass.CANCELLED


def test_the_bots_environment_stays_with_the_bot(bench: Bench) -> None:
    """Run in a bot that has a canary, a proxy and a CA in its environment."""
    program = (
        "import sys; from pathlib import Path;"
        "from tests.executor.bench import Bench, ended, spec;"
        "executor = Bench(Path(sys.argv[1])).executor();"
        "executor.start(spec(environment=True)); ended(executor)"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PUSHWRIGHT_CANARY": "canary",
        "AWS_SECRET_ACCESS_KEY": "canary",
        "https_proxy": "http://proxy.example:3128",
        "NO_PROXY": "127.0.0.1",
        "SSL_CERT_FILE": "/etc/private/ca.crt",
    }
    subprocess.run(
        [sys.executable, "-c", program, str(bench.folder)], env=environment, cwd="/", check=True
    )
    folder = bench.attempt("b-1").path
    found = json.loads((folder / "environment.json").read_text())
    found.pop("LC_CTYPE", None)  # Python's own, where the locale is C
    assert found == {
        "PATH": os.environ["PATH"],
        "https_proxy": "http://proxy.example:3128",
        "NO_PROXY": "127.0.0.1",
        "SSL_CERT_FILE": "/etc/private/ca.crt",
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }


def test_credentials_lie_in_private_alone_and_go(bench: Bench) -> None:
    auth = base64.b64encode(b"robot:registry-canary").decode()
    bench.auths = {"auths": {"reg.example": {"auth": auth}}}
    secret = bench.folder / "npm"
    secret.write_text("npm-canary")
    bench.secrets = {"npm-token": str(secret)}
    executor, gate = bench.executor(), bench.folder / "gate"
    wanted = with_credential(spec(until=str(gate)), "clone-canary")
    executor.start(replace(wanted, secrets=(("npm", "npm-token"),)))
    folder = bench.attempt("b-1")
    needles = [b"clone-canary", b"registry-canary", b"npm-canary", auth.encode()]
    holders = {p for p in folder.path.rglob("*") if p.is_file() and holds(p, needles)}
    assert holders
    assert {p.parent for p in holders} == {folder.private}
    assert {mode(p) for p in holders} == {0o600}
    assert (mode(folder.private), mode(folder.path)) == (0o700, 0o700)
    recipe = json.loads(folder.recipe.read_text())
    hidden = {Path(p).read_text() for p in recipe["redact_files"]}
    assert hidden == {"clone-canary", "registry-canary", auth, "npm-canary"}
    gate.touch()
    ended(executor)
    executor.forget("b-1")
    assert not folder.path.exists()
    assert isinstance(executor.observe("b-1"), NotThere)
    assert executor.running() == ()
    assert secret.exists()
    executor.forget("b-1")


def holds(path: Path, needles: list[bytes]) -> bool:
    data = path.read_bytes()
    return any(needle in data for needle in needles)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_running_attempt_is_not_forgotten(bench: Bench) -> None:
    executor, gate = bench.executor(), bench.folder / "gate"
    executor.start(spec(until=str(gate)))
    with pytest.raises(Temporary, match="still runs"):
        executor.forget("b-1")
    assert isinstance(executor.observe("b-1"), Running)


def test_a_daemon_that_is_down_keeps_the_folder_but_no_credential(bench: Bench) -> None:
    """Its image is still to be removed; after an hour the folder goes all the same."""
    executor = bench.executor()
    wanted = with_credential(spec(), "clone-canary")
    wanted = replace(wanted, recipe={**wanted.recipe, "push": {"reference": "reg.example/a:git-1"}})
    executor.start(wanted)
    ended(executor)
    with pytest.raises(Temporary, match=r"docker daemon at unix:///nonexistent.sock"):
        executor.forget("b-1")
    assert bench.attempt("b-1").exists()
    assert not bench.attempt("b-1").private.exists()
    bench.clock.offset = 3601.0
    executor.forget("b-1")
    assert not bench.attempt("b-1").exists()


def test_folders_without_a_row_go_after_a_week(bench: Bench) -> None:
    executor, gate = bench.executor(), bench.folder / "gate"
    executor.start(spec("ended-1"))
    ended(executor, "ended-1")
    executor.start(spec("running-1", until=str(gate)))
    executor.housekeeping()
    assert executor.running() == ("ended-1", "running-1")
    bench.clock.offset = 8 * 86400.0
    executor.housekeeping()
    assert executor.running() == ("running-1",)
    bench.clock.offset = 0.0


def test_nothing_of_an_attempt_is_left_running(bench: Bench) -> None:
    executor = bench.executor()
    executor.start(spec(child=True, until="/nonexistent"))
    eventually(lambda: executor.read_log("b-1", 0, 1))
    assert len(processes_naming(bench.attempts)) == 2
    executor.cancel("b-1")
    ended(executor)
    eventually(lambda: processes_naming(bench.attempts) == [])
