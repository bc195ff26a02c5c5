"""One question to a registry with all that HTTP asks in return: who are you, look over there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urljoin

import requests

from bot.ports import Clock, HostError, Permanent, Temporary
from bot.registry.credentials import Credential
from bot.registry.refusals import ERROR_LIMIT, Refusal, translate
from bot.registry.tokens import Access, Authenticator
from bot.registry.transport import Request, Transport, origin, split

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange:
    """Asks registries. Credentials go to the origin they are meant for and nowhere else."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._authenticator = Authenticator(transport, clock)

    def ask(self, access: Access, request: Request, *, limit: int = ERROR_LIMIT) -> Answer:
        """The answer with its body, whatever its status but 401 (that is Forbidden).

        limit: bytes of a successful body; more is Permanent. Of an error's body 64 KiB are read.
        """
        with self.open(access, request) as response:
            body = self._body(response, limit)
            return Answer(response.status_code, response.headers, body)

    @contextmanager
    def open(self, access: Access, request: Request) -> Iterator[requests.Response]:
        """The answer with its body unread, closed at the end of the block."""
        response = self._authorised(access, request)
        try:
            yield response
        finally:
            response.close()

    def refusal(self, answer: Answer, access: Access) -> HostError:
        """The error that an unexpected answer means."""
        credential = access.credential()
        return translate(
            Refusal(answer.status, answer.headers, answer.body),
            access.purpose,
            now=self._clock.now(),
            secrets=self._secrets(access, credential),
        )

    def unread(self, response: requests.Response, access: Access) -> HostError:
        """The error that an unexpected answer means whose body was not read yet."""
        body = self._body(response, ERROR_LIMIT)
        return self.refusal(Answer(response.status_code, response.headers, body), access)

    def _body(self, response: requests.Response, limit: int) -> bytes:
        if response.status_code < 300:
            return self._transport.read(response, limit)
        try:
            return self._transport.read(response, ERROR_LIMIT)
        except (Permanent, Temporary):
            return b""  # the status says enough

    def _secrets(self, access: Access, credential: Credential | None) -> tuple[str, ...]:
        header = self._authenticator.header(access, credential)
        token = (header.partition(" ")[2],) if header else ()
        return token + (credential.secrets if credential else ())

    def _authorised(self, access: Access, request: Request) -> requests.Response:
        credential = access.credential()
        header = self._authenticator.header(access, credential)
        response = self._follow(access, request, header)
        if response.status_code != 401:
            return response
        challenge = response.headers.get("WWW-Authenticate", "")
        refused = self._answer(response)
        self._authenticator.forget(access, credential)
        if header is not None:  # what worked before was refused: a helper may know better by now
            credential = access.credential(fresh=True)
        header = self._authenticator.answer(challenge, access, credential)
        if header is None:
            raise self.refusal(refused, access)
        if request.body is not None and not isinstance(request.body, bytes):
            raise Temporary(f"registry {access.endpoint.host} ended our session in an upload")
        response = self._follow(access, request, header)
        if response.status_code == 401:
            refused = self._answer(response)
            error = self.refusal(refused, access)
            self._authenticator.forget(access, credential)
            raise error
        return response

    def _answer(self, response: requests.Response) -> Answer:
        body = self._body(response, ERROR_LIMIT)
        return Answer(response.status_code, response.headers, body)

    def _follow(self, access: Access, request: Request, header: str | None) -> requests.Response:
        endpoint = access.endpoint
        home = origin(request.url)
        may_carry = home == origin(endpoint.base)
        for _ in range(_MOST_REDIRECTS + 1):
            at_home = may_carry and origin(request.url) == home
            own = {"Authorization": header} if header is not None and at_home else {}
            sent = replace(request, headers={**request.headers, **own})
            response = self._transport.send(endpoint, sent)
            if response.status_code == 401 and not at_home:
                response.close()
                raise Permanent(
                    f"registry {endpoint.host} sends us to {home_of(request.url)} to "
                    f"{access.purpose.words}, which asks for credentials: none were given"
                )
            if request.method not in _SAFE or response.status_code not in _REDIRECTS:
                return response
            location = response.headers.get("Location", "")
            response.close()
            request = replace(request, url=self.place(access, request.url, location))
        raise Permanent(f"registry {endpoint.host} redirects without end")

    def place(self, access: Access, base: str, location: str) -> str:
        """Where a Location header leads; never from https to http."""
        endpoint = access.endpoint
        try:
            url = urljoin(base, location)
            parts = split(url)
        except ValueError as error:
            raise Permanent(f"registry {endpoint.host} sends us to no valid address") from error
        if not location:
            raise Permanent(f"registry {endpoint.host} sends us on without an address")
        if parts.scheme == "http" and not endpoint.insecure:
            home = split(endpoint.base)
            if parts.hostname != home.hostname:
                raise Permanent(
                    f"registry {endpoint.host} sends us to {parts.netloc} by plain HTTP: refused"
                )
            # A registry behind a proxy that ends TLS often gives its own address as http.
            return parts._replace(scheme="https", netloc=home.netloc).geturl()
        return url


def home_of(url: str) -> str:
    """The host of a URL, for people."""
    return split(url).netloc
