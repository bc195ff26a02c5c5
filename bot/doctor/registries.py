"""Registries: reachable, with credentials that are taken and cover the names that are written."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import requests

from bot.core.centralconfig import CentralConfig, RegistryRule
from bot.core.findings import About, Finding
from bot.core.globs import glob
from bot.core.naming import default_image_name, split_reference
from bot.doctor.checks import Check
from bot.ports import Clock, Forbidden, HostError
from bot.registry.credentials import AuthFile
from bot.registry.references import canonical_host, parse_name
from bot.registry.transport import Endpoint
from bot.registry.trial import Trial

_NAMES = 3
"""Image names of a registry that are tried with each credential."""
_MIRROR_SECONDS = (5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Registries:
    """`deep`: begin uploads and ask for the removal of a tag that is not there, too."""

    config: CentralConfig
    clock: Clock
    deep: bool = False

    def checks(self) -> Iterator[Check]:
        for rule in self._rules():
            yield Check(About(rule.host, "reachable"), partial(self._reach, rule))
            for who, file in _files(rule):
                about = About(rule.host, who)
                yield Check(about, partial(self._credential, rule, about, file))
            for mirror in rule.mirrors:
                about = About(rule.host, f"mirror {mirror}")
                yield Check(about, partial(_mirror, about, mirror))

    def _rules(self) -> list[RegistryRule]:
        """Those under `registries`, and the default one where it is not among them."""
        rules = list(self.config.registries.values())
        default = (self.config.default_registry or "").partition("/")[0]
        if default and default not in {rule.host for rule in rules}:
            rules.append(RegistryRule(default))
        return rules

    def _reach(self, rule: RegistryRule) -> Iterator[Finding]:
        about = About(rule.host, "reachable")
        credentials = self._auth(rule.bot_auth_file)
        trial = Trial(_endpoint(rule, credentials), self.clock)
        try:
            trial.let_in()
        except Forbidden as error:
            text = f"it answers, and lets nobody in without a credential: {error}"
            if rule.bot_auth_file is None:
                yield about.fail(text, "name bot-auth-file under this registry")
            else:
                yield about.fail(str(error), f"mend the credential in {rule.bot_auth_file}")
            return
        except HostError as error:
            yield about.fail(str(error), "see docs/registries.md, When a registry says no")
            return
        finally:
            trial.close()
        if rule.insecure and not _loopback(rule.host):
            text = "it answers by plain HTTP: credentials and images travel unprotected"
            yield about.warn(text, "give it a certificate; a private CA goes into ca-file")
        else:
            yield about.ok(f"it answers by {'plain HTTP' if rule.insecure else 'TLS'}")

    def _credential(self, rule: RegistryRule, about: About, file: str) -> Iterator[Finding]:
        auth = AuthFile(Path(file), self.clock)
        names = self.names(rule.host)
        try:
            covered = auth.covers(rule.host)
            if not covered:
                yield about.warn(
                    f"{file} has nothing for {rule.host}: it is asked anonymously",
                    "add it under auths or credHelpers",
                )
                return
            yield from self._tried(rule, about, auth, names)
        except HostError as error:
            yield about.fail(str(error), f"mend {file}; see docs/registries.md, Credentials")
            return
        yield about.ok(f"{file}: {', '.join(covered)}")

    def _tried(
        self, rule: RegistryRule, about: About, auth: AuthFile, names: list[str]
    ) -> Iterator[Finding]:
        """Raises what the registry says no to."""
        trial = Trial(_endpoint(rule, auth), self.clock)
        writes = about.check != _UNTRUSTED
        try:
            if auth.find(rule.host) is not None:  # else it is for paths alone
                trial.let_in()
            for name in names[:_NAMES]:
                if auth.find(rule.host, parse_name(name).repository) is None:
                    text = f"{name} may be written, and no credential covers it"
                    yield about.warn(text, "add auths for its path, or for the whole host")
                    continue
                trial.may_pull(name)
                if self.deep and writes:
                    trial.may_push(name)
                    yield about.ok(f"{name}: pull and push")
                    yield from self._deletion(trial, about, name)
        finally:
            trial.close()

    def _deletion(self, trial: Trial, about: About, name: str) -> Iterator[Finding]:
        """Only the bot deletes."""
        if about.check != _BOT:
            return
        try:
            able = trial.deletes_tags(name)
        except Forbidden:
            able = False
        if able:
            yield about.ok(f"{name}: single tags can be removed")
        else:
            text = f"{name}: single tags can't be removed, `git-…` and `pr-…` stay"
            yield about.unknown(text, "docs/registries.md tells which expiry rules are safe")

    def names(self, host: str) -> list[str]:
        """Image names of that registry which repositories may write, one for each pattern."""
        found = [name for rule in self.config.repositories for name in _names(rule.images)]
        if self.config.default_registry is not None:
            found += [
                default_image_name(self.config.default_registry, path.rpartition(":")[2])
                for path in (rule.match for rule in self.config.repositories if not rule.images)
                if not glob(path.rpartition(":")[2]).regex
            ]
        wanted = canonical_host(host)
        return [
            name
            for name in dict.fromkeys(found)
            if split_reference(name) is not None and parse_name(name).host == wanted
        ]

    def _auth(self, file: str | None) -> AuthFile | None:
        return AuthFile(Path(file), self.clock) if file else None


_BOT, _PODS, _UNTRUSTED = "bot credential", "pod credential", "untrusted credential"


def _files(rule: RegistryRule) -> list[tuple[str, str]]:
    files = (
        (_BOT, rule.bot_auth_file),
        (_PODS, rule.pod_auth_file),
        (_UNTRUSTED, rule.untrusted_auth_file),
    )
    return [(who, file) for who, file in files if file is not None]


def _endpoint(rule: RegistryRule, auth: AuthFile | None) -> Endpoint:
    return Endpoint(rule.host, auth, insecure=rule.insecure, ca_file=rule.ca_file)


def _names(patterns: tuple[str, ...]) -> Iterator[str]:
    """A name for each pattern: `ghcr.io/acme/**` becomes `ghcr.io/acme/pushwright-doctor`."""
    for pattern in patterns:
        made = pattern.replace("**", "pushwright-doctor").replace("*", "pushwright-doctor")
        if not glob(made).regex:
            yield made


def _loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if ":" in host else host
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost"


def _mirror(about: About, address: str) -> Iterator[Finding]:
    """Builders fall back to the registry itself where a mirror does not answer, after its time."""
    target = f"{address.rstrip('/')}/v2/"
    try:
        answer = requests.get(target, timeout=_MIRROR_SECONDS, allow_redirects=False, stream=True)
        code = answer.status_code
        answer.close()
    except (requests.RequestException, ValueError, OSError) as error:
        text = f"it does not answer ({type(error).__name__}): each build waits for it in vain"
        yield about.warn(text, "start it, or take it off `mirrors`")
        return
    if code in (200, 401):
        yield about.ok("it answers")
    else:
        yield about.warn(f"it answers {code}: no registry", "mend the address under `mirrors`")
