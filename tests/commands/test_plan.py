"""`plan`: what it prints, the code that it ends with, and what can not be planned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.mistakes import Mistake
from bot.offline import gitlab_event
from tests.commands.running import (
    GITHUB,
    GITLAB,
    PAYLOADS,
    asked,
)

# -- plan ------------------------------------------------------------------------------------


def test_a_plan_without_a_file_has_exactly_the_documented_shape() -> None:
    ended = asked("plan", GITHUB / "push.branch.json", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.json() == {
        "event": {
            "host": "github",
            "kind": "push",
            "repository": "acme/shop",
            "ref": "refs/heads/main",
            "sha": "ad782ecdac770fc6eb9a62e44f90873fb97fb26b",
            "base": None,
            "number": None,
            "fork": False,
        },
        "builds": [
            {
                "image": "shop",
                "tags": [
                    "registry.example.com/acme/shop:main",
                    "registry.example.com/acme/shop:sha-ad782ec",
                ],
                "platforms": [],
                "target": None,
                "args": {},
                "why": "main is the default branch; no paths are named, every change counts",
            }
        ],
        "skipped": [],
        "mistakes": [],
    }


def test_images_come_in_their_order_and_the_highest_priority_first(two: Path) -> None:
    plan = asked("plan", GITHUB / "push.branch.json", "--json", "--config", two).json()
    api, web = plan["builds"]
    assert api["tags"] == [
        "ghcr.io/acme/api:top",
        "ghcr.io/acme/api:main",
        "ghcr.io/acme/api:sha-ad782ec",
        "quay.io/acme/api:top",
        "quay.io/acme/api:main",
        "quay.io/acme/api:sha-ad782ec",
    ]
    assert (api["target"], api["args"]) == ("final", {"VERSION": "main"})
    assert (web["image"], web["tags"]) == ("web", [])


def test_changed_files_choose_images(two: Path) -> None:
    ended = asked(
        "plan", GITHUB / "push.branch.json", "--json", "--config", two,
        "--changed", "web/a", "--changed", "README.md",
    )  # fmt: skip
    assert ended.code == 0
    assert [one["image"] for one in ended.json()["builds"]] == ["web"]
    [skipped] = ended.json()["skipped"]
    assert skipped["image"] == "api"
    assert set(skipped) == {"image", "why"}


def test_forks_wait_unless_they_are_trusted() -> None:
    fork = GITLAB / "merge_request_hook.open-from-fork.json"
    waiting = asked("plan", fork, "--json", event="merge_request", host="gitlab").json()
    assert waiting["builds"] == []
    assert waiting["event"]["fork"] is True
    assert waiting["event"]["number"] == 12
    assert waiting["event"]["ref"] == "refs/merge-requests/12/head"
    assert "waiting for /ok-to-test" in waiting["skipped"][0]["why"]
    trusted = asked("plan", fork, "--json", "--trusted", event="merge_request", host="gitlab")
    assert trusted.json()["builds"][0]["tags"][0] == (
        "registry.example.com/acme/platform/shop:pr-12"
    )


def test_an_own_request_waits_where_it_is_said_to_be_untrusted() -> None:
    own = GITHUB / "pull_request.opened.json"
    assert asked("plan", own, "--json", event="pull_request").json()["builds"]
    ended = asked("plan", own, "--json", "--untrusted", event="pull_request")
    assert (ended.code, ended.json()["builds"]) == (0, [])


def test_a_tag_moves_its_versions() -> None:
    ended = asked("plan", GITLAB / "tag_push_hook.annotated.json", "--json", "--registry",
                  "localhost:5000", event="Tag Push Hook", host="gitlab")  # fmt: skip
    tags = ended.json()["builds"][0]["tags"]
    assert ended.json()["event"]["kind"] == "tag"
    assert tags[0] == "localhost:5000/acme/platform/shop:1.3.0"
    assert "localhost:5000/acme/platform/shop:latest" in tags


def test_the_plan_in_words(two: Path) -> None:
    ended = asked("plan", GITHUB / "push.branch.json", "--config", two, "--changed", "api/x")
    lines = ended.out.splitlines()
    assert lines[0] == "event     push acme/shop refs/heads/main ad782ec"
    assert any(line.startswith("build     api: ") for line in lines)
    assert "          ghcr.io/acme/api:main" in lines
    assert any(line.startswith("skip      web: ") for line in lines)


def test_every_rule_and_its_verdict(two: Path) -> None:
    asked_for = ("plan", GITHUB / "push.branch.json", "--config", two, "--changed", "api/x")
    words = asked(*asked_for, "--why").out
    assert "          yes paths         paths api/** matched api/x (1 file differs)\n" in words
    assert "          no  paths         not affected: no file under web" in words
    assert asked(*asked_for).out.splitlines() != words.splitlines()
    rules = asked(*asked_for, "--why", "--json").json()["rules"]
    assert set(rules) == {"api", "web"}
    assert {"rule": "event", "passes": True, "why": "`on` names push"} in rules["api"]
    assert "rules" not in asked(*asked_for, "--json").json()


def test_mistakes_are_in_the_plan_on_standard_error_and_in_the_code(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(
        "version: 1\nimages:\n  api:\n    tags: ['type=semvr,pattern=x']\n    targt: a\n"
    )
    ended = asked("plan", GITHUB / "push.branch.json", "--config", file, "--json")
    assert ended.code == 1
    plan = ended.json()
    assert plan["builds"] == []
    assert [(one["file"], one["line"]) for one in plan["mistakes"]] == [
        (str(file), 4),
        (str(file), 5),
    ]
    assert all(
        set(one) == {"file", "line", "column", "message", "hint"} for one in plan["mistakes"]
    )
    assert ended.err.splitlines() == [str(Mistake(**one)) for one in plan["mistakes"]]
    words = asked("plan", GITHUB / "push.branch.json", "--config", file)
    assert words.code == 1
    assert "2 mistakes in the configuration" in words.out
    assert words.err == ended.err


def test_mistakes_of_planning_name_the_file_that_was_given(tmp_path: Path) -> None:
    file = tmp_path / "same.yaml"
    file.write_text(
        "version: 1\nimages:\n  a: {image: ghcr.io/a/b, tags: ['type=raw,value=x']}\n"
        "  b: {image: ghcr.io/a/b, tags: ['type=raw,value=x']}\n"
    )
    ended = asked("plan", GITHUB / "push.branch.json", "--config", file, "--json")
    assert ended.code == 1
    assert {one["file"] for one in ended.json()["mistakes"]} == {str(file)}


# -- what can't be planned -------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["plan", "tags"])
@pytest.mark.parametrize(
    ("host", "event", "payload", "says"),
    [
        ("github", "ping", "ping.repository.json", "webhook works"),
        ("github", "create", "create.tag.json", "push event"),
        ("github", "release", "release.published.json", "push of its tag"),
        ("github", "check_run", "check_run.rerequested.json", "re-run"),
        ("github", "issue_comment", "issue_comment.on-pull-request.json", "comments"),
        ("github", "installation", "installation.created.json", "installing"),
        ("github", "no_such_event", "push.branch.json", "no_such_event"),
        ("gitlab", "note", "note_hook.on-merge-request.json", "comments"),
        ("gitlab", "pipeline", "pipeline_hook.external.json", "pipeline"),
    ],
)
def test_ignored_events_are_no_failure(
    verb: str, host: str, event: str, payload: str, says: str
) -> None:
    ended = asked(verb, PAYLOADS / host / payload, "--json", event=event, host=host)
    assert (ended.code, ended.err) == (0, "")
    assert list(ended.json()) == ["ignored"]
    assert says in ended.json()["ignored"]
    words = asked(verb, PAYLOADS / host / payload, event=event, host=host)
    assert words.out == f"ignored: {ended.json()['ignored']}\n"


def test_a_deleted_branch_is_planned_and_tags_nothing() -> None:
    gone = GITHUB / "push.branch-deleted.json"
    plan = asked("plan", gone, "--json").json()
    assert (plan["event"]["kind"], plan["builds"]) == ("branch_deleted", [])
    assert "was deleted" in asked("tags", gone, "--json").json()["ignored"]


@pytest.mark.parametrize("verb", ["plan", "tags"])
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"\xff", "UTF-8"),
        (b"[]", "expected an object"),
        (b'{"ref": 1}', "ref: "),
        (b'{"ref": "refs/heads/main"}', "repository: "),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_malformed_payload_says_where(verb: str, body: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "push.json"
    file.write_bytes(body)
    ended = asked(verb, file, "--json")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"pushwright: {file} is no push: ")
    assert says in ended.err


def test_files_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    none = asked("plan", tmp_path / "none.json")
    assert (none.code, none.err) == (
        1,
        f"pushwright: {tmp_path}/none.json can't be read: No such file or directory\n",
    )
    folder = asked("tags", GITHUB / "push.branch.json", "--config", tmp_path)
    assert (folder.code, folder.err) == (
        1,
        f"pushwright: {tmp_path} can't be read: Is a directory\n",
    )


def test_endless_payloads_are_refused(tmp_path: Path) -> None:
    ended = asked("plan", Path("/dev/zero"))
    assert ended.code == 1
    assert "over 25 MiB" in ended.err
    config = asked("plan", GITHUB / "push.branch.json", "--config", "/dev/zero")
    assert (config.code, config.out != "") == (1, True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--now", "yesterday"], "no ISO 8601 time"),
        (["--now", "0001-01-01T00:00:00+14:00"], "no ISO 8601 time"),
        (["--registry", "UPPER CASE"], "no registry"),
        (["--registry", ""], "no registry"),
        (["--trusted", "--untrusted"], "not allowed with"),
        (["--host", "bitbucket"], "invalid choice"),
    ],
)
def test_a_wrong_command_line_is_2(options: list[str], says: str) -> None:
    ended = asked("plan", GITHUB / "push.branch.json", *options)
    assert ended.code == 2
    assert says in ended.err


def test_control_characters_never_reach_the_terminal(tmp_path: Path) -> None:
    body = json.loads((GITHUB / "push.branch.json").read_bytes())
    body["ref"] = "refs/heads/x\u202e\x9b31m"
    file = tmp_path / "p.json"
    file.write_text(json.dumps(body))
    for verb in ("plan", "tags"):
        for more in ([], ["--json"]):
            ended = asked(verb, file, *more)
            assert all(c == "\n" or c.isprintable() for c in ended.out + ended.err), ended


# -- names of events -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Push Hook", "Push Hook"),
        ("push", "Push Hook"),
        ("push_hook", "Push Hook"),
        ("tag_push", "Tag Push Hook"),
        ("Tag Push Hook", "Tag Push Hook"),
        ("merge_request", "Merge Request Hook"),
        ("merge-request hook", "Merge Request Hook"),
        ("System Hook", "System Hook"),
        ("system", "System Hook"),
        ("Pipeline Hook", "Pipeline Hook"),
    ],
)
def test_gitlab_events_by_any_of_their_names(written: str, meant: str) -> None:
    assert gitlab_event(written) == meant


@given(st.text())
def test_other_names_stay_as_they_are_or_become_known_ones(name: str) -> None:
    found = gitlab_event(name)
    assert found == name or found.endswith(" Hook")
