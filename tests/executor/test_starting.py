"""Starting: idempotent by name, whatever is killed in the middle of it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.builds import Ended, NotThere, OutcomeClass, Running
from bot.ports import Permanent, Temporary
from tests.executor.bench import HASH, Bench, ended, eventually, spec
from tests.needs import lacking

ROOT = Path(__file__).resolve().parents[2]

STARTER = """
import json, sys
from pathlib import Path
from tests.executor.bench import Bench, spec
print("ready", flush=True)
sys.stdin.readline()
Bench(Path(sys.argv[1])).executor().start(spec(until=sys.argv[2]))
print("started", flush=True)
"""


def test_a_start_is_seen_running_and_then_ended(bench: Bench) -> None:
    executor, gate = bench.executor(), bench.folder / "gate"
    assert isinstance(executor.observe("b-1"), NotThere)
    executor.start(spec(until=str(gate)))
    assert isinstance(executor.observe("b-1"), Running)
    gate.touch()
    seen = ended(executor)
    assert seen.result is not None
    assert seen.outcome is OutcomeClass.SUCCEEDED
    assert executor.running() == ("b-1",)


def test_a_second_start_finds_the_first(bench: Bench) -> None:
    executor, gate = bench.executor(), bench.folder / "gate"
    wanted = spec(until=str(gate))
    executor.start(wanted)
    executor.start(wanted)
    bench.executor().start(wanted)
    eventually(lambda: bench.runs("b-1"))
    gate.touch()
    ended(executor)
    executor.start(wanted)
    bench.executor().start(wanted)
    assert isinstance(executor.observe("b-1"), Ended)
    assert bench.runs("b-1") == [0]


def test_many_starts_at_once_make_one_builder(bench: Bench) -> None:
    gate, errors = bench.folder / "gate", list[BaseException]()
    begin = threading.Barrier(8)

    def start() -> None:
        executor = bench.executor()
        begin.wait(20)
        try:
            executor.start(spec(until=str(gate)))
            executor.observe("b-1")
        except BaseException as error:  # noqa: BLE001 (shown by the test's own thread)
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    eventually(lambda: bench.runs("b-1"))
    gate.touch()
    ended(bench.executor())
    assert bench.runs("b-1") == [0]


def test_looking_never_makes_a_start_believe_that_a_builder_runs(bench: Bench) -> None:
    """A look that took the lock for a moment would."""
    folder = bench.attempt("b-1")
    folder.path.mkdir(parents=True)
    folder.lock.touch()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            folder.alive()

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(300):
            descriptor = folder.take_lock()
            assert descriptor is not None
            os.close(descriptor)
    finally:
        stop.set()
        for looker in lookers:
            looker.join(20)


@pytest.mark.parametrize("left", ["nothing", "lock", "part", "torn recipe", "recipe", "all"])
def test_what_a_crash_left_is_started_afresh(bench: Bench, left: str) -> None:
    folder = bench.attempt("b-1")
    folder.path.mkdir(parents=True)
    if left != "nothing":
        folder.lock.touch()
    if left in ("part", "all"):
        folder.recipe.with_suffix(".part").write_text('{"half')
    if left == "torn recipe":
        folder.recipe.write_text('{"recipe_hash": "0')
    if left in ("recipe", "all"):
        folder.recipe.write_text(json.dumps({"recipe_hash": HASH}))
    if left == "all":
        (folder.work / "docker-config").mkdir(parents=True)
        folder.write_private("password", "old")
        folder.log.write_text('{"n": 7, "x": "of the builder before"}\n')
    executor = bench.executor()
    executor.start(spec())
    assert ended(executor).outcome is OutcomeClass.SUCCEEDED
    assert [line.n for line in executor.read_log("b-1", 0, 10)] == [1]
    assert not (folder.work / "docker-config").exists()
    assert not (folder.private / "password").exists()


def test_a_starter_killed_at_any_moment_leaves_at_most_one_builder(bench: Bench) -> None:
    gate, seed = bench.folder / "gate", random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for round_ in range(12):
        argv = [sys.executable, "-c", STARTER, str(bench.folder / str(round_)), str(gate)]
        (bench.folder / str(round_)).mkdir()
        with subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd="/"
        ) as starter:
            assert starter.stdin is not None
            assert starter.stdout is not None
            assert starter.stdout.readline() == b"ready\n"
            starter.stdin.write(b"\n")
            starter.stdin.flush()
            time.sleep(chance.uniform(0, 0.012))
            starter.kill()
    benches = [Bench(bench.folder / str(round_)) for round_ in range(12)]
    for again in benches:
        again.executor().start(spec(until=str(gate)))
        eventually(again.has_run)
    gate.touch()
    for again in benches:
        assert ended(again.executor()).outcome is OutcomeClass.SUCCEEDED
        assert again.runs("b-1") == [0], f"seed {seed}"
        again.close()


def test_another_recipe_in_the_folder_is_refused(bench: Bench) -> None:
    executor, gate = bench.executor(), bench.folder / "gate"
    executor.start(spec(until=str(gate)))
    other = replace(spec(), recipe_hash="f" * 64)
    with pytest.raises(Permanent, match=r"holds another recipe; remove .*/b-1 and"):
        executor.start(other)
    gate.touch()
    ended(executor)
    with pytest.raises(Permanent, match="another recipe"):
        executor.start(other)
    bench.attempt("b-1").result.unlink()
    with pytest.raises(Permanent, match="another recipe"):
        executor.start(other)
    assert bench.runs("b-1") == [0]


def test_untrusted_builds_never_start(bench: Bench) -> None:
    executor = bench.executor()
    assert executor.refuses(trusted=True) is None
    reason = executor.refuses(trusted=False)
    assert reason is not None
    with pytest.raises(Permanent, match="never runs untrusted code"):
        executor.start(replace(spec(), trusted=False))
    assert executor.running() == ()


@pytest.mark.parametrize("name", ["", "..", "../x", "/tmp/x", "a/b", ".hidden"])
def test_names_do_not_leave_the_folder(bench: Bench, name: str) -> None:
    with pytest.raises(Permanent, match="no name of an attempt"):
        bench.executor().start(spec(name))


def test_an_unknown_secret_names_itself(bench: Bench) -> None:
    wanted = replace(spec(), secrets=(("npm", "npm-token"),))
    with pytest.raises(Permanent, match="'npm-token' is not in the central config"):
        bench.executor().start(wanted)
    assert not bench.attempt("b-1").alive()


def test_cancelled_before_it_ran_it_does_not_start(bench: Bench) -> None:
    folder = bench.attempt("b-1")
    folder.path.mkdir(parents=True)
    executor = bench.executor()
    executor.cancel("b-1")
    executor.start(spec())
    assert bench.runs("b-1") == []


def test_a_full_disk_is_said_and_asked_again(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        lacking("a root shell (to mount a small tmpfs)", "run the tests as root")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=True)
    try:
        bench = Bench(small)
        (small / "ballast").write_bytes(b"x" * 60_000)
        with pytest.raises(Temporary, match=r"could not be started in .*No space left"):
            bench.executor().start(spec(words="x" * 40_000))
        assert not bench.attempt("b-1").alive()
        (small / "ballast").unlink()
        bench.executor().start(spec())
        assert ended(bench.executor()).outcome is OutcomeClass.SUCCEEDED
        bench.close()
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_a_program_that_is_gone_is_said(bench: Bench) -> None:
    with pytest.raises(Temporary, match="No such file"):
        bench.executor(["/nonexistent/python"]).start(spec())


def test_the_stand_in_is_found_by_its_lock_alone(bench: Bench) -> None:
    """An editor with the recipe open is no builder."""
    gate = bench.folder / "gate"
    executor = bench.executor()
    executor.start(spec(until=str(gate)))
    recipe = str(bench.attempt("b-1").recipe)
    with subprocess.Popen(["tail", "-f", recipe], stdout=subprocess.DEVNULL) as editor:
        try:
            executor.cancel("b-1")
            assert ended(executor).outcome is OutcomeClass.CANCELLED
            assert editor.poll() is None
        finally:
            editor.send_signal(signal.SIGKILL)
