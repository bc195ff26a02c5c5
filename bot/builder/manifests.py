"""What the builder asks a registry: which digest has this name, how large is it, can it be a cache.

HEAD and GET of manifests over urllib, Basic and Bearer authorisation with the plain `auths` of a
Docker config.json. https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import base64
import functools
import hashlib
import http.client
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any

from bot.builder.references import Reference

ACCEPT = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_MANIFEST_LIMIT = 4 << 20
_RECORDS = b"moby.buildkit.cache.v0"
"""The key of inline cache in an image's configuration."""
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_DOCKER_HUB = "https://index.docker.io/v1/"


class RegistryError(Exception):
    """`status` is the HTTP status, None where there was no answer at all."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Image:
    """`size`: compressed bytes of one platform's image, its configuration and layers."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow with the same method, and never carry our authorisation along."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],  # noqa: ARG002 (urllib's signature)
        code: int,  # noqa: ARG002
        msg: str,  # noqa: ARG002
        headers: http.client.HTTPMessage,  # noqa: ARG002
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.startswith(("http://", "https://")):
            return None
        return urllib.request.Request(  # noqa: S310 (the scheme is checked)
            newurl, headers={"Accept": ACCEPT}, method=req.get_method()
        )


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(http.client.HTTPSConnection, req, context=_trust())


@functools.cache
def _trust() -> ssl.SSLContext:
    """Made once, and only for https: it reads every certificate authority of the machine. Verified
    as docker does: Python 3.13 also wants extensions that many private CAs do not have."""
    context = ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class Registry:
    """All registries of one run. `insecure`: hosts that may be asked over plain HTTP."""

    def __init__(
        self, auths: Mapping[str, Any], insecure: Collection[str], timeout: float = 2.0
    ) -> None:
        self._auths = auths
        self._insecure = insecure
        self._timeout = timeout
        self._headers: dict[str, str] = {}
        self._schemes: dict[str, str] = {}
        self._opener = urllib.request.build_opener(_Redirects(), _Https())

    def digest(self, reference: Reference) -> str | None:
        """None: there is no such manifest. Raises RegistryError."""
        answer = self._ask("HEAD", reference, reference.wanted)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise RegistryError(f"{reference.host} answered {answer.status}", answer.status)
        known = answer.headers.get("docker-content-digest")
        if known:
            return known
        body = self._ask("GET", reference, reference.wanted).body
        return "sha256:" + hashlib.sha256(body).hexdigest()

    def image(self, reference: Reference) -> Image | None:
        """The pushed image, its digest worked out from the bytes. None: there is none."""
        answer = self._ask("GET", reference, reference.wanted)
        if answer.status == 404:
            return None
        document = _document(reference, answer)
        one = self._platform(reference, document)
        parts = [one.get("config", {}), *one.get("layers", [])]
        size = sum(int(part.get("size", 0)) for part in parts)
        return Image("sha256:" + hashlib.sha256(answer.body).hexdigest(), size)

    def has_records(self, reference: Reference) -> bool:
        """Whether the image holds BuildKit's cache records, or is a cache itself."""
        answer = self._ask("GET", reference, reference.wanted)
        one = self._platform(reference, _document(reference, answer))
        config = one.get("config", {})
        if "buildkit" in str(config.get("mediaType")):
            return True
        blob = self._ask("GET", reference, str(config.get("digest")), kind="blobs")
        return _RECORDS in blob.body

    def _platform(self, reference: Reference, document: dict[str, Any]) -> dict[str, Any]:
        """The manifest itself, or an index's first one that is no attestation."""
        if "manifests" not in document:
            return document
        inner = [
            item
            for item in document["manifests"]
            if item.get("platform", {}).get("architecture") != "unknown"
        ]
        if not inner:
            return {}
        return _document(reference, self._ask("GET", reference, inner[0]["digest"]))

    def _ask(
        self, method: str, reference: Reference, wanted: str, kind: str = "manifests"
    ) -> _Answer:
        key, path = reference.name, f"{kind}/{wanted}"
        answer = self._try(method, reference, path, self._headers.get(key))
        if answer.status == 401 and key not in self._headers:
            header = self._authorise(reference, answer.headers.get("www-authenticate", ""))
            if header:
                self._headers[key] = header
                answer = self._try(method, reference, path, header)
        return answer

    def _try(self, method: str, reference: Reference, wanted: str, header: str | None) -> _Answer:
        host = "registry-1.docker.io" if reference.host == "docker.io" else reference.host
        headers = {"Accept": ACCEPT, **({"Authorization": header} if header else {})}
        path = f"{host}/v2/{reference.repository}/{wanted}"
        schemes = ("http", "https") if reference.host in self._insecure else ("https",)
        known = self._schemes.get(reference.host)
        error: RegistryError | None = None
        for scheme in (known,) if known else schemes:
            try:
                answer = self._send(method, f"{scheme}://{path}", headers)
            except RegistryError as problem:
                error = error or problem
                continue
            self._schemes[reference.host] = scheme
            return answer
        raise error or RegistryError(f"{host} does not answer")

    def _send(self, method: str, url: str, headers: Mapping[str, str]) -> _Answer:
        request = urllib.request.Request(  # noqa: S310 (http or https by construction)
            url, headers=dict(headers), method=method
        )
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                body = answer.read(_MANIFEST_LIMIT)
                return _Answer(answer.status, _lower(answer.headers), body)
        except urllib.error.HTTPError as error:
            with error:
                return _Answer(error.code, _lower(error.headers), b"")
        except (OSError, http.client.HTTPException, ValueError) as error:
            host = urllib.parse.urlsplit(url).netloc
            raise RegistryError(f"{host} does not answer: {error}") from error

    def _authorise(self, reference: Reference, challenge: str) -> str | None:
        basic = self._basic(reference.host)
        if challenge.lower().startswith("basic"):
            return basic
        fields = dict(_CHALLENGE.findall(challenge))
        realm = fields.get("realm", "")
        secure = realm.startswith("https://")
        if not secure and not (realm.startswith("http://") and reference.host in self._insecure):
            return None
        query = {"scope": fields.get("scope") or f"repository:{reference.repository}:pull"}
        if "service" in fields:
            query["service"] = fields["service"]
        url = f"{realm}{'&' if '?' in realm else '?'}{urllib.parse.urlencode(query)}"
        answer = self._send("GET", url, {"Authorization": basic} if basic else {})
        try:
            document = json.loads(answer.body)
            return f"Bearer {document.get('token') or document['access_token']}"
        except (ValueError, KeyError, AttributeError):
            return None

    def _basic(self, host: str) -> str | None:
        names = [host, f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/"]
        if host == "docker.io":
            names.append(_DOCKER_HUB)
        for name in names:
            entry = self._auths.get(name)
            if not isinstance(entry, dict):
                continue
            if entry.get("auth"):
                return f"Basic {entry['auth']}"
            if entry.get("username"):
                pair = f"{entry['username']}:{entry.get('password', '')}"
                return "Basic " + base64.b64encode(pair.encode()).decode()
        return None


def _document(reference: Reference, answer: _Answer) -> dict[str, Any]:
    if answer.status != 200:
        raise RegistryError(f"{reference.host} answered {answer.status}", answer.status)
    try:
        document: Any = json.loads(answer.body)
    except ValueError as error:
        raise RegistryError(f"{reference.host} sent a manifest that is not JSON") from error
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:
        # dockerd 20.10 falls back to the old schema when a registry refuses the new one for a
        # moment; such an image has no cache records and another digest than the one built.
        raise RegistryError(f"{reference.host} holds a manifest of the old schema 1")
    return document


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
