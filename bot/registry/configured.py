"""The registries of the central config in force: addresses and credential files, kept between
changes so that a credential helper is not run for every request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bot.core.centralconfig import CentralConfig, RegistryRule
from bot.ports import Clock
from bot.registry.credentials import AuthFile
from bot.registry.references import canonical_host
from bot.registry.transport import Endpoint


class ConfiguredRegistries:
    """Thread-safe. `endpoint` is for the bot's own requests, `plain_auths` for its builders."""

    def __init__(self, config: Callable[[], CentralConfig], clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._files: dict[str, AuthFile] = {}

    def endpoint(self, host: str) -> Endpoint | None:
        """None: the administrator did not name this registry."""
        rule = self._rule(host)
        if rule is None:
            default = self._config().default_registry
            known = default is not None and canonical_host(default) == canonical_host(host)
            return Endpoint(host) if known else None
        credentials = self._file(rule.bot_auth_file) if rule.bot_auth_file else None
        return Endpoint(host, credentials, insecure=rule.insecure, ca_file=rule.ca_file)

    def plain_auths(self, scopes: Sequence[str], *, trusted: bool = True) -> Mapping[str, object]:
        """A Docker config document with plain credentials for builders of that trust level.

        scopes: hosts, or image names, for which the narrowest credential is taken.
        """
        auths: dict[str, object] = {}
        for scope in scopes:
            rule = self._rule(scope)
            path = rule and (rule.pod_auth_file if trusted else rule.untrusted_auth_file)
            if path:
                auths |= self._file(path).plain_auths([scope])["auths"]
        return {"auths": auths}

    def _rule(self, host: str) -> RegistryRule | None:
        wanted = canonical_host(host)
        rules = self._config().registries
        return next((r for name, r in rules.items() if canonical_host(name) == wanted), None)

    def _file(self, path: str) -> AuthFile:
        with self._lock:
            if path not in self._files:
                self._files[path] = AuthFile(Path(path), self._clock)
            return self._files[path]
