"""`pushwright doctor` on this machine: config, files, secrets, database, addresses, docker."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from pathlib import Path

import pytest

from bot.core.findings import Result
from bot.core.ids import HostKind
from bot.doctor.dockerhost import daemon_findings
from bot.doctor.installation import disk, place, public_url
from bot.store.versions import HEAD
from tests.commands.running import pushwright, run
from tests.doctor.site import Site, sited
from tests.fakes.docker_process import DockerDaemon, built_dockerd, debian_dockerd
from tests.needs import lacking

OK, WARN, FAIL = Result.OK, Result.WARN, Result.FAIL


def test_the_table_lines_up_and_nothing_is_coloured_in_a_pipe(github: Site) -> None:
    ended = run("doctor")
    assert ended.code == 1  # neither the registry nor the docker daemon of the config is there
    rows = [line for line in ended.out.splitlines() if not line.startswith(" ")]
    *rows, last = rows
    assert re.fullmatch(r"\d+ ok, (\d+ warn, )?\d+ fail", last)
    starts = {re.match(r"(\S+ +)(\S+ +)", row).end() for row in rows[1:]}  # type: ignore[union-attr]
    assert len(starts) == 1
    assert all(row.split()[0] in ("ok", "warn", "fail", "unknown") for row in rows)
    assert "\x1b" not in ended.out
    fails = [row for row in rows if row.startswith("fail")]
    assert ended.out.count("→") >= len(fails)


def test_as_a_process_with_a_config_that_is_missing(tmp_path: Path) -> None:
    ended = pushwright(tmp_path, "doctor")
    assert ended.returncode == 1
    assert "pushwright.yaml can't be read: No such file" in ended.stdout
    assert "→ set PUSHWRIGHT_CONFIG" in ended.stdout


def test_mistakes_of_the_config_have_their_place(tmp_path: Path) -> None:
    (tmp_path / "pushwright.yaml").write_text("version: 1\npublic-url: x\nsorces: {}\n")
    ended = pushwright(tmp_path, "doctor", "--json")
    assert ended.returncode == 1
    rows = json.loads(ended.stdout)["findings"]
    assert all(row["check"] == "config" and row["result"] == "fail" for row in rows)
    [wrong] = [row for row in rows if "pushwright.yaml:3:1: " in row["found"]]
    assert "did you mean sources?" in wrong["remedy"]


def test_a_setting_that_can_not_be_used(tmp_path: Path) -> None:
    ended = pushwright(tmp_path, "doctor", settings={"PUSHWRIGHT_LISTEN": "nowhere"})
    assert (ended.returncode, "PUSHWRIGHT_LISTEN" in ended.stdout) == (1, True)


def test_a_wrong_command_line_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("doctor", "--deeper").code == 2


def test_files_and_secrets(github: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (github.folder / "secret").write_text("short")
    found = github.doctor()
    result, text, remedy = found["forge", "webhook secrets"]
    assert (result, "is 5 bytes long" in text, "openssl" in remedy) == (FAIL, True, True)
    assert found["machine", "files"][0] is OK
    (github.folder / "secret").unlink()
    result, text, _ = github.doctor()["forge", "webhook secrets"]
    assert (result, f"{github.folder}/secret can't be read: No such file" in text) == (FAIL, True)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    result, text, _ = github.doctor()["forge", "webhook secrets"]
    assert (result, "only the web process" in text) == (Result.UNKNOWN, True)
    (github.folder / "token").unlink()
    result, text, _ = github.doctor()["machine", "files"]
    assert (result, f"{github.folder}/token: No such file" in text) == (FAIL, True)


def test_the_database(github: Site) -> None:
    result, text, _ = github.doctor()["database", "schema"]
    assert (result, text.endswith(f"schema {HEAD}")) == (OK, True)
    path = github.folder / "state" / "pushwright.db"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    result, text, _ = github.doctor()["database", "schema"]
    assert (result, "schema 9999" in text) == (FAIL, True)
    for file in path.parent.glob("pushwright.db*"):
        file.unlink()
    result, text, _ = github.doctor()["database", "schema"]
    assert (result, "run pushwright migrate" in text) == (FAIL, True)


def test_a_password_of_the_database_is_not_shown() -> None:
    shown = place("postgresql+psycopg://bot:canary@db.test:5432/pushwright")
    assert shown == "PostgreSQL db.test/pushwright"
    assert place("sqlite:////var/lib/x.db") == "SQLite /var/lib/x.db"


def test_the_public_address(github: Site) -> None:
    here, good = public_url(github.url)
    assert (here.result, good.result) == (WARN, OK)
    assert "is this machine alone" in here.found
    plain, _ = public_url("http://bot.invalid")
    assert (plain.result, "plain HTTP" in plain.found) == (WARN, True)
    assert [one.found for one in public_url(f"{github.url}/x")][-1].endswith("answers 404, not 200")
    assert "does not answer" in list(public_url("http://127.0.0.1:9"))[-1].found


def test_the_disk(tmp_path: Path) -> None:
    [found] = disk(tmp_path)
    assert "GB left" in found.found
    [found] = disk(tmp_path / "none")
    assert (found.result, "does not exist" in found.found) == (FAIL, True)


def test_git_that_is_missing(github: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(github.folder))
    result, text, remedy = github.doctor()["machine", "git"]
    assert (result, text, "apt-get install git" in remedy) == (FAIL, "git is not on PATH", True)


# -- docker --------------------------------------------------------------------------------------


def test_a_daemon_that_does_not_answer(github: Site) -> None:
    result, text, remedy = github.doctor()["docker", "daemon"]
    assert (result, "none.sock does not answer" in text, "docker.host" in remedy) == (
        FAIL,
        True,
        True,
    )


def test_a_real_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = built_dockerd() or debian_dockerd()
    if program is None or os.geteuid() != 0:
        lacking("dockerd (as root)", "make deps")
    with (
        DockerDaemon(program, tmp_path / "docker") as daemon,
        sited(HostKind.GITHUB, tmp_path, monkeypatch.setenv) as site,
    ):
        site.write(docker={"host": daemon.host})
        found = site.doctor()
    assert found["docker", "daemon"][0] is OK
    assert daemon.host in found["docker", "daemon"][1]
    assert re.search(r"GB left in .*/docker", found["docker", "storage"][1])
    assert found["docker", "cgroup"][0] is OK


def test_what_a_daemon_says_of_itself() -> None:
    host = "unix:///run/docker.sock"
    old = list(daemon_findings(host, "17.12.1-ce", {}))
    assert (old[0].result, old[0].found) == (FAIL, "17.12.1-ce has no BuildKit")
    slow = {"Driver": "vfs", "CgroupVersion": "1", "CgroupDriver": "cgroupfs", "MemoryLimit": False}
    found = {one.check: one for one in daemon_findings(host, "29.1.0", slow)}
    assert found["storage"].result is WARN
    assert found["cgroup"].result is WARN
    for version, wanted in (("27.0.3", WARN), ("20.10.24+dfsg1", OK), ("23.0.0", WARN)):
        cache = [one for one in daemon_findings(host, version, {}) if one.check == "inline cache"]
        assert wanted in [one.result for one in cache], version
    assert not [one for one in daemon_findings(host, "29.1.0", {}) if one.check == "inline cache"]
    open_to_all = [one.result for one in daemon_findings("tcp://0.0.0.0:2375", "29.1.0", {})]
    assert WARN in open_to_all
    strange = list(daemon_findings(host, "", {"Driver": ["x"], "DockerRootDir": 7}))
    assert strange[0].result is FAIL
