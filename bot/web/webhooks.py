"""`POST /webhooks/<source>`: a signed request becomes a row of the inbox, and nothing else happens.

The order is: what the headers alone decide, then the body once, then the disk. The body is never
parsed here, and no Git host, cluster or registry is asked anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from flask import Blueprint, Response, request

from bot.core import signatures
from bot.core.ids import HostKind, SourceName
from bot.ports import Clock
from bot.records import IncomingDelivery
from bot.web.bodies import BODY_BYTES_MAX, BodyReader, Busy, Incomplete, TooLarge, TooSlow
from bot.web.inbox import InboxWriter, NotStored
from bot.web.metrics import Metrics
from bot.web.sources import Sources

CONTENT_TYPES: Final = frozenset({"application/json", "application/x-www-form-urlencoded"})
RETRY_SECONDS: Final = 10
_EVENT: Final = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,99}")
_DELIVERY: Final = re.compile(r"[0-9A-Za-z._:-]{1,200}")
_EVENT_HEADER: Final[Mapping[HostKind, str]] = {
    HostKind.GITHUB: "x-github-event",
    HostKind.GITLAB: "x-gitlab-event",
    # What Gitea sends as x-gitea-event is one word for several kinds of event.
    HostKind.GITEA: "x-gitea-event-type",
}


class Refused(Exception):
    """The request gets this answer. `outcome` is its name in the metrics."""

    def __init__(self, status: int, outcome: str, text: str, *, retry: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.outcome = outcome
        self.text = text
        self.retry = retry


def _unsigned() -> Refused:
    """One answer to everything that is not genuine: it tells nobody how near they came."""
    return Refused(401, "unauthorized", "the signature is missing or wrong")


@dataclass(frozen=True, slots=True)
class Receiver:
    """What receiving needs, wired once by `bot.web.app`."""

    sources: Sources
    writer: InboxWriter
    bodies: BodyReader
    metrics: Metrics
    clock: Clock

    def receive(self, name: str, environ: Mapping[str, Any]) -> str:
        """Store one request; the id of its delivery. Raises Refused."""
        source = self.sources.get(SourceName(name))
        if source is None:
            raise Refused(404, "unknown_source", "no source has this name")
        headers = _headers(environ)
        content_type = _content_type(environ)
        _measure(environ)
        now = self.clock.now()
        keys = source.signing_keys.current()
        check = signatures.check(source.kind, headers, source.secrets.current(), keys, now)
        if check is None:
            raise _unsigned()
        event = headers.get(_EVENT_HEADER[source.kind], "")
        if not _EVENT.fullmatch(event):
            raise Refused(400, "no_event", f"the header {_EVENT_HEADER[source.kind]} is missing")
        named = _delivery_id(source.kind, headers, signed=bool(keys))
        watched = _Named(check, headers.get("x-gitlab-webhook-uuid", "")) if not named else check
        with self.writer.expecting(), self.bodies.read(environ, watched) as body:
            if not watched.genuine():
                raise _unsigned()
            delivery = named or _digest(watched)
            content = body.content()
            self.writer.put(
                IncomingDelivery(
                    SourceName(name), delivery, event, content_type, content, body.size, now
                )
            )
        self.metrics.accepted(name, event, body.size)
        return delivery


class _Named:
    """A check that also makes a name from the body, for hosts that send no delivery id.

    GitLab before 17.4: the hook and the body together are the same when it sends again.
    """

    __slots__ = ("_check", "digest")

    def __init__(self, check: signatures.Check, hook: str) -> None:
        self._check = check
        self.digest = sha256(hook.encode("utf-8", "replace"))

    def update(self, chunk: bytes) -> None:
        self._check.update(chunk)
        self.digest.update(chunk)

    def genuine(self) -> bool:
        return self._check.genuine()


def _digest(check: signatures.Check) -> str:
    assert isinstance(check, _Named)  # noqa: S101 for the type checker: only an unnamed body gets here
    return f"sha256:{check.digest.hexdigest()}"


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    return {
        key[5:].replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }


def _content_type(environ: Mapping[str, Any]) -> str:
    media_type = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if media_type not in CONTENT_TYPES:
        wanted = "set the webhook's content type to application/json"
        raise Refused(415, "content_type", wanted)
    if environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
        raise Refused(415, "content_encoding", "send the body without a content encoding")
    return media_type


def _measure(environ: Mapping[str, Any]) -> None:
    """Refuse what is too long by its own account, before a byte of it is read."""
    length = str(environ.get("CONTENT_LENGTH") or "0")
    if not length.isascii() or not length.isdigit():
        raise Refused(400, "bad_length", "the content length is not a number")
    if len(length) > 12 or int(length) > BODY_BYTES_MAX:
        raise _too_large()


def _too_large() -> Refused:
    return Refused(413, "too_large", f"bodies have at most {BODY_BYTES_MAX} bytes")


def _delivery_id(kind: HostKind, headers: Mapping[str, str], *, signed: bool) -> str | None:
    """The host's own id, the same when it sends again; None where there is none to rely on."""
    match kind:
        case HostKind.GITHUB:
            names: tuple[str, ...] = ("x-github-delivery",)
        case HostKind.GITEA:
            names = ("x-gitea-delivery",)
        case HostKind.GITLAB if signed:
            names = ("webhook-id",)  # the one that the signature covers
        case HostKind.GITLAB:
            names = ("idempotency-key", "webhook-id")
    for name in names:
        if _DELIVERY.fullmatch(headers.get(name, "")):
            return headers[name]
    return None


def blueprint(receiver: Receiver) -> Blueprint:
    pages = Blueprint("webhooks", __name__)

    @pages.route("/webhooks/<source>", methods=["POST"], provide_automatic_options=False)
    def receive(source: str) -> Response:
        started = receiver.clock.monotonic()
        known = source if receiver.sources.get(SourceName(source)) else ""
        try:
            delivery = _receive(receiver, source)
        except Refused as refused:
            receiver.metrics.refused(known, refused.outcome)
            return _answer(refused.status, {"error": refused.text}, retry=refused.retry)
        finally:
            receiver.metrics.took(receiver.clock.monotonic() - started)
        return _answer(202, {"delivery": delivery})

    return pages


def _receive(receiver: Receiver, source: str) -> str:
    """Translate what reading and storing raise into answers."""
    try:
        return receiver.receive(source, request.environ)
    except TooLarge as error:
        raise _too_large() from error
    except Incomplete as error:
        raise Refused(400, "incomplete", "the body ended early or is not framed right") from error
    except TooSlow as error:
        raise Refused(408, "too_slow", "the body did not arrive in time") from error
    except Busy as error:
        text = "too many large deliveries at once; send it again later"
        raise Refused(503, "busy", text, retry=True) from error
    except NotStored as error:
        text = "the delivery could not be stored; send it again later"
        raise Refused(503, "not_stored", text, retry=True) from error


def _answer(status: int, document: Mapping[str, str], *, retry: bool = False) -> Response:
    response = Response(json.dumps(document) + "\n", status, content_type="application/json")
    if retry:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
