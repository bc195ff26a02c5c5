"""`commands`: the document, the table, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.core.commands import TABLE
from tests.commands.running import pushwright, run

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def comment(tmp_path: Path) -> Path:
    file = tmp_path / "comment.md"
    file.write_text("Thanks!\n\n/build a* --no-cache\n/ok-to-test 0123456\n", "utf-8")
    return file


def test_the_document_has_exactly_the_documented_shape(comment: Path) -> None:
    ended = run("commands", "--comment", comment, "--images", "api,web", "--json")
    assert (ended.code, ended.err) == (1, "")
    assert ended.json() == {
        "commands": [
            {
                "name": "build",
                "images": ["api"],
                "options": {"no-cache": True},
                "text": "/build a* --no-cache",
            }
        ],
        "refused": [
            {
                "text": "/ok-to-test 0123456",
                "why": "an approval names all 40 digits of the commit: a short id can be made to "
                "fit another commit",
            }
        ],
    }


def test_the_table_for_people(comment: Path) -> None:
    ended = run("commands", "--comment", comment)
    done, refused = ended.out.splitlines()
    assert done == "do       build                a*; no-cache: yes"
    assert refused.startswith("refused  /ok-to-test 0123456  an approval names all 40 digits")


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("none", ["help"]),
        ("read", ["status", "help"]),
        ("author", ["build", "status", "help"]),
        ("write", ["build", "ok-to-test", "status", "help"]),
        ("maintain", ["build", "ok-to-test", "promote", "status", "help"]),
        ("admin", ["build", "ok-to-test", "promote", "status", "help"]),
    ],
)
def test_roles(tmp_path: Path, role: str, names: list[str]) -> None:
    file = tmp_path / "comment.md"
    file.write_text(f"/build\n/ok-to-test {SHA}\n/promote api to prod\n/status\n/help\n")
    ended = run("commands", "--comment", file, "--role", role, "--json")
    assert [one["name"] for one in ended.json()["commands"]] == names
    assert ended.code == (0 if len(names) == 5 else 1)
    assert len(ended.json()["refused"]) == 5 - len(names)


def test_on_a_commit(tmp_path: Path) -> None:
    file = tmp_path / "comment.md"
    file.write_text("/build branch:main\n/ok-to-test\n")
    ended = run("commands", "--comment", file, "--on", "commit", "--json")
    assert ended.json()["commands"][0]["options"] == {"branch": "main"}
    assert "not on commits" in ended.json()["refused"][0]["why"]


def test_bare_words_that_belong_to_another_bot(tmp_path: Path) -> None:
    file = tmp_path / "comment.md"
    file.write_text("/build api\n/pushwright cancel\n")
    ended = run("commands", "--comment", file, "--no-bare", "--json")
    assert (ended.code, [one["name"] for one in ended.json()["commands"]]) == (0, ["cancel"])


def test_nothing_in_it(tmp_path: Path) -> None:
    file = tmp_path / "comment.md"
    file.write_bytes(b"")
    assert run("commands", "--comment", file) == (0, "no commands\n", "")
    assert run("commands", "--comment", file, "--json").json() == {"commands": [], "refused": []}


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "comment.md"
    file.write_bytes(b"\xef\xbb\xbf/build api\r\n\xff\xfe/cancel\r\n/retest \xff\r\n")
    ended = run("commands", "--comment", file, "--json")
    assert [one["text"] for one in ended.json()["commands"]] == ["/build api"]
    assert [one["text"] for one in ended.json()["refused"]] == ["/retest \ufffd"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    ended = run("commands", "--comment", tmp_path / "none")
    assert (ended.code, ended.out) == (1, "")
    assert "can't be read: No such file" in ended.err


def test_from_standard_input_as_a_process(tmp_path: Path) -> None:
    ended = pushwright(tmp_path, "commands", "--comment", "-", "--json", given=b"/retry web\n")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["commands"][0]["name"] == "retest"


def test_a_wrong_role_is_a_usage_error() -> None:
    assert run("commands", "--comment", "-", "--role", "owner").code == 2


def test_every_command_of_the_table_can_be_given(tmp_path: Path) -> None:
    file = tmp_path / "comment.md"
    lines = [f"/help {spec.name}" for spec in TABLE]
    file.write_text("\n".join(lines[:10]))
    assert run("commands", "--comment", file, "--json").code == 0
