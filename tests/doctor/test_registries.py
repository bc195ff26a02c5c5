"""`pushwright doctor` on real registries, open, with passwords and with a token service."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bot.clock import SystemClock
from bot.core.centralconfig import CentralConfig, RegistryRule, RepositoryRule
from bot.core.findings import Finding, Result, code_of
from bot.doctor.checks import run_checks
from bot.doctor.registries import Registries
from bot.registry.credentials import Credential
from tests.fakes.loopback import Asked, Reply, free_port, serve
from tests.fakes.registry_process import GET, PROGRAM, RegistryProcess
from tests.needs import need
from tests.registry.test_auth import HTPASSWD, PASSWORD
from tests.registry.token_server import Signer, json_reply, scopes_of

OK, WARN, FAIL, UNKNOWN = Result.OK, Result.WARN, Result.FAIL, Result.UNKNOWN
Found = Mapping[str, list[Finding]]


@pytest.fixture(scope="module")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    need(PROGRAM, GET)
    folder = tmp_path_factory.mktemp("basic")
    (folder / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    with RegistryProcess(folder / "data", auth=auth) as process:
        yield process


def auth(folder: Path, document: Mapping[str, Any]) -> str:
    path = folder / "auth.json"
    path.write_text(json.dumps(document))
    return str(path)


def diagnosed(rule: RegistryRule, *images: str, deep: bool = False, **more: Any) -> Found:
    """Findings by check."""
    repositories = (RepositoryRule("acme/shop", images=images),)
    config = CentralConfig("http://bot.test", {}, repositories, {rule.host: rule}, **more)
    found: dict[str, list[Finding]] = {}
    checks = list(Registries(config, SystemClock(), deep=deep).checks())
    for finding in run_checks(checks, seconds=60):
        assert finding.subject == rule.host
        assert PASSWORD not in repr(finding)
        found.setdefault(finding.check, []).append(finding)
    return found


def test_a_good_credential(basic: RegistryProcess, tmp_path: Path) -> None:
    file = auth(tmp_path, {"auths": {basic.host: {"username": "robot", "password": PASSWORD}}})
    rule = RegistryRule(basic.host, bot_auth_file=file, pod_auth_file=file, insecure=True)
    found = diagnosed(rule, f"{basic.host}/acme/**")
    assert [one.found for one in found["reachable"]] == ["it answers by plain HTTP"]
    assert [one.result for one in found["bot credential"]] == [OK]
    assert found["pod credential"][0].found == f"{file}: {basic.host}"
    assert not basic.traffic().count("POST")
    assert not basic.traffic().count("DELETE")
    assert basic.stored_bytes() == 0


def test_deep_pushes_nothing_that_stays(basic: RegistryProcess, tmp_path: Path) -> None:
    file = auth(tmp_path, {"auths": {basic.host: {"username": "robot", "password": PASSWORD}}})
    rule = RegistryRule(basic.host, bot_auth_file=file, insecure=True)
    found = diagnosed(rule, f"{basic.host}/acme/*", deep=True)
    texts = [one.found for one in found["bot credential"]]
    name = f"{basic.host}/acme/pushwright-doctor"
    assert texts[0] == f"{name}: pull and push"
    # This registry is of the 2.8 series, which removes by digest alone.
    assert texts[1] == f"{name}: single tags can't be removed, `git-…` and `pr-…` stay"
    assert found["bot credential"][1].result is UNKNOWN
    assert basic.traffic().count("POST", "upload", 202) == 1
    assert basic.traffic().count("DELETE", "upload", 204) == 1
    assert basic.stored_bytes() == 0


@pytest.mark.parametrize("entry", [{"username": "robot", "password": "wrong"}, {}])
def test_a_wrong_credential_or_none(
    basic: RegistryProcess, tmp_path: Path, entry: dict[str, str]
) -> None:
    file = auth(tmp_path, {"auths": {basic.host: entry}})
    rule = RegistryRule(basic.host, bot_auth_file=file, insecure=True)
    found = diagnosed(rule, f"{basic.host}/acme/api")
    [reach] = found["reachable"]
    assert (reach.result, file in reach.remedy) == (FAIL, True)
    [credential] = found["bot credential"]
    if entry:
        assert (credential.result, file in credential.remedy) == (FAIL, True)
    else:
        assert (credential.result, "has nothing for" in credential.found) == (WARN, True)
    assert diagnosed(RegistryRule(basic.host, insecure=True))["reachable"][0].remedy == (
        "name bot-auth-file under this registry"
    )


def test_which_names_a_credential_covers(basic: RegistryProcess, tmp_path: Path) -> None:
    entry = {"username": "robot", "password": PASSWORD}
    file = auth(tmp_path, {"auths": {f"{basic.host}/acme": entry}})
    rule = RegistryRule(basic.host, pod_auth_file=file, insecure=True)
    found = diagnosed(rule, f"{basic.host}/acme/api", f"{basic.host}/other/**")
    texts = {one.found: one.result for one in found["pod credential"]}
    assert (
        texts[f"{basic.host}/other/pushwright-doctor may be written, and no credential covers it"]
        is WARN
    )
    assert texts[f"{file}: {basic.host}/acme and below"] is OK


def test_a_helper_that_is_missing_is_named(basic: RegistryProcess, tmp_path: Path) -> None:
    file = auth(tmp_path, {"credHelpers": {basic.host: "not-there"}})
    rule = RegistryRule(basic.host, pod_auth_file=file, insecure=True)
    [found] = diagnosed(rule, f"{basic.host}/acme/api")["pod credential"]
    assert found.result is FAIL
    assert "docker-credential-not-there can't be run" in found.found


def test_a_file_that_is_no_json(basic: RegistryProcess, tmp_path: Path) -> None:
    (tmp_path / "auth.json").write_text("{")
    rule = RegistryRule(basic.host, pod_auth_file=str(tmp_path / "auth.json"), insecure=True)
    [found] = diagnosed(rule)["pod credential"]
    assert (found.result, "line 1, column 2" in found.found) == (FAIL, True)


@pytest.fixture
def scoped(tmp_path: Path) -> Iterator[RegistryProcess]:
    """Its token service lets everybody pull and nobody push."""
    need(PROGRAM, GET)
    signer = Signer(tmp_path)

    def answer(asked: Asked) -> Reply:
        good = Credential("robot", PASSWORD).basic
        if asked.headers.get("Authorization") != f"Basic {good}":
            return json_reply({"errors": [{"code": "DENIED", "message": "who are you?"}]}, 401)
        scopes = [scope.replace(",push", "") for scope in scopes_of(asked)]
        return json_reply({"token": signer.token(scopes), "expires_in": 300})

    with ExitStack() as stack:
        service = stack.enter_context(serve(answer))
        token = {
            "realm": f"{service.url}/token",
            "service": "registry",
            "issuer": "tests",
            "rootcertbundle": str(signer.bundle),
        }
        process = RegistryProcess(tmp_path / "tokens", auth={"token": token}, port=free_port())
        yield stack.enter_context(process)


def test_a_token_without_push_shows_with_deep(scoped: RegistryProcess, tmp_path: Path) -> None:
    file = auth(tmp_path, {"auths": {scoped.host: {"username": "robot", "password": PASSWORD}}})
    rule = RegistryRule(scoped.host, bot_auth_file=file, insecure=True)
    name = f"{scoped.host}/acme/api"
    assert code_of(diagnosed(rule, name)["bot credential"]) == 0
    [found] = diagnosed(rule, name, deep=True)["bot credential"]
    assert found.result is FAIL
    assert "push on acme/api" in found.found


def test_a_registry_that_is_not_there_or_has_no_tls(basic: RegistryProcess) -> None:
    [found] = diagnosed(RegistryRule(f"127.0.0.1:{free_port()}"))["reachable"]
    assert found.result is FAIL
    [found] = diagnosed(RegistryRule(basic.host))["reachable"]
    assert (found.result, "TLS" in found.found) == (FAIL, True)


def test_the_default_registry_is_looked_at_too() -> None:
    config = CentralConfig("http://bot.test", {}, (), default_registry="127.0.0.1:9/acme")
    [check] = Registries(config, SystemClock()).checks()
    assert check.about.subject == "127.0.0.1:9"


def test_names_come_from_the_rules() -> None:
    rules = (
        RepositoryRule("acme/shop"),
        RepositoryRule("forge:acme/*"),
        RepositoryRule("acme/x", images=("ghcr.io/acme/**", "quay.io/acme/x")),
    )
    config = CentralConfig("http://bot.test", {}, rules, default_registry="ghcr.io")
    names = Registries(config, SystemClock()).names("ghcr.io")
    assert names == ["ghcr.io/acme/pushwright-doctor", "ghcr.io/acme/shop"]


def test_mirrors(basic: RegistryProcess) -> None:
    good, bad = basic.url, f"http://127.0.0.1:{free_port()}"
    rule = RegistryRule(basic.host, insecure=True, mirrors=(good, bad))
    found = diagnosed(rule)
    assert found[f"mirror {good}"][0].result is OK
    assert found[f"mirror {bad}"][0].result is WARN
