"""The tokens of a GitHub App, shared by all threads of a source.

PyGithub's own App authentication belongs to one client, and mints without a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm

from bot.core.centralconfig import App
from bot.hosts.fields import Fields, Unreadable
from bot.hosts.transport import http_date
from bot.ports import Clock, Permanent, Temporary

_RSA: Final = RSAAlgorithm(RSAAlgorithm.SHA256)
_EARLY: Final = 300.0
"""A token is replaced this many seconds before it ends: one minute proved too tight
(https://github.com/spotify/github-java-client/issues/108)."""
_ISSUED: Final = 60
_LIFE: Final = 540
"""GitHub takes App tokens of at most ten minutes, issued in its own past:
https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app"""


@dataclass(frozen=True, slots=True)
class InstallationToken:
    """`expires`: seconds since the epoch by GitHub's clock."""

    value: str = field(repr=False)
    expires: float


@dataclass(slots=True)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    token: InstallationToken | None = None


class AppTokens:
    """An App's tokens, one per installation, and where it is installed. Thread-safe."""

    def __init__(self, app: App, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: dict[int, _Slot] = {}
        self._installations: dict[str, int] = {}
        self._offset = 0.0
        self._read: tuple[str, RSAPrivateKey] | None = None

    def now(self) -> float:
        """GitHub's time, as far as a refused token has taught us."""
        return self._clock.now() + self._offset

    def by_our_clock(self, moment: float) -> float:
        """A moment of GitHub's as the caller's clock will show it."""
        return moment - self._offset

    def learn(self, date: str) -> bool:
        """Take the server's clock for ours from now on; False where it names no date."""
        served = http_date(date)
        if served is None:
            return False
        self._offset = served - self._clock.now()
        return True

    def signed(self) -> str:
        """A new JWT of the App."""
        now = int(self.now())
        claims = {"iat": now - _ISSUED, "exp": now + _LIFE, "iss": self._app.id}
        path = self._app.private_key_file
        try:
            with open(path, encoding="ascii") as file:  # noqa: PTH123 - one read
                return jwt.encode(claims, self._key(file.read()), algorithm="RS256")
        except OSError as error:
            text = f"the App's private key {path} can't be read: {error.strerror}"
            raise Temporary(text) from error
        except (ValueError, TypeError, jwt.PyJWTError):
            # The cause is left out: it may quote the key.
            raise Permanent(f"the App's private key {path} is no RSA key in PEM form") from None

    def _key(self, text: str) -> RSAPrivateKey:
        """Read once: its numbers are checked then, for 20 ms. ValueError: a public key."""
        if self._read is None or self._read[0] != text:
            key = _RSA.prepare_key(text)
            if not isinstance(key, RSAPrivateKey):
                raise ValueError("a public key")
            self._read = (text, key)
        return self._read[1]

    def token(self, installation: int, mint: Callable[[], InstallationToken]) -> InstallationToken:
        """The installation's token. However many threads ask, one of them mints."""
        slot = self._slot(installation)
        with slot.lock:
            if slot.token is None or slot.token.expires - self.now() < _EARLY:
                slot.token = mint()
            return slot.token

    def drop(self, installation: int, token: InstallationToken) -> None:
        """A token that GitHub refused is not offered again."""
        slot = self._slot(installation)
        with slot.lock:
            if slot.token is not None and slot.token.value == token.value:
                slot.token = None

    def _slot(self, installation: int) -> _Slot:
        with self._lock:
            return self._slots.setdefault(installation, _Slot())

    def installation(self, selector: str) -> int | None:
        """Where the App is installed for a repository (`/repositories/{id}`), if we know."""
        return self._installations.get(selector)

    def installed(self, selector: str, installation: int | None) -> None:
        """None: forget it, the App may have been installed anew."""
        with self._lock:
            if installation is None:
                self._installations.pop(selector, None)
            else:
                self._installations[selector] = installation

    def gone(self, installation: int) -> None:
        """Forget all that was known of an installation."""
        with self._lock:
            self._slots.pop(installation, None)
            self._installations = {
                selector: number
                for selector, number in self._installations.items()
                if number != installation
            }


def installation_token(fields: Fields) -> InstallationToken:
    """GitHub's answer to a request for a token. Tokens have any length: since 2026 they are no
    longer 40 characters."""
    try:
        expires = datetime.fromisoformat(fields.text("expires_at")).timestamp()
    except ValueError as error:
        raise Unreadable("expected a date", fields.path("expires_at")) from error
    value = fields.values.get("token")
    if not isinstance(value, str) or not value.isprintable() or not value:
        fields.wrong("token", "a token")
    return InstallationToken(value, expires)
