"""Credentials out of a Docker `config.json` document: plain ones and those of credential helpers.

Format: https://docs.docker.com/reference/cli/docker/login/#credential-stores. Beyond Docker, a key
of `auths` may carry a path (`ghcr.io/acme`), as Kubernetes and Podman read it: the longest key that
is a prefix of the image name wins.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import subprocess
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.ports import Clock, Permanent, Temporary
from bot.registry.references import DOCKER_HUB, canonical_host

_LOG = logging.getLogger(__name__)

_HUB_KEY = "https://index.docker.io/v1/"
_LOOK_EVERY = 10.0  # seconds between two looks at the file
_KEEP_HELPED = 60.0  # seconds that a helper's answer is used again
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN_USER = "<token>"  # noqa: S105 - what helpers print as the name of an identity token
_LARGEST_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class Credential:
    """What opens a registry: a name and password, or an identity token (OAuth refresh token)."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return "Credential(<hidden>)"

    @property
    def basic(self) -> str:
        """The pair as it stands in a Basic header and in `auth` of a config.json."""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that must not be shown."""
        return tuple(s for s in (self.password, self.identity_token, self.basic) if s)


@dataclass(frozen=True, slots=True)
class _Document:
    auths: Mapping[str, Credential]
    """By host, or host and path."""
    helpers: Mapping[str, str]
    store: str | None


_EMPTY = _Document({}, {}, None)


class AuthFile:
    """One `config.json`, looked at again at most every 10 s. Thread-safe.

    A file that became unreadable or malformed leaves the last good one in force and is logged once;
    one that never was good raises Permanent.
    """

    def __init__(self, path: Path, clock: Clock, *, helper_timeout: float = 15.0) -> None:
        self._path = path
        self._clock = clock
        self._helper_timeout = helper_timeout
        self._lock = threading.Lock()
        self._document: _Document | None = None
        self._looked = float("-inf")
        self._stamp: tuple[int, int, int] | None = None
        self._helped: dict[str, tuple[float, Credential | None]] = {}

    def find(self, host: str, repository: str = "", *, fresh: bool = False) -> Credential | None:
        """The credential for an image name; None: there is none, go in anonymously.

        fresh: a helper is asked again even if it answered a moment ago. Raises Temporary (a helper
        failed) and Permanent (the file or the helper is unusable).
        """
        document = self._current()
        host = canonical_host(host)
        if host in document.helpers:
            return self._from_helper(document.helpers[host], host, fresh=fresh)
        path = f"{host}/{repository}".rstrip("/")
        while True:
            if (found := document.auths.get(path)) is not None:
                return found
            if "/" not in path:
                break
            path = path.rpartition("/")[0]
        return self._from_helper(document.store, host, fresh=fresh) if document.store else None

    def covers(self, host: str) -> tuple[str, ...]:
        """What is there for a registry, for people: names under which a pair is kept, a helper."""
        document, host = self._current(), canonical_host(host)
        if host in document.helpers:
            return (f"{host} by docker-credential-{document.helpers[host]}",)
        kept = sorted(key for key in document.auths if key.partition("/")[0] == host)
        named = [key if "/" not in key else f"{key} and below" for key in kept]
        store = [f"else docker-credential-{document.store}"] if document.store else []
        return (*named, *store)

    def plain_auths(self, scopes: Iterable[str]) -> dict[str, dict[str, dict[str, str]]]:
        """A config.json document with what is known for these hosts and nothing else.

        A scope is a host, or an image name: then the narrowest entry for it stands under its host,
        since docker's client knows one credential for each. Helpers are run here and leave no
        trace in it: it is what builders are given.
        """
        auths: dict[str, dict[str, str]] = {}
        for scope in sorted(set(scopes)):
            host = canonical_host(scope)
            credential = self.find(host, scope.partition("/")[2])
            if credential is None:
                continue
            entry: dict[str, str] = {}
            if credential.username or credential.password:
                entry["auth"] = credential.basic
            if credential.identity_token:
                entry["identitytoken"] = credential.identity_token
            auths[_HUB_KEY if host == DOCKER_HUB else host] = entry
        return {"auths": auths}

    def _current(self) -> _Document:
        with self._lock:
            now = self._clock.monotonic()
            if self._document is not None and now - self._looked < _LOOK_EVERY:
                return self._document
            self._looked = now
            try:
                stat = self._path.stat()
                stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
                if self._document is None or stamp != self._stamp:
                    self._document = _read(self._path)
                    self._helped.clear()
                self._stamp = stamp
            except (OSError, Permanent) as error:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                if self._document is None:
                    raise Permanent(f"auth file {self._path}: {reason}") from None
                _LOG.warning("auth file %s: %s; the last good one stays", self._path, reason)
            return self._document

    def _from_helper(self, helper: str, host: str, *, fresh: bool) -> Credential | None:
        with self._lock:
            until, credential = self._helped.get(host, (float("-inf"), None))
        if not fresh and self._clock.monotonic() < until:
            return credential
        credential = run_helper(helper, host, timeout=self._helper_timeout)
        with self._lock:
            self._helped[host] = (self._clock.monotonic() + _KEEP_HELPED, credential)
        return credential


def run_helper(helper: str, host: str, *, timeout: float) -> Credential | None:
    """Ask `docker-credential-<helper> get`; None where it has nothing for that host.

    Nothing it prints goes into an error or a log: it may be the secret.
    Protocol: https://github.com/docker/docker-credential-helpers#development.
    """
    program = f"docker-credential-{helper}"
    server = _HUB_KEY if host == DOCKER_HUB else host
    try:
        done = subprocess.run(
            [program, "get"],
            check=False,
            input=server.encode(),
            capture_output=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise Temporary(f"{program} gave nothing for {host} within {timeout:g} s") from None
    except OSError as error:
        raise Permanent(
            f"{program} can't be run ({error.strerror}): install it where the worker runs"
        ) from None
    if done.returncode != 0:
        if b"credentials not found" in done.stdout[:1000]:
            return None
        raise Temporary(
            f"{program} failed for {host} (exit code {done.returncode}): run "
            f"`echo {server} | {program} get` as the worker's user"
        )
    try:
        answer = json.loads(done.stdout)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise Permanent(f"{program} printed no credential for {host}") from None
    if not isinstance(username, str) or not isinstance(secret, str):
        raise Permanent(f"{program} printed no credential for {host}")
    if username == _TOKEN_USER:
        return Credential(identity_token=secret)
    return Credential(username, secret)


def _read(path: Path) -> _Document:
    with path.open("rb") as file:
        raw = file.read(_LARGEST_FILE + 1)
    if len(raw) > _LARGEST_FILE:
        raise Permanent("larger than 1 MiB")
    try:
        document = json.loads(raw)
    except json.JSONDecodeError as error:
        raise Permanent(
            f"line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
        ) from None
    except (ValueError, RecursionError):
        raise Permanent("not JSON") from None
    return parse_document(document)


def parse_document(document: object) -> _Document:
    """The parts of a config.json that say who we are; Permanent names the first mistake's key."""
    if not isinstance(document, dict):
        raise Permanent("not a JSON object")
    auths: dict[str, Credential] = {}
    for key, entry in _mapping(document, "auths").items():
        credential = _plain(key, entry)
        if credential is not None:
            auths.setdefault(_scope(key), credential)
    helpers = {
        canonical_host(key): _helper(f"credHelpers[{key!r}]", name)
        for key, name in _mapping(document, "credHelpers").items()
    }
    store = document.get("credsStore")
    return _Document(auths, helpers, _helper("credsStore", store) if store else None)


def _mapping(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key) or {}
    if not isinstance(value, dict):
        raise Permanent(f"{key} is not an object")
    return value


def _helper(where: str, name: object) -> str:
    if not isinstance(name, str) or not _HELPER_NAME.fullmatch(name):
        raise Permanent(f"{where} is no name of a credential helper")
    return name


def _scope(key: str) -> str:
    host = canonical_host(key)
    path = re.sub(r"^https?://", "", key).partition("/")[2].strip("/")
    return host if path in ("", "v1", "v2") else f"{host}/{path}"


def _plain(key: str, entry: Any) -> Credential | None:
    if not isinstance(entry, dict):
        raise Permanent(f"auths[{key!r}] is not an object")
    fields = {}
    for name in ("username", "password", "auth", "identitytoken"):
        value = entry.get(name) or ""
        if not isinstance(value, str):
            raise Permanent(f"auths[{key!r}].{name} is not a text")
        fields[name] = value
    username, password = fields["username"], fields["password"]
    if fields["auth"]:
        try:
            pair = base64.b64decode(fields["auth"], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Permanent(f"auths[{key!r}].auth is not base64 of name:password") from None
        name, colon, rest = pair.partition(":")
        if not colon:
            raise Permanent(f"auths[{key!r}].auth is not base64 of name:password")
        username, password = name, rest.rstrip("\0")
    if not (username or password or fields["identitytoken"]):
        return None
    return Credential(username, password, fields["identitytoken"] or None)
