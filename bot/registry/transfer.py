"""An image brought from one name to another without a build: children, blobs, no byte twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import urlencode

import requests

from bot.core.ids import Digest
from bot.ports import Manifest, Permanent
from bot.registry.exchange import Exchange
from bot.registry.manifests import Image, Index, Part, read_manifest
from bot.registry.references import ImageName
from bot.registry.tokens import Access
from bot.registry.transport import Request, stream

_DEEPEST = 3  # indexes within indexes


class BlobStream:
    """A blob on its way through, read in pieces and held against its digest at the end."""

    def __init__(self, response: requests.Response, blob: Part) -> None:
        self._chunks: Iterator[bytes] = stream(response)
        self._blob = blob
        self._rest = b""
        self._hash = hashlib.sha256()
        self._left = blob.size

    def __len__(self) -> int:
        return self._blob.size

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes (a negative one: the next piece); Permanent for other bytes."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        piece, self._rest = (
            (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        )
        self._hash.update(piece)
        self._left -= len(piece)
        ended = not piece or (self._left == 0 and not self._rest)
        if self._left < 0 or (ended and not self._is_right()):
            raise Permanent(f"the source sent other bytes than {self._blob.digest} stands for")
        return piece

    def _is_right(self) -> bool:
        return self._left == 0 and f"sha256:{self._hash.hexdigest()}" == self._blob.digest


class Transfer:
    """Copies what a manifest stands for from one image name to another."""

    def __init__(  # noqa: PLR0913 - two sides, and the three verbs on manifests
        self,
        exchange: Exchange,
        source: ImageName,
        reading: Access,
        target: ImageName,
        writing: Access,
        *,
        read: Callable[[Digest], Manifest],
        put: Callable[[Manifest], None],
        has: Callable[[Digest], bool],
    ) -> None:
        self._exchange = exchange
        self._source = source
        self._reading = reading
        self._target = target
        self._writing = writing
        self._read = read
        self._put = put
        self._has = has

    def contents(self, manifest: Manifest, depth: int = 0) -> None:
        """All that `manifest` needs at the target; children of an index before the index itself."""
        if depth > _DEEPEST:
            raise Permanent(f"{self._source}: indexes within indexes, more than {_DEEPEST} deep")
        match read_manifest(manifest.body, manifest.media_type):
            case Image() as image:
                for blob in dict.fromkeys(image.blobs):
                    if not blob.elsewhere:
                        self._blob(blob)
            case Index(children):
                for child in children:
                    if not self._has(child.digest):
                        inner = self._read(child.digest)
                        self.contents(inner, depth + 1)
                        self._put(inner)

    def _blob(self, blob: Part) -> None:
        head = Request("HEAD", self._blob_url(self._writing, self._target, blob.digest))
        answer = self._exchange.ask(self._writing, head)
        if answer.status == 200:
            return
        if answer.status not in (404, 405):
            raise self._exchange.refusal(answer, self._writing)
        place = self._begin(blob)
        if place is not None:
            self._send(blob, place)

    def _begin(self, blob: Part) -> str | None:
        """Ask for a mount, else for an upload: its address; None: the blob is mounted."""
        access, query = self._writing, ""
        if self._source.host == self._target.host:
            # One token must hold both scopes, else the mount is refused without a word.
            access = replace(access, scopes=(*access.scopes, *self._reading.scopes))
            mount = {"mount": blob.digest, "from": self._source.repository}
            query = "?" + urlencode(mount)
        base = access.endpoint.base
        url = f"{base}/v2/{self._target.repository}/blobs/uploads/{query}"
        answer = self._exchange.ask(access, Request("POST", url, body=b""))
        if answer.status == 201:
            return None
        if answer.status != 202:
            raise self._exchange.refusal(answer, access)
        place = self._exchange.place(access, url, answer.headers.get("Location", ""))
        return f"{place}{'&' if '?' in place else '?'}{urlencode({'digest': blob.digest})}"

    def _send(self, blob: Part, place: str) -> None:
        """One PUT of the whole, streamed from the source: memory holds a piece of 64 KiB."""
        get = Request("GET", self._blob_url(self._reading, self._source, blob.digest))
        with self._exchange.open(self._reading, get) as response:
            if response.status_code != 200:
                raise self._exchange.unread(response, self._reading)
            headers = {"Content-Type": "application/octet-stream"}
            body = BlobStream(response, blob) if blob.size else b""
            answer = self._exchange.ask(self._writing, Request("PUT", place, headers, body))
        if answer.status not in (201, 204):
            raise self._exchange.refusal(answer, self._writing)

    @staticmethod
    def _blob_url(access: Access, image: ImageName, digest: Digest) -> str:
        return f"{access.endpoint.base}/v2/{image.repository}/blobs/{digest}"
