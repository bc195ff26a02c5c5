"""`plan`, `tags` and `check-config`: what they print and the code that they end with."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cli import main
from bot.core.mistakes import Mistake
from bot.offline import gitlab_event
from tests.commands.running import PAYLOADS, environment, pushwright

GITHUB = PAYLOADS / "github"
GITLAB = PAYLOADS / "gitlab"
TWO = """\
version: 1
images:
  api:
    context: api
    target: final
    args: {VERSION: "{{branch}}"}
    image: [ghcr.io/acme/api, quay.io/acme/api]
    on: {push: {branches: [main], paths: ["api/**"]}}
    tags: ["type=ref,event=branch", "type=sha", "type=raw,value=top,priority=999"]
    oci-labels: full
    labels: {team: red}
  web:
    context: web
    on: {push: {branches: [main], paths: ["web/**"]}}
    push: [tag]
"""


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: str | Path) -> Ended:
    """In this process: the same parser and commands, without the price of a new one."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as exit_:
            code = int(exit_.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


def asked(
    verb: str, payload: Path, *more: str | Path, event: str = "push", host: str = "github"
) -> Ended:
    return run(verb, "--host", host, "--event", event, "--payload", payload, *more)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    file = tmp_path / "two.yaml"
    file.write_text(TWO)
    return file


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
    assert f"{file}:4:" in words.out
    assert words.err == "pushwright: 2 mistakes: nothing is built\n"


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


# -- tags ------------------------------------------------------------------------------------


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
        assert (ended.code, ended.err) in {
            (0, ""),
            (0, "pushwright: this event's build is not pushed, hence no tags\n"),
        }, path
        keys = set(ended.json())
        expected = {"event", "builds", "skipped", "mistakes"}
        if verb == "tags":
            expected = {"tags", "labels", "version", "renamed"}
        assert keys in ({"ignored"}, expected), path


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


# -- check-config ----------------------------------------------------------------------------


def test_a_good_file_is_ok(two: Path) -> None:
    assert run("check-config", two) == Ended(0, "ok: 2 images: api, web\n", "")


def test_all_mistakes_of_a_file_with_their_places(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("version: 1\nimages:\n  api:\n    targt: a\n    tags: ['type=semvr']\n")
    ended = run("check-config", file)
    assert (ended.code, ended.out) == (1, "")
    first, second, summary = ended.err.splitlines()
    assert first.startswith(f"{file}:4:5: ")
    assert first.endswith("(did you mean target?)")
    assert second.startswith(f"{file}:5:")
    assert summary == "2 mistakes"


def test_a_central_config_and_the_files_that_it_names(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret of many characters")
    file = tmp_path / "central.yaml"
    file.write_text(
        "version: 1\npublic-url: https://b.test\nsources:\n  gl:\n    kind: gitlab\n"
        "    token-file: secret\n    webhook-secret-files: [missing]\n"
        "repositories: [{match: 'acme/*'}]\ndefaults: {registry: reg.test}\n"
    )
    ended = run("check-config", file)
    assert (ended.code, ended.out) == (1, "")
    assert f"{tmp_path}/missing" in ended.err
    assert "source gl" in ended.err
    (tmp_path / "missing").write_text("a secret of many characters")
    good = run("check-config", file)
    assert good.code == 0, good.err
    assert good.out.startswith("ok: 1 source, 1 repository rule")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    ended = run("check-config", tmp_path / "none")
    assert (ended.code, ended.err) == (
        1,
        f"{tmp_path}/none: it can't be read: No such file or directory\n",
    )


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
