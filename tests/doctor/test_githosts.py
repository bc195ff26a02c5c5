"""`pushwright doctor` on Git hosts: what is spoilt is named, with what to do."""

from __future__ import annotations

import uuid

import pytest

from bot.core import hostneeds
from bot.core.findings import Result
from bot.core.ids import HostKind
from tests.doctor.site import Site
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.github_apps import key_pair
from tests.fakes.githost.hooks import Delivery
from tests.fakes.githost.model import App, Hook
from tests.fakes.githost.stage import APP_PERMISSIONS

OK, WARN, FAIL, UNKNOWN = Result.OK, Result.WARN, Result.FAIL, Result.UNKNOWN
GONE = "No such file or directory"
HOOK = ("forge", "webhook of acme/shop")
ACCESS = ("forge", "acme/shop")


def test_a_good_installation(site: Site) -> None:
    found = site.doctor()
    assert found[HOOK][0] is OK
    assert found[ACCESS][0] is OK
    assert found["forge", "credential"][0] is OK
    assert found["forge", "scopes"][0] is OK
    assert found["forge", "clock"][0] is OK
    assert found["forge", "webhook secrets"][0] is OK
    assert found["forge", "repositories"] == (OK, "1 served", "")
    assert {
        key for key, (result, _, _) in found.items() if result is FAIL and key[0] == "forge"
    } == (set())


def test_a_revoked_token(site: Site) -> None:
    site.token("revoked")
    result, text, remedy = site.doctor()["forge", "credential"]
    assert result is FAIL
    assert "wrong, revoked or expired" in text
    assert "token" in remedy


def test_a_token_that_is_not_there(site: Site) -> None:
    (site.folder / "token").unlink()
    result, text, remedy = site.doctor()["forge", "credential"]
    assert (result, text) == (FAIL, f"the secret file {site.folder}/token can't be read: {GONE}")
    assert f"write it into {site.folder}/token" in remedy


def test_a_host_that_is_down(site: Site) -> None:
    site.host.faults.outage = True
    result, text, remedy = site.doctor()["forge", "credential"]
    assert (result, "503" in text) == (FAIL, True)
    assert f"see that {site.host.url} is up" in remedy, "no other token helps"


def test_a_token_that_ends_soon(site: Site) -> None:
    scopes = ("repo",) if site.host.kind is HostKind.GITHUB else None
    site.token(site.host.create_token("pushwright-bot", seconds=3 * 86400, scopes=scopes))
    result, text, _ = site.doctor()["forge", "credential"]
    assert result is WARN
    assert "expires" in text


@pytest.mark.parametrize("kind", ["missing", "events", "secret", "off", "elsewhere", "twice"])
def test_what_is_wrong_with_a_webhook(site: Site, kind: str) -> None:
    github = site.host.kind is HostKind.GITHUB
    match kind:
        case "missing":
            site.fake.hooks.clear()
            wanted = FAIL, "there is none for http", "hooks sync"
        case "events":
            site.hook.events = ("push",) if github else ("Push Hook", "Tag Push Hook")
            wanted = FAIL, "pull request" if github else "merge request", "hooks sync"
        case "secret":
            site.hook.secret = None
            wanted = FAIL, "it has no secret", "hooks sync"
        case "off":
            site.hook.active = False
            site.hook.failures = 40
            wanted = FAIL, "switched off" if github else "for good", "hooks sync"
        case "elsewhere":
            site.hook.url = "https://old.test/webhooks/forge"
            wanted = FAIL, "there is one for https://old.test", "hooks sync"
        case _:
            site.fake.hooks.append(Hook(99, site.hook.url, "x", site.hook.events))
            wanted = WARN, "2 webhooks have this address", "remove all but one"
    result, text, remedy = site.doctor()[HOOK]
    assert result is wanted[0]
    assert wanted[1] in text
    assert wanted[2] in remedy


def test_comments_alone_are_a_warning(site: Site) -> None:
    kept = [event for event in site.hook.events if "omment" not in event and "Note" not in event]
    site.hook.events = tuple(kept)
    assert site.doctor()[HOOK][0] is WARN


def test_a_user_that_may_only_write(site: Site) -> None:
    site.host.set_role(site.fake, "pushwright-bot", "write")
    found = site.doctor()
    assert found[ACCESS][0] is OK
    assert found[HOOK][0] is UNKNOWN
    site.host.set_role(site.fake, "pushwright-bot", "read")
    result, text, _ = site.doctor()[ACCESS]
    assert result is FAIL
    assert "status" in text


def test_a_repository_that_is_not_seen(site: Site) -> None:
    site.write(repositories=["forge:acme/none", "forge:acme/*", "forge:other/*"])
    found = site.doctor()
    assert found["forge", "acme/none"][0] is FAIL
    assert found[HOOK][0] is OK
    result, text, _ = found["forge", "repositories"]
    assert result is WARN
    assert "forge:other/*" in text
    assert "acme/*" not in text


def test_only_some_repositories_are_looked_at_unless_all_are_wanted(site: Site) -> None:
    for number in range(11):
        repository = site.host.create_repository(f"acme/r{number:02}")
        site.host.set_role(repository, "pushwright-bot", "admin")
    site.write(repositories=["forge:acme/*"])
    found = site.doctor()
    assert "12 served; 10 are looked at" in found["forge", "repositories"][1]
    assert sum(check.startswith("webhook of") for _, check in found) == 10


def test_hostile_answers_end_no_other_check(site: Site) -> None:
    site.host.faults.add(Fault("answer", 50, 200, message="[" * 5000, path="/hooks"))
    found = site.doctor()
    assert found["forge", "credential"][0] is OK
    assert found[ACCESS][0] is FAIL  # the webhook's answer can't be read
    assert found["database", "schema"][0] is OK


# -- GitHub --------------------------------------------------------------------------------------


def test_the_scope_of_a_classic_token(github: Site) -> None:
    github.token(github.host.create_token("pushwright-bot", scopes=("read:org",)))
    result, text, remedy = github.doctor()["forge", "scopes"]
    assert (result, "`repo` is missing" in text, "`repo`" in remedy) == (FAIL, True, True)
    github.token(github.host.create_token("pushwright-bot", scopes=("public_repo",)))
    assert github.doctor()["forge", "scopes"][0] is WARN


@pytest.mark.parametrize(
    ("key", "title"),
    [("statuses", "Commit statuses: write"), ("issues", "Issues: write")],
)
def test_the_permission_of_a_fine_grained_token(github: Site, key: str, title: str) -> None:
    value = github.host.create_token("pushwright-bot")
    token = github.host.world.valid_token(value)
    assert token is not None
    token.permissions = APP_PERMISSIONS | {"repository_hooks": "write", key: "read"}
    github.token(value)
    found = github.doctor()
    assert found[ACCESS][:2] == (FAIL, f"the token lacks {title}")
    assert found[HOOK][0] is OK
    token.permissions = dict(APP_PERMISSIONS)
    found = github.doctor()
    assert found[ACCESS][0] is OK
    assert (found[HOOK][0], "Webhooks: write" in found[HOOK][1]) == (UNKNOWN, True)


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    return key_pair()


@pytest.fixture
def app(github: Site, keys: tuple[str, str]) -> App:
    """The site's source as an App with all that it needs, whose webhook works."""
    (github.folder / "key.pem").write_text(keys[0])
    made = github.host.create_app(keys[1], dict(APP_PERMISSIONS))
    github.host.install(made, github.fake)
    del github.source["token-file"]
    github.source["app"] = {"id": str(made.id), "private-key-file": "key.pem"}
    github.write()
    made.events = ("push", "pull_request", "issue_comment", "commit_comment", "merge_group")
    made.hook = Hook(1, github.hook.url, "x", ("*",))
    answered(github, made.hook, 202)
    return made


def answered(github: Site, hook: Hook, *codes: int) -> None:
    """What was sent to the webhook, oldest first."""
    for code in codes:
        delivery = Delivery(str(uuid.uuid4()), "push", hook, github.fake.id, {})
        delivery.answers.append(code)
        github.host.hooks.deliveries.append(delivery)


APP_HOOK = ("forge", "App webhook")


@pytest.mark.parametrize("kind", ["none", "no secret", "other secret", "silent", "failing", "tls"])
def test_what_is_wrong_with_the_webhook_of_an_app(github: Site, app: App, kind: str) -> None:
    settings, hook = "set it in the App's settings under Webhook", app.hook
    assert hook is not None
    match kind:
        case "none":
            app.hook = None
            wanted = FAIL, "the App has no webhook", f"{settings}: {github.hook.url}"
        case "no secret":
            hook.secret = None
            wanted = FAIL, "it has no secret", settings
        case "other secret":
            answered(github, hook, 401)
            text = "the last delivery was answered 401: its secret is not the one in the file"
            wanted = FAIL, text, settings
        case "silent":
            github.host.hooks.deliveries.clear()
            text = f"{hook.url}, but GitHub sent nothing to it of late: it may be switched off"
            remedy = "see that Active is ticked in the App's settings under Webhook"
            wanted = UNKNOWN, text, remedy
        case "failing":
            answered(github, hook, 503, 503, 0)
            text = "3 of the last 4 deliveries failed, the newest with no answer"
            remedy = (
                "see whether `public-url` can be reached from the host, and the web process's log"
            )
            wanted = WARN, text, remedy
        case _:
            secure = github.hook.url.replace("http://", "https://")
            github.write(**{"public-url": secure.removesuffix("/webhooks/forge")})
            hook.url, hook.verify_tls = secure, False
            wanted = WARN, "it does not verify the certificate", settings
    assert github.doctor()[APP_HOOK] == wanted


def test_each_permission_and_event_of_an_app_is_named(github: Site, app: App) -> None:
    for one in hostneeds.github_permissions(checks=False):
        if one.key == "metadata":
            continue
        app.permissions = {k: v for k, v in APP_PERMISSIONS.items() if k != one.key}
        result, text, _ = github.doctor()["forge", "App permissions"]
        assert result is (FAIL if one.needed else WARN)
        assert text.startswith(f"the App does not ask for {one.title}: {one.access}")
    app.permissions = dict(APP_PERMISSIONS)
    for event in hostneeds.GITHUB_EVENTS:
        app.events = tuple(one.key for one in hostneeds.GITHUB_EVENTS if one != event)
        result, text, _ = github.doctor()["forge", "App events"]
        assert result is (FAIL if event.needed else WARN)
        assert text.startswith(f"not subscribed to: {event.title}")


def test_a_github_app(github: Site, app: App) -> None:
    [installation] = app.installations
    assert app.hook is not None
    found = github.doctor()
    for check in ("credential", "App permissions", "App events", "App webhook"):
        assert found["forge", check][0] is OK, found["forge", check]
    result, text, _ = found["forge", "installed on acme"]
    assert result is OK
    assert "comments on commits get no reaction" in text
    app.granted[installation] = {**APP_PERMISSIONS, "contents": "write"}
    assert "reaction" not in github.doctor()["forge", "installed on acme"][1]
    assert found[ACCESS] == (OK, "installed", "")

    app.permissions = {**APP_PERMISSIONS, "statuses": "read"}
    app.granted[installation] = {**APP_PERMISSIONS, "issues": "read"}
    app.events = ("push", "merge_group")
    app.hook.url = "https://elsewhere.test/webhooks/forge"
    found = github.doctor()
    assert "Commit statuses: write" in found["forge", "App permissions"][1]
    assert found["forge", "App events"][:2] == (
        FAIL,
        "not subscribed to: pull request, issue comment, commit comment",
    )
    assert found["forge", "App webhook"][1] == "it goes to https://elsewhere.test/webhooks/forge"
    result, text, remedy = found["forge", "installed on acme"]
    assert (result, text) == (FAIL, "not granted: Issues: write")
    assert "accept" in remedy

    app.suspended.add(installation)
    assert "suspended" in github.doctor()["forge", "installed on acme"][1]
    app.installations.clear()
    assert github.doctor()["forge", "installations"][0] is FAIL


def test_a_key_that_is_not_the_apps(github: Site, keys: tuple[str, str]) -> None:
    (github.folder / "key.pem").write_text(key_pair()[0])
    app = github.host.create_app(keys[1], dict(APP_PERMISSIONS))
    del github.source["token-file"]
    github.source["app"] = {"id": str(app.id), "private-key-file": "key.pem"}
    github.write()
    result, text, _ = github.doctor()["forge", "credential"]
    assert (result, "private key" in text) == (FAIL, True)


# -- GitLab --------------------------------------------------------------------------------------


def test_the_scope_of_a_gitlab_token(gitlab: Site) -> None:
    gitlab.token(gitlab.host.create_token("pushwright-bot", scopes=("read_api",)))
    result, text, remedy = gitlab.doctor()["forge", "scopes"]
    assert (result, text) == (FAIL, "read_api: the scope `api` is missing")
    assert "`api`" in remedy


def test_the_role_of_a_gitlab_token(gitlab: Site) -> None:
    gitlab.host.set_role(gitlab.fake, "pushwright-bot", 20)
    assert gitlab.doctor()[ACCESS][:2] == (FAIL, "Reporter: statuses need Developer")
