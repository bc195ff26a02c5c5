"""Who we are, in the header that a registry wants: Basic, or a Bearer token fetched for it.

Token flow: https://distribution.github.io/distribution/spec/auth/token/, with identity tokens
https://distribution.github.io/distribution/spec/auth/oauth/.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlunsplit

from bot.ports import Clock, Forbidden, Permanent, Temporary
from bot.registry.challenges import Challenge, parse_challenges
from bot.registry.credentials import Credential
from bot.registry.manifests import read_json
from bot.registry.refusals import ERROR_LIMIT, Purpose, Refusal, translate
from bot.registry.transport import Endpoint, Request, Transport, split

_CLIENT = "pushwright"
_SHORTEST_LIFE = 60.0  # seconds; the specification's life of a token that names none
_LONGEST_LIFE = 3600.0
_MARGIN = 30.0  # seconds before its end that a token is no longer used, at most half its life
_MOST_TOKENS = 256
_FIT_FOR_A_HEADER = re.compile(r"[\x21-\x7e]{1,16384}")
_TOKEN_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Access:
    """What a request needs: scopes such as `repository:acme/api:pull,push`, and why."""

    endpoint: Endpoint
    scopes: tuple[str, ...]
    purpose: Purpose

    def credential(self, *, fresh: bool = False) -> Credential | None:
        """Looked up at each use: files change, helpers' answers expire."""
        source = self.endpoint.credentials
        if source is None:
            return None
        return source.find(self.endpoint.host, self.purpose.repository, fresh=fresh)


_Key = tuple[str, tuple[str, ...], Credential | None]


class Authenticator:
    """Headers for requests; tokens are kept until shortly before their end. Thread-safe."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[_Key, tuple[float, str]] = {}

    def header(self, access: Access, credential: Credential | None) -> str | None:
        """The Authorization header that worked before; None: ask the registry what it wants."""
        with self._lock:
            until, header = self._known.get(_key(access, credential), (0.0, None))
        return header if header is not None and self._clock.monotonic() < until else None

    def answer(self, challenge: str, access: Access, credential: Credential | None) -> str | None:
        """The header that a `WWW-Authenticate` value asks for; None where we can give none.

        Raises Forbidden (the token service says no), Temporary and Permanent.
        """
        challenges = parse_challenges(challenge)
        bearer = next((c for c in challenges if c.scheme == "bearer"), None)
        if bearer is not None:
            header, life = self._token(bearer, access, credential)
        elif credential is not None and credential.username and _offers_basic(challenges):
            header, life = f"Basic {credential.basic}", _LONGEST_LIFE
        else:
            return None
        self._remember(_key(access, credential), header, life)
        return header

    def forget(self, access: Access, credential: Credential | None) -> None:
        """The header was refused: it is not used again."""
        with self._lock:
            self._known.pop(_key(access, credential), None)

    def _remember(self, key: _Key, header: str, life: float) -> None:
        now = self._clock.monotonic()
        with self._lock:
            if len(self._known) >= _MOST_TOKENS:
                self._known = {k: kept for k, kept in self._known.items() if kept[0] > now}
            while len(self._known) >= _MOST_TOKENS:
                self._known.pop(next(iter(self._known)))
            self._known[key] = (now + life - min(_MARGIN, life / 2), header)

    def _token(
        self, bearer: Challenge, access: Access, credential: Credential | None
    ) -> tuple[str, float]:
        endpoint = access.endpoint
        request = _token_request(bearer, access, credential)
        response = self._transport.send(endpoint, request)
        status, headers = response.status_code, response.headers
        body = self._transport.read(response, _TOKEN_LIMIT if status == 200 else ERROR_LIMIT)
        if status != 200:
            secrets = credential.secrets if credential else ()
            refusal = Refusal(status, headers, body)
            raise translate(refusal, access.purpose, now=self._clock.now(), secrets=secrets)
        return _read_token(body, endpoint.host)


def _key(access: Access, credential: Credential | None) -> _Key:
    return access.endpoint.base, access.scopes, credential


def _offers_basic(challenges: tuple[Challenge, ...]) -> bool:
    return any(challenge.scheme == "basic" for challenge in challenges)


def _token_request(bearer: Challenge, access: Access, credential: Credential | None) -> Request:
    realm = _checked_realm(bearer.parameters, access.endpoint)
    service = bearer.parameters.get("service", "")
    if credential is not None and credential.identity_token:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": credential.identity_token,
            "client_id": _CLIENT,
            "service": service,
            "scope": " ".join(access.scopes),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Request("POST", realm, headers, urlencode(form).encode())
    parts = split(realm)
    query = parse_qsl(parts.query, keep_blank_values=True)
    query += [("service", service)] if service else []
    query += [("scope", scope) for scope in access.scopes]
    url = urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))
    if credential is None:
        return Request("GET", url)
    return Request("GET", url, {"Authorization": f"Basic {credential.basic}"})


def _checked_realm(parameters: Mapping[str, str], endpoint: Endpoint) -> str:
    realm = parameters.get("realm", "")
    try:
        scheme = split(realm).scheme
        parse_qsl(split(realm).query)
    except (Permanent, ValueError) as error:
        raise Permanent(
            f"registry {endpoint.host} names a token service that is no http or https address"
        ) from error
    if scheme != "https" and not endpoint.insecure:
        raise Forbidden(
            f"registry {endpoint.host} wants credentials sent to a token service by plain HTTP: "
            "not sent; mend its realm, or declare the registry insecure"
        )
    return realm


def _read_token(body: bytes, host: str) -> tuple[str, float]:
    document = read_json(body, f"the answer of the token service of {host}")
    token = document.get("token") or document.get("access_token")
    if not isinstance(token, str) or not _FIT_FOR_A_HEADER.fullmatch(token):
        raise Temporary(f"the token service of {host} gave no token")
    life = document.get("expires_in")
    if not isinstance(life, int | float) or isinstance(life, bool) or not life > 0:
        life = _SHORTEST_LIFE
    return f"Bearer {token}", float(min(life, _LONGEST_LIFE))
