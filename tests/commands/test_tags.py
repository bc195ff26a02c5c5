"""`tags`: the document, its choice of an image, and what the process loads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.running import (
    GITHUB,
    PAYLOADS,
    asked,
    environment,
    pushwright,
)


def test_tags_have_exactly_the_documented_shape() -> None:
    ended = asked("tags", GITHUB / "push.branch.json", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.json() == {
        "tags": [
            "registry.example.com/acme/shop:main",
            "registry.example.com/acme/shop:sha-ad782ec",
        ],
        "labels": {
            "org.opencontainers.image.source": "https://github.com/acme/shop",
            "org.opencontainers.image.title": "shop",
            "org.opencontainers.image.url": "https://github.com/acme/shop",
        },
        "version": "main",
        "renamed": {},
    }


def test_requests_write_their_own_names_only() -> None:
    ended = asked("tags", GITHUB / "pull_request.opened-from-fork.json", "--json",
                  event="pull_request")  # fmt: skip
    found = ended.json()
    number = json.loads((GITHUB / "pull_request.opened-from-fork.json").read_bytes())["number"]
    assert found["version"] == f"pr-{number}"
    assert all(re.search(rf":pr-{number}(-|$)", tag) for tag in found["tags"])
    assert all(new == f"pr-{number}-{old}" for old, new in found["renamed"].items())
    assert found["renamed"]


def test_several_images_want_a_choice(two: Path) -> None:
    push = GITHUB / "push.branch.json"
    ended = asked("tags", push, "--config", two, "--json")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "pushwright: there are several images, choose by --image: api, web\n"
    unknown = asked("tags", push, "--config", two, "--image", "apo")
    assert (unknown.code, unknown.out) == (1, "")
    assert "did you mean api?" in unknown.err
    assert "there are: api, web" in unknown.err
    api = asked("tags", push, "--config", two, "--image", "api", "--json", "--now",
                "2026-03-04T05:06:07")  # fmt: skip
    assert api.code == 0
    labels = api.json()["labels"]
    assert labels["org.opencontainers.image.created"] == "2026-03-04T05:06:07.000Z"
    assert labels["team"] == "red"
    assert api.json()["version"] == "top"


def test_filters_and_skip_tokens_do_not_hide_tags(two: Path, tmp_path: Path) -> None:
    body = json.loads((GITHUB / "push.branch.json").read_bytes())
    body["ref"] = "refs/heads/topic"
    body["head_commit"]["message"] = "change [skip ci]"
    file = tmp_path / "p.json"
    file.write_text(json.dumps(body))
    assert asked("plan", file, "--config", two, "--json").json()["builds"] == []
    found = asked("tags", file, "--config", two, "--image", "api", "--json").json()
    assert "ghcr.io/acme/api:topic" in found["tags"]


def test_what_is_not_pushed_has_no_tags(two: Path) -> None:
    ended = asked("tags", GITHUB / "push.branch.json", "--config", two, "--image", "web", "--json")
    assert (ended.code, ended.json()["tags"]) == (0, [])
    assert "not pushed" in ended.err


def test_tags_with_mistakes_end_with_1_and_the_document(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("version: 1\nimages: {a: {tags: ['type=semvr,pattern=x']}}\n")
    ended = asked("tags", GITHUB / "push.branch.json", "--config", file, "--json")
    assert ended.code == 1
    assert ended.json() == {"tags": [], "labels": {}, "version": "", "renamed": {}}
    assert ended.err.startswith(f"{file}:2:")


def test_lines_that_give_no_tag_are_said(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(
        "version: 1\nimages:\n  a:\n    on: {push: {}}\n    tags:\n"
        "      - type=raw,value=-x\n      - type=semver,value=one,pattern={{version}}\n"
        "      - type=sha\n"
    )
    said = (
        f"warning: {file}:6:9: `-x` is no tag: it begins with `-` (give the line a prefix)\n"
        f"warning: {file}:7:9: `one` is no semantic version\n"
    )
    found = asked("tags", GITHUB / "push.branch.json", "--config", file, "--json")
    assert (found.code, sorted(found.err.splitlines())) == (0, sorted(said.splitlines()))
    assert [tag.rpartition(":")[2] for tag in found.json()["tags"]] == ["sha-ad782ec"]
    planned = asked("plan", GITHUB / "push.branch.json", "--config", file)
    assert (planned.code, sorted(planned.err.splitlines())) == (0, sorted(said.splitlines()))
    assert ":-x  (`-x` is no tag: it begins with `-`)" in planned.out


def test_a_terminal_without_unicode_is_answered_too(tmp_path: Path) -> None:
    payload = (GITHUB / "push.branch.json").read_bytes()
    ended = pushwright(
        tmp_path, "plan", "--host", "github", "--event", "push", "--payload", "-",
        given=payload.replace(b"refs/heads/main", "refs/heads/fé→".encode()),
        settings={"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "refs/heads/f\\xe9\\u2192" in ended.stdout


def test_dates_in_tags_follow_now(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(
        "version: 1\nimages: {a: {tags: [\"type=raw,value={{date 'YYYYMMDD-HH'}}\"]}}\n"
    )
    for now in ("2026-03-04T05:06:07Z", "2026-03-04T05:06:07", "2026-03-04T07:06:07+02:00"):
        ended = asked("tags", GITHUB / "push.branch.json", "--config", file, "--json", "--now", now)
        assert ended.json()["version"] == "20260304-05", now


def test_tags_in_words_are_aligned() -> None:
    lines = asked("tags", GITHUB / "push.branch.json").out.splitlines()
    assert lines[0] == "tag       registry.example.com/acme/shop:main"
    assert lines[-1] == "version   main"
    assert {line[:10].rstrip() for line in lines} == {"tag", "label", "version"}


def every_payload() -> Iterator[tuple[str, str, Path]]:
    for host in ("github", "gitlab"):
        for path in sorted((PAYLOADS / host).glob("*.json")):
            if not path.name.endswith(".event.json"):
                yield host, path.name.split(".")[0], path


@pytest.mark.parametrize("verb", ["plan", "tags"])
def test_every_recorded_payload_is_answered(verb: str) -> None:
    for host, event, path in every_payload():
        ended = asked(verb, path, "--json", event=event, host=host)
        assert ended.code == 0, path
        for line in ended.err.splitlines():
            assert line.startswith(("warning: ", "pushwright: this event's build is not")), path
        keys = set(ended.json())
        expected = {"event", "builds", "skipped", "mistakes"}
        if verb == "tags":
            expected = {"tags", "labels", "version", "renamed"}
        assert keys in ({"ignored"}, expected), path


# -- as a process ----------------------------------------------------------------------------


def test_a_payload_from_standard_input(tmp_path: Path) -> None:
    ended = pushwright(
        tmp_path, "tags", "--host", "github", "--event", "push", "--payload", "-", "--json",
        given=(GITHUB / "push.branch.json").read_bytes(),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["version"] == "main"


_HEAVY = ("sqlalchemy", "alembic", "flask", "gunicorn", "requests", "github", "gitlab",
          "psycopg", "prometheus_client", "bot.store", "bot.web", "bot.worker")  # fmt: skip

_LOADED = f"""
import json, sys
from bot.cli import main
assert main(sys.argv[1:]) == 0
print(json.dumps([name for name in {_HEAVY!r} if name in sys.modules]), file=sys.stderr)
"""


def test_tags_load_nothing_that_they_do_not_need(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _LOADED, "tags", "--host", "github", "--event", "push",
         "--payload", str(GITHUB / "push.branch.json"), "--json"],
        env=environment(tmp_path), capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert json.loads(ended.stderr) == []
