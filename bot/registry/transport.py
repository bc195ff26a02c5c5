"""HTTP as registries are spoken to: one session per thread, bounded, without redirects or state."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

import requests
import urllib3.exceptions
from requests.utils import get_environ_proxies

from bot.ports import Clock, Permanent, Temporary
from bot.registry.credentials import Credential
from bot.registry.references import api_host
from bot.tls import PrivateCaAdapter

_TIMEOUTS = (10.0, 60.0)  # seconds: to connect; between two bytes
_WHOLE_ANSWER = 120.0  # seconds for a bounded body, however slowly it drips
_CHUNK = 64 * 1024


class Credentials(Protocol):
    """Where a registry's credentials come from (`AuthFile`)."""

    def find(self, host: str, repository: str = "", *, fresh: bool = False) -> Credential | None:
        """None: anonymous."""


class Readable(Protocol):
    """A request body that is streamed; `__len__` becomes Content-Length."""

    def read(self, size: int = -1) -> bytes: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How one registry host is reached. `insecure`: by plain HTTP, and only so.

    `proxy`: for this registry (and where it redirects to); None: what HTTPS_PROXY and NO_PROXY say.
    Loopback addresses never go through a proxy.
    """

    host: str
    credentials: Credentials | None = None
    insecure: bool = False
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)

    @property
    def base(self) -> str:
        return f"{'http' if self.insecure else 'https'}://{api_host(self.host)}"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. The body is bytes or streamed."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | Readable | None = field(default=None, repr=False)


class _Session(requests.Session):
    """Even with allow_redirects=False requests parses Location (any ValueError comes through) and
    reads the redirect's whole body, however large: it must not see redirects at all."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        return None


class Transport:
    """Sends requests; everything that goes wrong on the way is `Temporary` or `Permanent`."""

    def __init__(self, clock: Clock, *, timeouts: tuple[float, float] = _TIMEOUTS) -> None:
        self._clock = clock
        self._timeouts = timeouts
        self._local = threading.local()
        self._lock = threading.Lock()
        self._sessions: list[requests.Session] = []

    def send(self, endpoint: Endpoint, request: Request) -> requests.Response:
        """The answer with its body unread. Redirects and cookies are not followed."""
        try:
            return self._session().request(
                request.method,
                request.url,
                headers=dict(request.headers),
                data=request.body,
                stream=True,
                allow_redirects=False,
                timeout=self._timeouts,
                verify=endpoint.ca_file or True,
                proxies=_proxies(endpoint, request.url),
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _translated(error, request.url) from _harmless(error, request.url)
        except (OSError, UnicodeError) as error:
            # requests raises a bare OSError for a CA file that does not exist.
            place = f" (ca-file {endpoint.ca_file})" if endpoint.ca_file else ""
            raise Permanent(f"can't ask {_place(request.url)}{place}: {error}") from error

    def read(self, response: requests.Response, limit: int) -> bytes:
        """The whole body; Permanent if it is longer than `limit` bytes. Closes the response."""
        deadline = self._clock.monotonic() + _WHOLE_ANSWER
        chunks: list[bytes] = []
        size = 0
        try:
            for chunk in stream(response):
                size += len(chunk)
                if size > limit:
                    raise Permanent(f"{_place(response.url)} sent more than {limit:,} bytes")
                if self._clock.monotonic() > deadline:
                    raise Temporary(f"{_place(response.url)} sends too slowly")
                chunks.append(chunk)
        finally:
            response.close()
        return b"".join(chunks)

    def close(self) -> None:
        """Close the sessions of all threads; a thread that asks again gets a new one."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
        self._local = threading.local()
        for session in sessions:
            session.close()

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = _Session()
            session.mount("https://", PrivateCaAdapter())
            session.trust_env = False  # no netrc: credentials come from the auth file alone
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            session.headers["User-Agent"] = "pushwright"
            # Compressed answers could grow without bound and have no digest.
            session.headers["Accept-Encoding"] = "identity"
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session


def stream(response: requests.Response) -> Iterator[bytes]:
    """The body in pieces of at most 64 KiB, as sent; Temporary if it breaks off. Each is what one
    read of the socket gave, so that who counts the time can do it while a body drips."""
    try:
        while piece := response.raw.read1(_CHUNK, decode_content=False):
            yield piece
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise Temporary(f"{_place(response.url)} broke off its answer") from _harmless(
            error, response.url
        )


def split(url: str) -> SplitResult:
    """A URL's parts; Permanent if it is none, or carries a user name or password."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for a bad port
    except ValueError as error:
        raise Permanent("a registry gave an address that is no URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise Permanent("a registry gave an address that is no plain http or https URL")
    return parts


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: credentials never leave the origin they are meant for."""
    parts = split(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, parts.hostname or "", port


def _proxies(endpoint: Endpoint, url: str) -> dict[str, str]:
    host = split(url).hostname or ""
    if _is_loopback(host):
        return {}
    if endpoint.proxy:
        return {"http": endpoint.proxy, "https": endpoint.proxy}
    return get_environ_proxies(url)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _place(url: str) -> str:
    return urlsplit(url).netloc


def _harmless(error: Exception, url: str) -> Exception | None:
    """The cause to chain: not where its text may hold a signed address."""
    return None if urlsplit(url).query else error


def _translated(error: Exception, url: str) -> Temporary | Permanent:
    place = _place(url)
    match error:
        case requests.exceptions.SSLError():
            return Temporary(
                f"no trusted TLS connection to {place}: check its certificate, or name the "
                "authority that signed it as ca-file of this registry"
            )
        case requests.exceptions.ProxyError():
            return Temporary(f"the proxy on the way to {place} does not answer as one")
        case requests.exceptions.ConnectTimeout():
            return Temporary(f"no connection to {place} in time")
        case requests.exceptions.Timeout():
            return Temporary(f"{place} did not answer in time")
        case (
            requests.exceptions.InvalidURL()
            | requests.exceptions.InvalidHeader()
            | urllib3.exceptions.LocationValueError()
        ):
            return Permanent(f"{place} can't be asked: not a valid address or header")
        case _:
            return Temporary(f"no connection to {place}, or it broke off")
