"""The whole way: the command, its page, GitHub's pages, the way back, and what doctor says then."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest
import yaml

from bot.core.centralconfig import CentralConfig
from bot.core.centralfile import parse_central
from bot.core.hostneeds import GITHUB_EVENTS, github_permissions
from tests.appsetup.browser import Browser
from tests.appsetup.running import PUBLIC, arguments, waiting
from tests.commands.running import run
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.host import FakeHost


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def central(folder: Path, lines: str) -> CentralConfig:
    text = f"version: 1\npublic-url: {PUBLIC}\nrepositories: ['acme/*']\n"
    found = parse_central(
        f"{text}defaults: {{registry: r.test}}\n{lines}".encode(), str(folder / "x.yaml")
    )
    assert isinstance(found, CentralConfig), found
    return found


def printed_lines(out: str) -> str:
    found = re.search(r"^sources:\n(?:  .*\n)+", out, re.MULTILINE)
    assert found is not None, out
    return found[0]


def test_an_app_of_an_organization(tmp_path: Path, host: FakeHost, browser: Browser) -> None:
    with waiting(tmp_path, host, "--org", "acme") as command:
        page = browser.open(command.address)
        assert "pushwright-acme" in page.text
        browser.press()
        assert "Create GitHub App" in browser.page.text
        browser.press()
        assert browser.page.status_code == 200
        assert "The App is registered" in browser.page.text
        code, out, err = command.end()
    assert (code, err) == (0, "")
    [app] = host.world.apps.values()
    assert app.permissions == {one.key: one.access for one in github_permissions(checks=True)}
    assert app.events == tuple(one.key for one in GITHUB_EVENTS)
    assert app.hook is not None
    assert app.hook.url == f"{PUBLIC}/webhooks/github"
    assert f"{host.url}/apps/pushwright-acme/installations/new" in out
    assert "pushwright doctor" in out

    lines = printed_lines(out)
    source = central(tmp_path, lines).sources["github"]  # type: ignore[index] # a NewType
    assert source.app is not None
    assert (source.app.id, source.url, source.reports) == (str(app.id), host.url, "checks")
    assert source.bot_login == "pushwright-acme[bot]"
    key, secret = Path(source.app.private_key_file), Path(source.webhook_secret_files[0])
    assert secret.read_text().strip() == app.hook.secret
    assert key.read_text().startswith("-----BEGIN RSA PRIVATE KEY-----")
    kept = tmp_path / "secrets" / "github.source.yaml"
    assert kept.read_text() == lines
    assert [mode(one) for one in (key, secret, kept)] == [0o600] * 3
    assert mode(key.parent) == 0o700
    assert app.hook.secret is not None
    shown = out + command.told + browser.page.text
    assert app.hook.secret not in shown
    assert "PRIVATE KEY" not in shown


def test_doctor_finds_what_setup_made_well(
    tmp_path: Path, host: FakeHost, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with waiting(tmp_path, host, "--org", "acme") as command:
        browser.open(command.address)
        browser.press()
        browser.press()
        _, out, _ = command.end()
    [app] = host.world.apps.values()
    repository = host.create_repository("acme/shop")
    host.commit(repository, "main", {"Dockerfile": "FROM scratch\n"})
    host.install(app, repository)
    config = {
        "version": 1,
        "public-url": PUBLIC,
        "repositories": ["acme/shop"],
        "defaults": {"registry": "127.0.0.1:9"},
        "docker": {"host": f"unix://{tmp_path}/none.sock"},
        **yaml.safe_load(printed_lines(out)),
    }
    file = tmp_path / "pushwright.yaml"
    file.write_text(json.dumps(config))
    monkeypatch.setenv("PUSHWRIGHT_CONFIG", str(file))
    monkeypatch.setenv("PUSHWRIGHT_STATE", str(tmp_path))
    found = {
        row["check"]: (row["result"], row["found"])
        for row in run("doctor", "--json").json()["findings"]
        if row["subject"] == "github"
    }
    for check in ("App permissions", "App events", "installed on acme"):
        assert found[check][0] == "ok", found[check]
    assert found["App webhook"][0] == "unknown"  # nothing was sent to it yet
    assert found["webhook secrets"][0] == "ok", found
    assert found["acme/shop"] == ("ok", "installed")


def test_for_statuses_and_for_oneself(tmp_path: Path, host: FakeHost, browser: Browser) -> None:
    more = ("--reports", "statuses", "--name", "our-builder", "--source", "main")
    with waiting(tmp_path, host, *more) as command:
        browser.open(command.address)
        browser.press()
        browser.press(name="renamed-there")
        _, out, _ = command.end()
    [app] = host.world.apps.values()
    assert app.permissions == {one.key: one.access for one in github_permissions(checks=False)}
    assert app.slug == "renamed-there"
    assert app.hook is not None
    assert app.hook.url.endswith("/webhooks/main")
    assert "of ada is registered" in out
    assert "reports: statuses" in printed_lines(out)


def test_the_page_is_hardened(tmp_path: Path, host: FakeHost, browser: Browser) -> None:
    with waiting(tmp_path, host) as command:
        page = browser.open(command.address)
        policy = page.headers["Content-Security-Policy"]
        assert policy == (
            "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
            f"form-action {host.url}"
        )
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["X-Frame-Options"] == "DENY"
        assert page.headers["Cache-Control"] == "no-store"
        assert "<script" not in page.text
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert loaded == ["/static/pushwright.css", "/"]
        assert browser.session.get(f"{command.address}static/pushwright.css").status_code == 200
        foreign = browser.session.get(command.address, headers={"Host": "evil.test"})
        assert foreign.status_code == 421
        assert "state=" not in foreign.text


def test_foreign_answers_change_nothing_and_the_own_one_counts_once(
    tmp_path: Path, host: FakeHost, browser: Browser
) -> None:
    with waiting(tmp_path, host) as command:
        back = f"{command.address}registered"
        for query in ("", "?code=abc", "?code=abc&state=wrong", "?code=abc&state=%FF%00"):
            refused = browser.open(back + query)
            assert refused.status_code == 403
            assert "does not belong to the page" in refused.text
        browser.open(command.address)
        browser.press()
        browser.press()
        assert browser.page.status_code == 200
        assert command.end()[0] == 0
    assert len(host.world.apps) == 1
    assert [call.status for call in host.calls("POST", "/conversions")] == [201]


def test_a_forged_code_with_the_right_state(
    tmp_path: Path, host: FakeHost, browser: Browser
) -> None:
    with waiting(tmp_path, host) as command:
        browser.open(command.address)
        state = browser.form().action.partition("state=")[2]
        page = browser.open(f"{command.address}registered?code=forged&state={state}")
        assert page.status_code == 502
        code, out, err = command.end()
    assert (code, out.strip()) == (1, "")
    assert "GitHub does not know this code (any more): it is good for one hour" in err
    assert list((tmp_path / "secrets").iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("answer", 9, 503, message="Down for repairs"), "Down for repairs"),
        (Fault("drop before", 9), "the connection failed"),
        (
            Fault("answer", 9, 201, message="no app"),
            "pem: a private key is missing. GitHub tells a key only once",
        ),
        (Fault("answer", 9, 422, message="Validation Failed"), "Validation Failed"),
    ],
    ids=["down", "dropped", "strange", "refused"],
)
def test_github_fails_at_the_exchange(
    tmp_path: Path, host: FakeHost, fault: Fault, said: str
) -> None:
    fault.path = "/conversions"
    host.faults.add(fault)
    ended = run(*arguments(host, "--code", "c0de", "--folder", str(tmp_path / "s")))
    assert ended.code == 1
    assert said in ended.err
    assert "c0de" not in ended.err + ended.out
    if fault.status not in {201, 422}:
        assert "try again with --code CODE" in ended.err


def test_nobody_listens_there(tmp_path: Path, host: FakeHost) -> None:
    more = ("--url", "http://127.0.0.1:9", "--code", "c0de", "--folder", str(tmp_path / "s"))
    ended = run(*arguments(host, *more))
    assert (ended.code, "the connection failed" in ended.err) == (1, True)
