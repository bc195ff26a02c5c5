"""Whether a webhook request comes from who it says, decided over its raw bytes.

A check is made from the headers before the body is read, is fed the body as it arrives, and gives
one answer at its end; so nobody has to hold a body in memory to verify it, and nothing is parsed
before it is known to be genuine. All comparisons take the same time whatever they are given.

GitHub: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
Gitea: https://docs.gitea.com/usage/webhooks (HMAC-SHA-256 of the body in hex)
GitLab: https://docs.gitlab.com/user/project/integrations/webhooks/#validate-payloads-by-using-a-secret-token
Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final, Protocol

from bot.core.ids import HostKind

SECRET_BYTES_MIN: Final = 16
"""Shorter secrets can be guessed; a source that has one does not start."""

TOLERANCE_SECONDS: Final = 300
"""How far the time in a signature may be from ours, either way (Standard Webhooks)."""

_GITHUB: Final = re.compile(r"sha256=([0-9a-f]{64})")
_GITEA: Final = re.compile(r"[0-9a-f]{64}")
_STAMP: Final = re.compile(r"[0-9]{1,12}")
_MESSAGE_ID: Final = re.compile(r"[0-9A-Za-z_:-]{1,255}")
_SIGNATURES_MAX: Final = 16
_KEY_PREFIX: Final = "whsec_"


class WeakSecret(ValueError):
    """A secret that must not be used; the text says why, never what it is."""


class Check(Protocol):
    """Takes the body piece by piece, then says whether the request is genuine."""

    def update(self, chunk: bytes) -> None: ...

    def genuine(self) -> bool: ...


class _Digests:
    """One HMAC-SHA-256 per secret over the same bytes, and the digests that would do."""

    __slots__ = ("_claimed", "_macs")

    def __init__(self, keys: Sequence[bytes], start: bytes, claimed: Sequence[bytes]) -> None:
        self._macs = [hmac.new(key, start, sha256) for key in keys]
        self._claimed = claimed

    def update(self, chunk: bytes) -> None:
        for mac in self._macs:
            mac.update(chunk)

    def genuine(self) -> bool:
        digests = [mac.digest() for mac in self._macs]
        return _any_equal(digests, self._claimed)


class _Known:
    """A request that its headers alone prove: the body adds nothing."""

    __slots__ = ()

    def update(self, chunk: bytes) -> None:
        pass

    def genuine(self) -> bool:
        return True


def check(
    kind: HostKind,
    headers: Mapping[str, str],
    secrets: Sequence[bytes],
    signing_keys: Sequence[bytes],
    now: float,
) -> Check | None:
    """The check for a request, or None where its headers alone say that it is not genuine.

    `headers` are keyed in lower case, their values one character per byte as WSGI gives them;
    `now` is in seconds since the epoch. With a signing key a GitLab source takes signed requests
    only: a token that leaked is then worth nothing.
    """
    match kind:
        case HostKind.GITHUB:
            return _github(headers, secrets)
        case HostKind.GITLAB if signing_keys:
            return _standard(headers, signing_keys, now)
        case HostKind.GITLAB:
            return _token(headers, secrets)
        case HostKind.GITEA:
            return _gitea(headers, secrets)


def _github(headers: Mapping[str, str], secrets: Sequence[bytes]) -> Check | None:
    # The SHA-1 header beside it is not looked at: accepting it would be a downgrade.
    claimed = _GITHUB.fullmatch(headers.get("x-hub-signature-256", ""))
    return _Digests(secrets, b"", [bytes.fromhex(claimed[1])]) if claimed else None


def _gitea(headers: Mapping[str, str], secrets: Sequence[bytes]) -> Check | None:
    claimed = _GITEA.fullmatch(headers.get("x-gitea-signature", ""))
    return _Digests(secrets, b"", [bytes.fromhex(claimed[0])]) if claimed else None


def _token(headers: Mapping[str, str], secrets: Sequence[bytes]) -> Check | None:
    try:
        token = headers.get("x-gitlab-token", "").encode("latin-1")
    except UnicodeEncodeError:
        return None
    # Digests are compared in place of the tokens, so that not even their length can be measured.
    given = sha256(token).digest()
    known = _any_equal([sha256(secret).digest() for secret in secrets], [given])
    return _Known() if known else None


def _standard(headers: Mapping[str, str], keys: Sequence[bytes], now: float) -> Check | None:
    message, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    # No full stop in the id: it is what separates the signed parts.
    if not _MESSAGE_ID.fullmatch(message) or not _STAMP.fullmatch(stamp):
        return None
    if abs(now - int(stamp)) > TOLERANCE_SECONDS:
        return None
    claimed = _standard_signatures(headers.get("webhook-signature", ""))
    return _Digests(keys, f"{message}.{stamp}.".encode(), claimed) if claimed else None


def _standard_signatures(value: str) -> list[bytes]:
    """The `v1` signatures of a list that blanks separate; other versions are not ours to read."""
    found = []
    for entry in value.split(" ", _SIGNATURES_MAX)[:_SIGNATURES_MAX]:
        version, _, encoded = entry.partition(",")
        if version != "v1":
            continue
        try:
            digest = base64.b64decode(encoded.encode("ascii"), validate=True)
        except ValueError:
            continue
        if len(digest) == sha256().digest_size:
            found.append(digest)
    return found


def _any_equal(ours: Sequence[bytes], theirs: Sequence[bytes]) -> bool:
    """Every pair is compared, so that the time tells nothing of which one fits."""
    equal = False
    for one in ours:
        for other in theirs:
            equal |= hmac.compare_digest(one, other)
    return equal


def secret(text: bytes) -> bytes:
    """A shared secret or token as its file holds it, less blanks and line ends around it.

    Raises WeakSecret.
    """
    value = text.strip()
    if not value:
        raise WeakSecret("is empty")
    if len(value) < SECRET_BYTES_MIN:
        raise WeakSecret(f"is {len(value)} bytes long, at least {SECRET_BYTES_MIN} are needed")
    return value


def signing_key(text: bytes) -> bytes:
    """The key inside a Standard Webhooks signing token, `whsec_` and base64 of 24 to 64 bytes.

    Raises WeakSecret.
    """
    value = secret(text)
    if not value.startswith(_KEY_PREFIX.encode()):
        raise WeakSecret(f"does not begin with {_KEY_PREFIX}")
    try:
        key = base64.b64decode(value[len(_KEY_PREFIX) :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise WeakSecret(f"is not base64 after {_KEY_PREFIX}") from error
    if not 24 <= len(key) <= 64:
        raise WeakSecret(f"holds a key of {len(key)} bytes, 24 to 64 are needed")
    return key
