"""Requests to the REST API of Gitea and Forgejo: https://docs.gitea.com/api/1.26/

One attempt each; redirects are followed for reads and within the host alone, the token goes nowhere
else, and of an answer no more than a bound is kept.
"""

from __future__ import annotations

import json
import os
import ssl
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NoReturn, TypeVar

import httpx

from bot.core.centralconfig import Source
from bot.hosts.fields import Fields, Unreadable
from bot.hosts.transport import TIMEOUT, http_date, quoted, read_secret, retry_after
from bot.ports import Forbidden, NotFound, Permanent, Temporary
from bot.tls import context

T = TypeVar("T")
Verb = Literal["GET", "POST", "PATCH", "DELETE"]
Values = Mapping[str, object]

PAGE: Final = 50
"""`MAX_RESPONSE_ITEMS` of an instance that its administrator did not change."""
_PAGES: Final = 200
_REDIRECTS: Final = 3
_ANSWER_BYTES: Final = 32 * 1024 * 1024
_LIMITED: Final = 60.0
"""Seconds to wait after a 429 that does not say how long: Gitea has no limit of its own, so that
it comes from a proxy before it."""


class Moved(Exception):
    """A write was redirected: the repository has another name now. Nothing was done. Stays in this
    package."""


class Broken(Temporary):
    """500. Gitea answers so for things that do not exist as well: the caller looks whether they
    do. Stays in this package where it does."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a request that was accepted. `at`: by the host's clock, in whole
    seconds since the epoch; `headers` by their names in small letters."""

    text: str
    what: str
    at: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def read(self, understand: Callable[[Fields], T]) -> T:
        """The answer as an object."""
        value = self.value()
        if not isinstance(value, dict):
            raise Permanent(f"{self.what}: the answer is not an object")
        return self._understood(lambda: understand(Fields(value)))

    def each(self, understand: Callable[[Fields], T], under: str | None = None) -> list[T]:
        """The answer as a list of objects, or the list under a name of it."""
        value = self.value()
        fields = Fields(value if under and isinstance(value, dict) else {"items": value})
        return self._understood(lambda: [understand(row) for row in fields.items(under or "items")])

    def value(self) -> object:
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as error:
            text = f"{self.what}: the answer is not JSON (a proxy's page?)"
            raise Temporary(text) from error

    def _understood(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except Unreadable as wrong:
            text = f"{self.what}: the answer can't be read at {wrong.where}: {wrong.reason}"
            raise Permanent(text) from wrong


class GiteaRequests:
    """One thread's way to one host. Methods raise `bot.ports` errors, and `Moved`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._api = source.api_url.rstrip("/")
        self._certificates = source.ca_file or os.environ.get("REQUESTS_CA_BUNDLE")
        self._opened: tuple[int, httpx.Client] | None = None

    def _client(self) -> httpx.Client:
        """Of the certificates as they are now: what a changed file no longer holds is no longer
        trusted. Raises Temporary where they can't be read."""
        changed = _changed(self._certificates)
        if self._opened is not None and self._opened[0] == changed:
            return self._opened[1]
        self.close()
        connect, read = TIMEOUT
        made = httpx.Client(
            timeout=httpx.Timeout(read, connect=connect),
            verify=_trusted(self._certificates),
            proxy=self._source.proxy,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=1),
            headers={"Accept": "application/json", "User-Agent": "pushwright"},
        )
        # Threads end without closing their client: its connection is not left to the collector.
        weakref.finalize(self, made.close)
        self._opened = (changed, made)
        return made

    def close(self) -> None:
        if self._opened is not None:
            self._opened[1].close()
            self._opened = None

    def token(self) -> str:
        """Read each time: it may be rotated."""
        return read_secret(self._source.token_file or "")

    def ask(
        self, verb: Verb, path: str, query: Values | None = None, body: Values | None = None
    ) -> Answer:
        """One request. `path` begins behind the API's root."""
        what, token = f"Gitea: {verb} {path}", self.token()
        url = httpx.URL(self._api + path, params={k: str(v) for k, v in (query or {}).items()})
        client = self._client()
        for _ in range(_REDIRECTS + 1):
            request = client.build_request(
                verb, url, json=body, headers={"Authorization": f"token {token}"}
            )
            status, headers, text = self._send(client, request, what)
            if not 300 <= status < 400:
                if status >= 400:
                    _refuse(status, headers, text, what, token)
                return Answer(text, what, http_date(headers.get("date", "")), headers)
            url = _next(request, headers, what)
        raise Temporary(f"{what}: the host redirects in a circle")

    def _send(
        self, client: httpx.Client, request: httpx.Request, what: str
    ) -> tuple[int, Mapping[str, str], str]:
        body = bytearray()
        try:
            response = client.send(request, stream=True)
            try:
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > _ANSWER_BYTES:
                        raise Permanent(f"{what}: the answer is larger than 32 MiB")
            finally:
                response.close()
        except httpx.ProxyError as error:
            reason = "the proxy did not connect (see `proxy` of the source)"
            raise Temporary(f"{what}: {reason}") from error
        except httpx.TimeoutException as error:
            raise Temporary(f"{what}: it did not answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Temporary(f"{what}: {_unreachable(error)}") from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return response.status_code, headers, body.decode("utf-8", "replace")

    def every(
        self,
        path: str,
        understand: Callable[[Fields], T],
        query: Values | None = None,
        under: str | None = None,
        pages: int = _PAGES,
    ) -> tuple[list[T], bool]:
        """The rows of all pages, and whether that is all of them. An instance may give fewer rows
        on a page than asked for, so that the total it tells counts."""
        rows: list[T] = []
        for page in range(1, pages + 1):
            answer = self.ask("GET", path, {**(query or {}), "page": page, "limit": PAGE})
            found = answer.each(understand, under)
            rows += found
            if not found or len(rows) >= _total(answer, rows):
                return rows, True
        return rows, False


def _total(answer: Answer, rows: list[T]) -> int:
    """Where none is told, a page that is not full is the last."""
    told = answer.headers.get("x-total-count", "")
    if told.isdigit():
        return int(told)
    return len(rows) + (len(rows) % PAGE == 0)


def _changed(file: str | None) -> int:
    """When, in nanoseconds; 0 for none."""
    try:
        return Path(file).stat().st_mtime_ns if file else 0
    except OSError:
        return 0


def _trusted(file: str | None) -> ssl.SSLContext | bool:
    """The certificates in the file besides the system's. Raises Temporary."""
    if not file:
        return True
    made = context()
    made.load_default_certs()
    try:
        made.load_verify_locations(file)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Temporary(f"the certificates in {file} can't be read: {reason}") from error
    return made


def _next(request: httpx.Request, headers: Mapping[str, str], what: str) -> httpx.URL:
    """Where a read goes on: within the host, for the token goes with it."""
    if request.method != "GET":
        raise Moved(f"{what}: the host redirected it")
    try:
        target = request.url.join(headers.get("location", ""))
    except httpx.InvalidURL as error:
        raise Permanent(f"{what}: the host redirected it to no address") from error
    if (target.scheme, target.host, target.port) != (
        request.url.scheme,
        request.url.host,
        request.url.port,
    ):
        text = f"{what}: it was redirected to {quoted(target.host)}; set `url` to where the host is"
        raise Permanent(text)
    return target


def _unreachable(error: Exception) -> str:
    """The library's own text is left out: it may hold a proxy's address with its password."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "its TLS certificate was not accepted (a private CA goes into `ca-file`)"
        cause = cause.__cause__ or cause.__context__
    return f"the connection failed ({type(error).__name__})"


def _refuse(status: int, headers: Mapping[str, str], text: str, what: str, token: str) -> NoReturn:
    said = quoted(_message(text), token)
    message = f"{what} was answered {status}: {said}"
    after = retry_after(headers, time.time())
    if status == 401:
        raise Forbidden(f"{message} (the token is wrong, revoked or expired)")
    if status == 429:
        raise Temporary(message, _LIMITED if after is None else after)
    if status == 403:
        # The text names the scope that the token lacks, where that is the reason.
        raise Forbidden(message)
    if status in (404, 410, 451) or (status == 409 and "is empty" in said.lower()):
        raise NotFound(message)
    if status == 423:
        raise Permanent(f"{message} (the repository is archived)")
    if status == 500:
        raise Broken(message, after)
    if status in (408, 409, 425) or status > 500:
        raise Temporary(message, after)
    raise Permanent(message)


def _message(text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "no JSON (a proxy in between?)" if text else "nothing"
    return str(value.get("message", "")) if isinstance(value, dict) else str(value)
