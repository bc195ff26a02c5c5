"""Parts of `make demo`; CI runs the whole of it."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.leftovers import DemoRuns, Leftovers, start_time
from tests.demo.programs import is_static
from tests.demo.screen import WIDTH, Screen

PREFLIGHT = Path(__file__).resolve().parents[1] / "demo" / "preflight.py"


def preflight(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run as `make demo` runs it: by a system's Python, without this project's environment."""
    environment = {"PATH": os.environ["PATH"], "PUSHWRIGHT_DEMO_DIR": str(folder)} | changes
    return subprocess.run(
        [sys.executable, "-I", str(PREFLIGHT)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_everything_that_is_missing_stands_in_one_table(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        # An empty PATH lacks all programs; nothing is installed, as what is missing comes first.
        done = preflight(
            tmp_path / "nowhere", PATH=str(tmp_path), PUSHWRIGHT_DEMO_PORT=port, HOST="bitbucket"
        )
    assert done.returncode == 2
    assert done.stdout == ""
    for what in (
        "git  ",
        "make  ",
        "apt-get install git",
        "apt-get install make",
        "HOST=bitbucket is no Git host",
        "make demo HOST=github, HOST=gitlab, HOST=gitea",
        f"port {port}, it is in use",
        f"mkdir -p {tmp_path / 'nowhere'}",
    ):
        assert what in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_ends_the_demo_without_a_trace(tmp_path: Path) -> None:
    """`make demo | head`: nothing was started yet when the first line finds no reader."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo"],
        cwd=PREFLIGHT.parents[2],
        env=os.environ | {"PUSHWRIGHT_DEMO_DIR": str(tmp_path)},
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_gitea_that_is_not_built_is_missing_with_the_command_that_builds_it(
    tmp_path: Path,
) -> None:
    cache, needed = tmp_path / "cache", "make gitea (once, about eight minutes; it needs Go"
    # A port that is none: nothing is installed even where all else is there.
    asked = {"HOST": "gitea", "PUSHWRIGHT_CACHE": str(cache), "PUSHWRIGHT_DEMO_PORT": "0"}
    done = preflight(tmp_path, **asked)
    assert done.returncode == 2
    assert needed in done.stderr
    assert "Then: make demo HOST=gitea" in done.stderr
    command = ["sh", str(PREFLIGHT.parents[1] / "gitea" / "tools" / "build.sh"), "--where"]
    where = subprocess.run(
        command, env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    made = Path(where.stdout.strip())
    made.mkdir(parents=True)
    (made / "gitea").touch()
    done = preflight(tmp_path, **asked)
    assert done.returncode == 2
    assert "is no port" in done.stderr
    assert needed not in done.stderr


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1"])
def test_a_port_that_is_none(tmp_path: Path, port: str) -> None:
    done = preflight(tmp_path, PATH=str(tmp_path), PUSHWRIGHT_DEMO_PORT=port)
    assert done.returncode == 2
    assert f"PUSHWRIGHT_DEMO_PORT={port} is no port" in done.stderr


def test_a_folder_that_is_a_link_is_never_emptied(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / f"pushwright-demo-{os.geteuid()}").symlink_to(kept)
    done = preflight(tmp_path, PATH=str(tmp_path))
    assert done.returncode == 2
    assert "it is somebody else's" in done.stderr


TWICE = """
import os, signal
from tests.demo.__main__ import ENDS, interrupt
for number in ENDS:
    signal.signal(number, interrupt)
try:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
finally:
    os.kill(os.getpid(), signal.SIGTERM)
    print("cleaned up")
"""


def test_a_second_signal_does_not_cut_off_the_cleaning_up() -> None:
    """make passes on the SIGTERM that a whole process group got."""
    done = subprocess.run(
        [sys.executable, "-c", TWICE],
        cwd=PREFLIGHT.parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "cleaned up\n"
    assert "KeyboardInterrupt" in done.stderr


# -- leftovers -------------------------------------------------------------------------------------


def sleeper(**variables: str) -> subprocess.Popen[bytes]:
    code = "import time; time.sleep(600)"
    return subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **variables})


def test_one_demo_at_a_time(tmp_path: Path) -> None:
    first, second = Leftovers(tmp_path / "demo"), Leftovers(tmp_path / "demo")
    first.hold()
    with pytest.raises(DemoRuns, match="a demo runs in"):
        second.hold()
    assert not second.held
    first.forget()
    second.hold()
    second.forget()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_demo_left_is_ended_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    named, nameless, strange = sleeper(), sleeper(STATE=f"{folder}/state"), sleeper()
    reused = {str(strange.pid): "1"}  # the id of a process that is gone, used again
    began = {str(named.pid): start_time(named.pid)}
    (tmp_path / "demo.pids").write_text(json.dumps({"pids": began | reused, "sockets": []}))
    try:
        leftovers = Leftovers(folder)
        leftovers.hold()
        assert leftovers.end() == 2
        leftovers.forget()
        assert named.wait(20) == nameless.wait(20) == -signal.SIGTERM
        assert strange.poll() is None
        assert not folder.exists()
    finally:
        for process in (named, nameless, strange):
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"pids": 1}', '{"pids": {}, "sockets": ["/"]}']
)
def test_a_strange_file_of_leftovers_ends_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "demo.pids").write_text(content)
    leftovers = Leftovers(tmp_path / "demo")
    leftovers.hold()
    assert leftovers.end() == 0
    leftovers.forget()


def test_a_process_that_is_gone_has_no_start_time() -> None:
    process = sleeper()
    assert start_time(process.pid)
    process.kill()
    process.wait()
    assert start_time(process.pid) is None


# -- the screen ------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_fit_a_hundred_columns_and_keep_words_whole() -> None:
    out = io.StringIO()
    Screen(out).line("plan", "word " * 60, "red")
    lines = out.getvalue().splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= WIDTH
    assert {word for line in lines[1:] for word in line.split()} == {"word"}
    assert len({line.index("word") for line in lines}) == 1, "one column"


def test_an_address_is_never_cut() -> None:
    out = io.StringIO()
    address = "http://127.0.0.1/" + "a" * 120
    Screen(out).line("page", address)
    assert address in out.getvalue()


def test_what_may_be_cut_takes_one_line() -> None:
    out = io.StringIO()
    Screen(out).line("step", "word " * 60, whole=False)
    (line,) = out.getvalue().splitlines()
    assert len(line) <= WIDTH
    assert line.endswith("…")


def test_colour_is_for_terminals() -> None:
    plain, terminal = io.StringIO(), Terminal()
    for out in (plain, terminal):
        Screen(out).line("tag", "moved", "green")
    assert "\x1b" not in plain.getvalue()
    assert "\x1b[32mmoved" in terminal.getvalue()


def test_the_table_is_aligned() -> None:
    out = io.StringIO()
    Screen(out).table(("push", "result", "time"), [("a", "fine", "1.0 s"), ("bb", "", "10.0 s")])
    ends = [len(line) for line in out.getvalue().splitlines()]
    assert len(set(ends)) == 1


# -- programs --------------------------------------------------------------------------------------


def test_only_a_static_program_is_a_base() -> None:
    assert not is_static(Path(shutil.which("sh") or "/bin/sh").resolve())
    assert not is_static(PREFLIGHT)
