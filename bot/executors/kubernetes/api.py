"""Raw JSON over HTTPS to the API server: no typed models, no retries, a timeout on everything.

Refusals become the errors of `bot.ports`; who calls decides by them what to do.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError
from urllib3.exceptions import TimeoutError as TooLong

from bot.executors.kubernetes.connection import Connection, json_headers
from bot.executors.kubernetes.refusals import Answer, read_refusal, said_of
from bot.ports import AdmissionDenied, Clock, Forbidden, NotFound, Permanent, Temporary

Json = Mapping[str, object]
CONNECT = 5.0
PAUSE = 2.0
"""Seconds in which a server that did not answer is not asked again: one has waited for all."""
_MOST = 64 << 20
"""Bytes of one answer."""
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches"""
MERGE = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds: `silence` without a byte; `whole` for the body of an answer, however it drips, and
    at most one `silence` more."""

    silence: float = 20.0
    whole: float = 60.0


USUAL = Bounds()


class Conflict(Permanent):
    """Something else has that name, or another uid than the one that was expected."""


class Silent(Temporary):
    """No answer came, or lately none did."""


class NotNow(Temporary):
    """Refused for now and with a reason, such as a quota: nothing was made."""


class Gone(Permanent):
    """The version of the list is too old (410): list again."""


class Api:
    """Thread-safe. Paths begin with `/api`; query values are encoded here."""

    def __init__(self, connection: Connection, clock: Clock, bounds: Bounds = USUAL) -> None:
        """`bounds`: of all but streams, which have their own."""
        self._connection = connection
        self._bounds = bounds
        self._clock = clock
        self._silent_until = 0.0
        self._ahead = 0.0
        self.calls = 0

    @property
    def ahead(self) -> float:
        """Seconds that the server's clock is ahead of ours, by the Date of its last answer. That
        has whole seconds, so what is less than two means nothing and is 0."""
        return self._ahead if abs(self._ahead) >= 2.0 else 0.0

    def get(self, path: str, query: Mapping[str, str] | None = None, *, accept: str = "") -> Json:
        """Raises NotFound, Gone, Forbidden, Temporary."""
        more = {"Accept": accept} if accept else {}
        return self._json("GET", path, query, None, more)

    def create(self, path: str, body: Json, query: Mapping[str, str] | None = None) -> Json:
        """Raises Conflict; AdmissionDenied; NotNow with the reason of waiting; Temporary where it
        is not known whether the object was made."""
        return self._json("POST", path, query, body, {})

    def patch(self, path: str, body: Json) -> Json:
        """A merge patch. Raises NotFound, Forbidden, Temporary."""
        return self._json("PATCH", path, None, body, {"Content-Type": MERGE})

    def delete(self, path: str, uid: str | None = None) -> None:
        """Of exactly the object with that uid. Raises NotFound, Conflict, Temporary."""
        body: dict[str, object] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        body["propagationPolicy"] = "Background"
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        self._json("DELETE", path, None, body, {})

    @contextlib.contextmanager
    def stream(
        self, path: str, query: Mapping[str, str], bounds: Bounds
    ) -> Iterator[Iterator[bytes]]:
        """The pieces of a long answer as they come.

        Raises what `get` does, Temporary also while the pieces are read.
        """
        response = self._send("GET", path, query, None, {}, bounds.silence)
        try:
            self._accepted("GET", response, bounds)
            yield self._pieces(response, bounds)
        finally:
            response.close()

    # -- one request -------------------------------------------------------------------------

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Json | None,
        more: Mapping[str, str],
    ) -> Json:
        response = self._send(method, path, query, body, more, self._bounds.silence)
        try:
            self._accepted(method, response, self._bounds)
            return _document(b"".join(self._pieces(response, self._bounds)))
        finally:
            response.close()  # what was read to its end is in the pool again already

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Json | None,
        more: Mapping[str, str],
        read: float,
    ) -> urllib3.BaseHTTPResponse:
        address = path + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        response = self._once(method, address, data, more, read)
        if response.status == 401 and self._connection.refused():
            response.close()
            response = self._once(method, address, data, more, read)
        self._look_at_clock(response.headers.get("Date"))
        return response

    def _once(
        self, method: str, address: str, data: bytes | None, more: Mapping[str, str], read: float
    ) -> urllib3.BaseHTTPResponse:
        left = self._silent_until - self._clock.monotonic()
        if left > 0:
            raise Silent("the cluster does not answer", left)
        way = self._connection.way()
        self.calls += 1
        kind = {} if data is None else {"Content-Type": "application/json"}
        try:
            return way.pool.request(
                method,
                way.host + address,
                body=data,
                headers=json_headers(way, {**kind, **more}),
                timeout=urllib3.Timeout(connect=CONNECT, read=read),
                retries=False,
                preload_content=False,
            )
        except (HTTPError, OSError) as error:
            if read == self._bounds.silence or not isinstance(error, ReadTimeoutError):
                self._silent_until = self._clock.monotonic() + PAUSE
            raise Silent(f"the cluster at {way.host} does not answer: {_told(error)}") from error

    def _accepted(self, method: str, response: urllib3.BaseHTTPResponse, bounds: Bounds) -> None:
        if 200 <= response.status < 300:
            return  # a redirect is a proxy's that wants a sign-in: of the cluster it says nothing
        try:
            data = b"".join(self._pieces(response, bounds))
        except Temporary:
            data = b""
        raise _error(method, response.status, _refusal(data, response.headers))

    def _pieces(self, response: urllib3.BaseHTTPResponse, bounds: Bounds) -> Iterator[bytes]:
        """Each is what one read of the socket gave: a read that waits for more never ends where a
        byte comes now and then. Raises Temporary."""
        until, total = self._clock.monotonic() + bounds.whole, 0
        try:
            while piece := response.read1(1 << 16, decode_content=False):
                total += len(piece)
                if total > _MOST:
                    raise Temporary("the cluster's answer is too long")
                if self._clock.monotonic() > until:
                    text = f"the cluster's answer took longer than {bounds.whole:.0f} s"
                    raise Temporary(text)
                yield piece
        except (HTTPError, OSError) as error:
            raise Temporary(f"the cluster's answer broke off: {_told(error)}") from error

    def _look_at_clock(self, date: str | None) -> None:
        try:
            told = parsedate_to_datetime(date or "").timestamp()
        except (ValueError, TypeError):
            return
        self._ahead = told + 0.5 - self._clock.now()


def pods_path(namespace: str, name: str = "") -> str:
    return _path(namespace, "pods", name)


def secrets_path(namespace: str, name: str = "") -> str:
    return _path(namespace, "secrets", name)


def events_path(namespace: str) -> str:
    return _path(namespace, "events", "")


def _path(namespace: str, kind: str, name: str) -> str:
    end = f"/{quote(name, safe='')}" if name else ""
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/{kind}{end}"


def _document(data: bytes) -> Json:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Temporary("the cluster's answer is no JSON") from error
    if not isinstance(found, dict):
        raise Temporary("the cluster's answer is no object")
    return found


def _refusal(data: bytes, headers: Mapping[str, str]) -> Json:
    """The server's `Status`; one that is too busy to make it (429) says in plain text what is the
    matter, and in a header when to ask again:
    https://kubernetes.io/docs/concepts/cluster-administration/flow-control/"""
    try:
        return _document(data)
    except Temporary:
        plain = headers.get("Content-Type", "").startswith("text/plain")
        after = headers.get("Retry-After", "")
        return {
            "message": data[:1000].decode(errors="replace") if plain else "",
            "details": {"retryAfterSeconds": int(after) if after.isdecimal() else None},
        }


def _told(error: Exception) -> str:
    """A refused connection and a name that is not known count as timeouts in urllib3, too."""
    if isinstance(error, TooLong) and not isinstance(error, NewConnectionError):
        return "it took too long"
    return " ".join(str(error).split())[:200]


def _error(method: str, code: int, body: Json) -> Exception:
    said = said_of(code, body)
    match method, code:
        case _, 410:
            return Gone(said)
        case "DELETE", 409:
            return Conflict(said)
        case "GET" | "PATCH" | "DELETE", 404:
            return NotFound(said)
        case "GET" | "PATCH" | "DELETE", 403:
            return Forbidden(said)
    return _refused(method, code, body)


def _refused(method: str, code: int, body: Json) -> Exception:
    refusal, making = read_refusal(code, body), method == "POST"
    match refusal.answer:
        case Answer.EXISTS:
            return Conflict(refusal.reason)
        case Answer.DENIED:
            return (AdmissionDenied if making else Permanent)(refusal.reason)
        case Answer.WAIT if making:
            return NotNow(refusal.reason)
    return Temporary(refusal.reason, refusal.after)
