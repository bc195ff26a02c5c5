"""`pushwright hooks sync`: makes and mends our webhooks, and none of anybody else's."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from bot.core.ids import HostKind
from tests.doctor.site import SECRET, Site


def writes(site: Site) -> int:
    return len([r for r in site.host.records if r.method != "GET"])


def test_a_missing_webhook_is_made_once(site: Site) -> None:
    site.fake.hooks.clear()
    ended = site.hooks("--dry-run")
    assert (ended.code, site.fake.hooks) == (0, [])
    assert ended.out.startswith("would be created  forge  acme/shop  http")
    ended = site.hooks()
    assert (ended.code, ended.out.split()[0]) == (0, "created")
    [hook] = site.fake.hooks
    assert (hook.url, hook.secret, hook.form) == (f"{site.url}/webhooks/forge", SECRET, False)
    site.host.commit(site.fake, "main", {"a": "b"})
    site.host.hooks.wait()
    assert site.host.hooks.of(hook)[0].answers == [202]
    before = writes(site)
    assert site.hooks().out.split()[0] == "kept"
    assert writes(site) == before
    assert site.doctor()["forge", "webhook of acme/shop"][0].value == "ok"


def test_a_spoilt_webhook_is_mended_and_others_are_left_alone(site: Site) -> None:
    other = site.host.add_hook(site.fake, "https://ci.test/webhooks/forge", None)
    kept = replace(other)
    site.hook.events = site.hook.events[:1]
    site.host.hooks.auto_disable = False
    site.hook.secret = None
    ended = site.hooks()
    assert ended.code == 0
    assert ended.out.startswith("repaired  forge  acme/shop  lacks the events: ")
    assert "it has no secret" in ended.out
    assert [hook.secret for hook in site.fake.hooks] == [SECRET, None]
    assert other == kept
    assert site.hooks().out.split()[0] == "kept"


def test_a_hook_that_is_switched_off_or_disabled_is_enabled(site: Site) -> None:
    site.hook.active, site.hook.failures = False, 0
    if site.host.kind is HostKind.GITLAB:
        site.hook.active, site.hook.failures = True, 40
    assert site.hooks().out.split()[0] == "repaired"
    assert site.hook.active
    assert not site.host.hooks.disabled(site.hook)
    site.host.hooks.wait()
    assert site.hooks().out.split()[0] == "kept"


def test_a_changed_secret_is_written_where_it_is_asked_for(site: Site) -> None:
    (site.folder / "new").write_text(SECRET + " anew")
    site.source["webhook-secret-files"] = ["secret", "new"]
    site.write()
    assert site.hooks().out.split()[0] == "kept"
    assert site.hook.secret == SECRET
    ended = site.hooks("--secret")
    assert "the secret was written again" in ended.out
    assert site.hook.secret == SECRET + " anew"


def test_a_secret_from_elsewhere(site: Site) -> None:
    """As in the chart, whose worker has no sight of it."""
    (site.folder / "secret").unlink()
    ended = site.hooks()
    assert (ended.code, "give it with --secret-file" in ended.err) == (1, True)
    (site.folder / "elsewhere").write_text(SECRET + " there\n")
    ended = site.hooks("--secret", "--secret-file", str(site.folder / "elsewhere"))
    assert ended.code == 0
    assert site.hook.secret == SECRET + " there"


def test_one_source_alone(site: Site) -> None:
    sources = deepcopy(site.config["sources"])
    sources["second"] = dict(sources["forge"])
    site.write(sources=sources, repositories=["forge:acme/shop", "second:acme/shop"])
    assert len(site.hooks("--source", "second").out.splitlines()) == 1
    ended = site.hooks("--source", "third")
    assert (ended.code, "there are: forge, second" in ended.err) == (1, True)
    ended = site.hooks("--secret-file", "x")
    assert (ended.code, "name it with --source" in ended.err) == (1, True)


def test_one_repository_alone(site: Site) -> None:
    second = site.host.create_repository("acme/api", private=True)
    site.host.set_role(second, "pushwright-bot", "admin")
    site.write(repositories=["forge:acme/*"])
    ended = site.hooks("--repository", "acme/api")
    assert ended.out.split()[:3] == ["created", "forge", "acme/api"]
    assert len(ended.out.splitlines()) == 1


def test_what_can_not_be_done_is_said_and_the_rest_is_done(site: Site) -> None:
    second = site.host.create_repository("acme/api", private=True)
    site.host.set_role(second, "pushwright-bot", "write")
    site.write(repositories=["forge:acme/none", "forge:acme/*"])
    site.fake.hooks.clear()
    ended = site.hooks()
    assert ended.code == 1
    assert "failed    forge  acme/none  not seen" in ended.err
    assert "failed    forge  acme/api" in ended.err
    assert ended.out.split()[:3] == ["created", "forge", "acme/shop"]


def test_a_source_that_can_not_be_asked_keeps_no_other_from_its_turn(site: Site) -> None:
    sources = deepcopy(site.config["sources"])
    sources["broken"] = {**sources["forge"], "token-file": "none"}
    site.write(sources=sources, repositories=["broken:acme/*", "forge:acme/shop"])
    (site.folder / "none").write_text("")
    ended = site.hooks()
    assert ended.code == 1
    assert "failed    broken  -" in ended.err
    assert "kept      forge" in ended.out


def test_a_secret_that_can_be_guessed_is_not_written(site: Site) -> None:
    site.fake.hooks.clear()
    (site.folder / "secret").write_text("short")
    ended = site.hooks()
    assert (ended.code, site.fake.hooks) == (1, [])
    assert "at least 16 are needed" in ended.err


def test_a_github_app_is_skipped(github: Site) -> None:
    (github.folder / "key.pem").write_text("key")
    del github.source["token-file"]
    github.source["app"] = {"id": "7", "private-key-file": "key.pem"}
    github.write()
    ended = github.hooks()
    assert (ended.code, ended.out.split()[0]) == (0, "skipped")
    assert github.host.records == []


def test_the_answer_of_a_bot_that_does_not_run_is_told(gitlab: Site) -> None:
    gitlab.hook.url = "http://127.0.0.1:9/webhooks/forge"
    gitlab.hook.failures = 40
    gitlab.write(**{"public-url": "http://127.0.0.1:9"})
    ended = gitlab.hooks()
    assert ended.code == 1
    assert "written anew, but" in ended.err


@pytest.mark.parametrize("arguments", [["hooks"], ["hooks", "list"]])
def test_a_wrong_command_line_is_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.commands.running import run

    assert run(*arguments).code == 2
