"""What is refused, before anything is registered or after: in words, and nothing is lost."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from bot.core.appmanifest import OneTimeState, RegisteredApp, StateFault
from bot.core.reports_setup import SourceWish
from bot.ports import Permanent
from bot.web.setuppage import Reception, create_app
from tests.appsetup.browser import Browser
from tests.appsetup.running import PUBLIC, arguments, code_by_hand, converted, waiting
from tests.commands.running import run
from tests.fakes.clock import HandClock
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.github_manifests import mistakes
from tests.fakes.githost.host import FakeHost

ADDRESS = "http://127.0.0.1:8642"
APP = RegisteredApp(
    7, "ours", "ours[bot]", "acme", "https://github.test/apps/ours", "the key", "the secret"
)


# -- the state ------------------------------------------------------------------------------------


def test_a_state_is_good_once_and_in_time() -> None:
    state = OneTimeState("right", until=600.0)
    assert state.spend("wrong", 0.0) is StateFault.WRONG
    assert state.spend("", 0.0) is StateFault.WRONG
    assert state.spend("rïght", 0.0) is StateFault.WRONG
    assert state.spend("right", 600.0) is None
    assert state.spend("right", 600.0) is StateFault.USED
    assert OneTimeState("right", until=600.0).spend("right", 600.1) is StateFault.LATE
    assert "right" not in repr(state)


def visitor(
    clock: HandClock, finish: Callable[[str], RegisteredApp] = lambda _: APP
) -> tuple[FlaskClient, Reception]:
    from bot.appsetup import wanted_app

    app = wanted_app(SourceWish("github", "checks"), PUBLIC, None, "acme")
    state = OneTimeState("right", clock.monotonic() + 600)
    reception = Reception(app, state, finish, clock)
    return create_app(reception, ADDRESS).test_client(), reception


def test_an_answer_after_ten_minutes_is_late() -> None:
    clock = HandClock()
    client, reception = visitor(clock)
    clock.turn(601)
    page = client.get("/registered?code=abc&state=right", base_url=ADDRESS)
    assert (page.status_code, "Too late" in page.text) == (410, True)
    assert reception.registered is None
    assert not reception.ended.is_set()


def test_a_second_visit_is_told_so() -> None:
    client, reception = visitor(HandClock())
    first = client.get("/registered?code=abc&state=right", base_url=ADDRESS)
    assert (first.status_code, "is registered" in first.text) == (200, True)
    assert "https://github.test/apps/ours/installations/new" in first.text
    assert "the key" not in first.text
    assert "the secret" not in first.text
    first.close()
    assert reception.ended.is_set()
    again = client.get("/registered?code=abc&state=right", base_url=ADDRESS)
    assert (again.status_code, "used already" in again.text) == (410, True)
    assert reception.registered == APP


def test_what_github_says_is_shown_as_text() -> None:
    def refuse(_: str) -> RegisteredApp:
        raise Permanent("GitHub said <script>")

    client, reception = visitor(HandClock(), refuse)
    page = client.get("/registered?code=abc&state=right", base_url=ADDRESS)
    assert (page.status_code, "&lt;script&gt;" in page.text) == (502, True)
    assert isinstance(reception.error, Permanent)


def test_an_error_of_our_own_ends_it_as_well() -> None:
    def broken(_: str) -> RegisteredApp:
        raise ZeroDivisionError("a detail of ours")

    client, reception = visitor(HandClock(), broken)
    page = client.get("/registered?code=abc&state=right", base_url=ADDRESS)
    assert (page.status_code, "a detail of ours" in page.text) == (502, False)
    page.close()
    assert reception.ended.is_set()
    assert isinstance(reception.error, ZeroDivisionError)


def test_the_form_holds_names_of_any_kind() -> None:
    from bot.appsetup import wanted_app

    name = "\"><script>alert('1')"
    app = wanted_app(SourceWish("github", "checks"), PUBLIC, name, None)
    reception = Reception(app, OneTimeState("s", 9e9), lambda _: APP, HandClock())
    client = create_app(reception, ADDRESS).test_client()
    assert "<script" not in client.get("/", base_url=ADDRESS).text


# -- before anything is registered ----------------------------------------------------------------


def refused(host: FakeHost, *more: str) -> str:
    ended = run(*arguments(host, *more))
    assert (ended.code, ended.out) == (1, "")
    assert host.calls("POST") == []
    return ended.err


def test_a_port_that_is_taken(tmp_path: Path, host: FakeHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused(host, "--port", port, "--folder", str(tmp_path / "s"))
    assert f"port {port} of 127.0.0.1 can't be had: Address already in use" in said
    assert "--port" in said


@pytest.mark.parametrize("port", ["65536", "-1", "http", "٣"])
def test_what_is_no_port(host: FakeHost, port: str) -> None:
    ended = run(*arguments(host, f"--port={port}"))
    assert (ended.code, "is no port" in ended.err) == (2, True)


def test_a_folder_that_can_not_be_written(tmp_path: Path, host: FakeHost) -> None:
    (tmp_path / "file").write_text("x")
    said = refused(host, "--code", "c0de", "--folder", str(tmp_path / "file"))
    assert f"{tmp_path}/file can't be written" in said
    # The kernel's own file system takes no folder, not even from root.
    said = refused(host, "--code", "c0de", "--folder", "/sys/pushwright")
    assert "/sys/pushwright can't be written" in said
    assert "--folder" in said


def test_by_hand_and_files_that_are_there(tmp_path: Path, host: FakeHost, browser: Browser) -> None:
    folder = tmp_path / "s"
    ended = converted(host, code_by_hand(host, browser, tmp_path), folder)
    assert (ended.code, ended.err) == (0, "")
    key = folder / "github.private-key.pem"
    before = key.read_text()
    code = code_by_hand(host, browser, tmp_path)
    there = converted(host, code, folder)
    assert there.code == 1
    assert f"there already: {key}" in there.err
    assert "--overwrite" in there.err
    assert key.read_text() == before
    assert len(host.calls("POST", "/conversions")) == 1  # the code is still good
    over = converted(host, code, folder, "--overwrite")
    assert (over.code, f"{key} will be replaced" in over.out) == (0, True)
    assert key.read_text() != before
    assert key.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in folder.iterdir()) == [
        "github.private-key.pem",
        "github.source.yaml",
        "github.webhook-secret",
    ]


def test_a_code_that_is_used_or_older_than_an_hour(
    tmp_path: Path, host: FakeHost, browser: Browser
) -> None:
    code = code_by_hand(host, browser, tmp_path)
    assert converted(host, code, tmp_path / "s").code == 0
    again = converted(host, code, tmp_path / "t")
    assert (again.code, "good for one hour and only once" in again.err) == (1, True)
    code, now = code_by_hand(host, browser, tmp_path), host.world.now
    host.world.now = lambda: now() + 3601
    late = converted(host, code, tmp_path / "t")
    assert (late.code, "good for one hour and only once" in late.err) == (1, True)


@pytest.mark.parametrize("code", ["", "a/../b", "a b", "x" * 256, "ä"])
def test_what_is_no_code_is_not_asked_about(tmp_path: Path, host: FakeHost, code: str) -> None:
    assert "without a code" in refused(host, "--code", code, "--folder", str(tmp_path / "s"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--public-url", "builds.example.com"), "--public-url: this is no address"),
        (("--url", "https://user:pw@git.test"), "--url: an address has no user"),
        (("--source", "Not A Name"), "lower-case letters"),
        (("--org", "acme/../x"), "no organization's name"),
        (("--name", "n" * 35), "35 characters, GitHub takes 34"),
        (("--proxy", "socks://x"), "--proxy: this is no address"),
    ],
)
def test_options_that_can_not_be(host: FakeHost, more: tuple[str, ...], said: str) -> None:
    assert said in refused(host, *more)


def test_the_public_url_is_the_central_configs(
    tmp_path: Path, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "central.yaml"
    monkeypatch.setenv("PUSHWRIGHT_CONFIG", str(file))
    ask = ("setup", "github", "--url", host.url, "--page", tmp_path / "page.html")
    assert "--public-url is missing" in run(*ask).err
    file.write_text("version: 1\npublic: x\n")
    assert "has mistakes" in run(*ask).err
    file.write_text(
        "version: 1\npublic-url: https://there.test\ndefaults: {registry: r.test}\n"
        "sources:\n  gl: {kind: gitlab, token-file: t, webhook-secret-files: [s]}\n"
        "repositories: [acme/*]\n"
    )
    assert run(*ask).code == 0
    assert "https://there.test/webhooks/github" in (tmp_path / "page.html").read_text()


def test_a_page_that_can_not_be_written(host: FakeHost) -> None:
    assert "/sys/x.html can't be written" in refused(host, "--page", "/sys/x.html")


def test_ctrl_c_ends_it_and_leaves_nothing(tmp_path: Path, host: FakeHost) -> None:
    with waiting(tmp_path, host) as command:
        command.process.send_signal(signal.SIGINT)
        code, _, _ = command.end()
    assert code == 130
    assert list((tmp_path / "secrets").iterdir()) == []


def test_ctrl_c_in_the_middle_of_the_exchange_keeps_the_key(
    tmp_path: Path, host: FakeHost, browser: Browser
) -> None:
    host.faults.add(Fault("slow", seconds=2.0, path="/conversions"))
    with waiting(tmp_path, host) as command, ThreadPoolExecutor(1) as beside:
        browser.open(command.address)
        browser.press()
        done = beside.submit(browser.press)
        until = time.monotonic() + 60
        while host.faults.pending() and time.monotonic() < until:
            time.sleep(0.02)
        command.process.send_signal(signal.SIGINT)
        assert done.result().status_code == 200
        assert command.end()[0] == 130
    assert (tmp_path / "secrets" / "github.private-key.pem").read_text().startswith("-----BEGIN")


# -- after it was registered ----------------------------------------------------------------------


def test_a_disk_that_fails_when_the_key_is_there(
    tmp_path: Path, host: FakeHost, browser: Browser
) -> None:
    """The folder was tried, and goes away while the person is at GitHub."""
    with waiting(tmp_path, host) as command:
        browser.open(command.address)
        browser.press()
        os.rmdir(tmp_path / "secrets")  # noqa: PTH106
        page = browser.press()
        code, _, err = command.end()
    assert (page.status_code, code) == (502, 1)
    assert "the App is registered" in err
    assert "can't be written: No such file or directory" in err
    assert "delete the App in its settings" in err


# -- the stand-in is as strict as GitHub's page ----------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": None}, "url is of the wrong type"),
        ({"redirect_url": "ftp://x"}, "redirect_url must be a valid URL"),
        ({"hook_attributes": {"active": True}}, "hook_attributes.url must be a valid URL"),
        ({"default_events": ["merge_group"]}, "not supported by permissions: merge_group"),
        ({"default_events": ["pushes"]}, "pushes is unknown"),
        ({"default_permissions": {"contents": "all"}}, "contents: all is unknown"),
        ({"webhook": {}}, "unknown key webhook"),
    ],
)
def test_what_githubs_page_refuses(change: dict[str, object], said: str) -> None:
    good = {
        "url": PUBLIC,
        "redirect_url": ADDRESS,
        "default_permissions": {"contents": "read"},
        "default_events": ["push"],
    }
    assert mistakes(good) == []
    assert any(said in one for one in mistakes(good | change))


def test_an_organization_of_others(tmp_path: Path, host: FakeHost, browser: Browser) -> None:
    with waiting(tmp_path, host, "--org", "others") as command:
        browser.open(command.address)
        assert browser.press().status_code == 404
