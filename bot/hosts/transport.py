"""One HTTP session to one Git host, under our own rules, for both vendor libraries.

What they share: no retry, no netrc, redirects only for reads and only within the host, a bound on
what an answer may weigh, a time-out for connecting and one between bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies

from bot.core.centralconfig import Source
from bot.ports import HostError, Permanent, Temporary
from bot.tls import PrivateCaAdapter

TIMEOUT: Final = (5.0, 15.0)
"""Seconds to connect, and between two bytes of the answer."""

_ANSWER_BYTES: Final = 32 * 1024 * 1024
_CHUNK: Final = 64 * 1024
_QUOTE: Final = 300
_AFTER_MAX: Final = 2 * 3600.0
"""No host closes its quota for longer than an hour; a date far off is a wrong clock."""


class HostSession(requests.Session):
    """`last` holds the headers of the latest answer: python-gitlab's errors do not carry them."""

    def __init__(self, base_url: str, ca_file: str | None, proxy: str | None) -> None:
        super().__init__()
        # Without this a ~/.netrc entry would replace our Authorization header.
        self.trust_env = False
        self.verified: str | bool = ca_file or os.environ.get("REQUESTS_CA_BUNDLE") or True
        given = {"http": proxy, "https": proxy} if proxy else get_environ_proxies(base_url)
        self.proxies.update(given)
        self.verify = self.verified
        self.last: Mapping[str, str] = {}
        self._origin = _origin(base_url)
        for scheme in ("https://", "http://"):
            self.mount(scheme, PrivateCaAdapter(pool_connections=1, pool_maxsize=1))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where to go on. A write is never sent again, and a token never leaves the host:
        requests takes `Authorization` off for another host, but not `PRIVATE-TOKEN`."""
        target = super().get_redirect_target(resp)
        if target is None or resp.request.method not in ("GET", "HEAD"):
            return None
        absolute = requests.compat.urljoin(resp.url, target)
        return target if _origin(absolute) == self._origin else None

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Redirects stay within the host, so what was sent may be sent again."""

    def send(self, request: requests.PreparedRequest, **options: object) -> requests.Response:
        """As the base, but reads no more than a bound into memory."""
        options["stream"] = True
        try:
            response: requests.Response = super().send(request, **options)  # type: ignore[arg-type] # the stubs name each option; we pass them through
        except requests.RequestException:
            raise
        except OSError as error:  # requests' own, for certificates that are not there
            raise Temporary(f"the `ca-file` {self.verified} can't be read") from error
        body = bytearray()
        try:
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > _ANSWER_BYTES:
                    raise Permanent("the Git host's answer is larger than 32 MiB")
        finally:
            response.close()
        # requests offers no public way to bound a body; this is where `content` keeps it.
        response._content = bytes(body)  # noqa: SLF001
        self.last = response.headers
        return response


def session_of(source: Source) -> HostSession:
    return HostSession(source.api_url, source.ca_file, source.proxy)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


def unreachable(error: Exception, what: str) -> HostError:
    """Our error for a request that got no whole answer. The library's own text is left out: it
    may hold a proxy's address with its password; the cause is chained for the log."""
    match error:
        case HostError():
            return error
        case requests.exceptions.SSLError():
            reason = "its TLS certificate was not accepted (a private CA goes into `ca-file`)"
        case requests.exceptions.ProxyError():
            reason = "the proxy did not connect (see `proxy` of the source)"
        case requests.exceptions.Timeout():
            reason = "it did not answer in time"
        case requests.exceptions.TooManyRedirects():
            reason = "it redirects in a circle"
        case _:
            reason = f"the connection failed ({type(error).__name__})"
    return Temporary(f"{what}: {reason}")


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait by `Retry-After`, a number or a date; None where it is not there."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return min(max(float(value), 0.0), _AFTER_MAX)
    except ValueError:
        date = http_date(value)
        return None if date is None else min(max(date - now, 0.0), _AFTER_MAX)


def until(reset: str | None, headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until an epoch second that the host named, by the host's own clock."""
    try:
        moment = float(reset or "")
    except ValueError:
        return None
    served = http_date(headers.get("date", ""))
    return min(max(moment - (now if served is None else served), 1.0), _AFTER_MAX)


def http_date(value: str) -> float | None:
    """Seconds since the epoch of an HTTP date."""
    try:
        moment: datetime = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return moment.timestamp()


def quoted(text: object, *secrets: str) -> str:
    """What a host said, fit to be shown: one line, bounded, without our own secrets."""
    words = str(text)
    for secret in secrets:
        if secret:
            words = words.replace(secret, "[hidden]")
    words = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    return words if len(words) <= _QUOTE else words[: _QUOTE - 1] + "…"


def read_secret(path: str) -> str:
    """The first line of a file of the administrator's. Read each time: it may be rotated."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - one read, no path arithmetic
            value = file.readline().strip()
    except OSError as error:
        raise Temporary(f"the secret file {path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Temporary(f"the secret file {path} is no UTF-8 text") from error
    if not value:
        raise Temporary(f"the secret file {path} is empty")
    return value
