"""`--help` of every command, and the pages that describe them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bot.cli import main, make_parser
from bot.settings import SETTINGS, SettingsMistake, read_settings
from tests.commands import reference
from tests.commands.running import ROOT, pushwright

COMMANDS = reference.commands()
NAMES = ["serve", "web", "worker", "migrate", "check-config", "plan", "tags", "commands",
         "render-pod", "build", "deliveries", "replay", "logs", "cancel", "setup",
         "doctor", "hooks"]  # fmt: skip


def test_the_commands_are_these() -> None:
    assert list(COMMANDS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_help_has_an_example_that_parses(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    example = reference.example(COMMANDS[name])
    assert f"example: {example}" in shown
    words = [word for word in shlex.split(example) if not word.startswith("PUSHWRIGHT_")]
    assert words[:2] == ["pushwright", name]
    assert callable(make_parser().parse_args(words[1:]).command)


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_is_explained(name: str) -> None:
    for action in COMMANDS[name]._actions:
        assert action.help, f"{name} {action.dest}"


def test_help_and_version_as_a_process(tmp_path: Path) -> None:
    shown = pushwright(tmp_path, "--help")
    assert shown.returncode == 0
    assert all(re.search(rf"^ +{name}\s", shown.stdout, re.MULTILINE) for name in NAMES)
    version = pushwright(tmp_path, "--version")
    assert re.fullmatch(r"pushwright \d+\.\d+\.\d+\n", version.stdout)


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["plan"], ["logs"]])
def test_a_wrong_command_line_is_2_and_shows_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: pushwright" in capsys.readouterr().err


def test_the_pages_are_current() -> None:
    for page, text in reference.pages():
        assert page.read_text("utf-8") == text, "run python -m tests.commands.reference"


def test_the_page_of_commands_has_a_section_for_each() -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert re.findall(r"^### (.+)$", page, re.MULTILINE) == NAMES


def test_every_setting_that_the_code_reads_is_in_the_table() -> None:
    named = {setting.name for setting in SETTINGS}
    read = {
        name
        for path in (ROOT / "bot").rglob("*.py")
        # What executors hand to the builder, and the builder to its askpass, is no setting.
        if not {"builder", "executors"} & set(path.relative_to(ROOT / "bot").parts)
        for name in re.findall(r"\bPUSHWRIGHT_[A-Z_]+[A-Z]\b", path.read_text("utf-8"))
    }
    assert read <= named
    assert named <= read


def test_defaults_of_the_table_are_the_ones_that_hold() -> None:
    settings = read_settings({})
    defaults = {setting.name: setting.default for setting in SETTINGS}
    assert str(settings.config) == defaults["PUSHWRIGHT_CONFIG"]
    assert str(settings.state) == defaults["PUSHWRIGHT_STATE"]
    assert settings.listen == defaults["PUSHWRIGHT_LISTEN"]
    assert str(settings.web_threads) == defaults["PUSHWRIGHT_WEB_THREADS"]
    assert settings.log_level == defaults["PUSHWRIGHT_LOG_LEVEL"]
    assert settings.database_url == f"sqlite:///{settings.state}/pushwright.db"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUSHWRIGHT_WEB_THREADS", "many"),
        ("PUSHWRIGHT_WEB_THREADS", "²"),
        ("PUSHWRIGHT_LISTEN", "8080"),
        ("PUSHWRIGHT_LISTEN", "127.0.0.1:http"),
        ("PUSHWRIGHT_LISTEN", "127.0.0.1:80800"),
        ("PUSHWRIGHT_DATABASE_URL", "mysql://x"),
    ],
)
def test_values_that_can_not_be_used_are_named(name: str, value: str) -> None:
    with pytest.raises(SettingsMistake, match=name):
        read_settings({name: value})


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", ":8080", "unix:/run/web.sock"])
def test_addresses_to_listen_on(listen: str) -> None:
    assert read_settings({"PUSHWRIGHT_LISTEN": listen}).listen == listen


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert read_settings({setting.name: "" for setting in SETTINGS}) == read_settings({})


def test_a_password_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p@ss/word\n")
    given = {
        "PUSHWRIGHT_DATABASE_URL": "postgresql://bot@db/pushwright",
        "PUSHWRIGHT_DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
    }
    assert read_settings(given).database_url == (
        "postgresql+psycopg://bot:p%40ss%2Fword@db/pushwright"
    )
    with pytest.raises(SettingsMistake, match="can't be read"):
        read_settings(given | {"PUSHWRIGHT_DATABASE_PASSWORD_FILE": str(tmp_path / "none")})
    (tmp_path / "password").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsMistake, match="is no UTF-8 text"):
        read_settings(given)
    (tmp_path / "password").write_text("p")
    with pytest.raises(SettingsMistake, match="PUSHWRIGHT_DATABASE_URL can't be read"):
        read_settings(given | {"PUSHWRIGHT_DATABASE_URL": "postgresql://bot@[::1/pushwright"})
