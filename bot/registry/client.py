"""The port `Registry` over HTTP: proof by digest, tags moved by putting the same bytes again."""

from __future__ import annotations

import time
from collections.abc import Callable

from bot.core.ids import Digest
from bot.ports import Clock, Forbidden, Manifest, NotFound, Permanent, Temporary
from bot.registry.exchange import Answer, Exchange
from bot.registry.manifests import INLINE_CACHE, MEDIA_TYPES, Image, read_json, read_manifest
from bot.registry.references import (
    ImageName,
    canonical_host,
    checked_digest,
    checked_reference,
    checked_tag,
    digest_of,
    is_digest,
    is_tag,
    parse_name,
)
from bot.registry.refusals import Purpose, error_codes
from bot.registry.tokens import Access
from bot.registry.transfer import Transfer
from bot.registry.transport import Endpoint, Request, Transport

MANIFEST_LIMIT = 4 * 1024 * 1024
CONFIG_LIMIT = 16 * 1024 * 1024
"""An image's config grows by its inline cache: about 200 bytes for each layer and step."""

_ACCEPT = ", ".join(MEDIA_TYPES)
_WAITS = (0.0, 0.3, 1.0)  # seconds before each look at what was written
_GONE = frozenset({404, 410})


class RegistryClient:
    """All registries that `endpoints` knows; thread-safe.

    endpoints: gives the `Endpoint` of a canonical host (`docker.io`, `ghcr.io`, `127.0.0.1:5000`),
    None for one that the administrator did not name: it is never contacted. A dict's `get` will do.
    """

    def __init__(
        self,
        endpoints: Callable[[str], Endpoint | None],
        clock: Clock,
        *,
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoints = endpoints
        self._sleep = sleep
        self._transport = transport or Transport(clock)
        self._exchange = Exchange(self._transport, clock)

    def digest(self, name: str, reference: str) -> Digest | None:
        """HEAD of a tag or digest; None: it is not there (404).

        Where HEAD names no digest, or isn't offered, the manifest itself is fetched and hashed.
        """
        image = parse_name(name)
        checked_reference(reference)
        access = self._access(image, "pull", f"read {image.reference(reference)}")
        answer = self._ask_manifest("HEAD", access, image, reference)
        if answer.status in _GONE:
            return None
        named = answer.headers.get("Docker-Content-Digest", "")
        if answer.status == 200 and is_digest(named):
            if is_digest(reference) and named != reference:
                raise Permanent(f"registry {image.host} answers {reference} with {named}")
            return Digest(named)
        if answer.status not in (200, 405, 501):
            raise self._exchange.refusal(answer, access)
        try:
            return self.manifest(name, reference).digest
        except NotFound:
            return None

    def manifest(self, name: str, reference: str) -> Manifest:
        """The bytes and their own digest; NotFound, and Permanent if it is not the one asked for.

        The media type is the registry's Content-Type, else the one the document gives itself.
        """
        image = parse_name(name)
        checked_reference(reference)
        access = self._access(image, "pull", f"read {image.reference(reference)}")
        answer = self._ask_manifest("GET", access, image, reference)
        if answer.status != 200:
            raise self._exchange.refusal(answer, access)
        digest = digest_of(answer.body)
        for named in (reference, answer.headers.get("Docker-Content-Digest", "")):
            if is_digest(named) and named != digest:
                raise Permanent(
                    f"registry {image.host} sent {digest} where {image} has {named}: the manifest "
                    "is damaged, push it again"
                )
        return Manifest(_media_type(answer), answer.body, digest)

    def put(self, name: str, reference: str, manifest: Manifest) -> None:
        """Put a manifest under a tag, or under its own digest. Repeating is harmless.

        Raises TagRefused where tags are immutable.
        """
        image = parse_name(name)
        if reference != manifest.digest:
            checked_tag(reference)
        access = self._access(
            image,
            "pull,push",
            f"write {image.reference(reference)}",
            writes_tag=is_tag(reference),
        )
        url = f"{access.endpoint.base}/v2/{image.repository}/manifests/{reference}"
        headers = {"Content-Type": manifest.media_type}
        answer = self._exchange.ask(access, Request("PUT", url, headers, manifest.body))
        if answer.status not in (200, 201, 202):
            raise self._exchange.refusal(answer, access)
        named = answer.headers.get("Docker-Content-Digest", "")
        if is_digest(named) and named != manifest.digest:
            raise Permanent(f"registry {image.host} made {named} of {manifest.digest}")

    def move(self, name: str, tag: str, digest: Digest) -> None:
        """Let `tag` name `digest`, which `name` holds, and read it back. A no-op if it does so.

        NotFound: the digest is gone. TagRefused: the tag exists and the registry keeps it.
        Temporary: the registry said yes and shows something else.
        """
        checked_tag(tag)
        checked_digest(digest)
        if self.digest(name, tag) == digest:
            return
        self.put(name, tag, self.manifest(name, digest))
        self._read_back(parse_name(name), tag, digest)

    def copy(self, source: str, digest: Digest, target: str, tag: str) -> None:
        """Bring an image or a whole index to another name, within a registry or across, and tag it.

        Blobs that are there are not sent; within one registry they are mounted where it allows.
        Signatures and referrers outside the index are not copied.
        """
        checked_tag(tag)
        checked_digest(digest)
        if parse_name(source) == parse_name(target):
            self.move(target, tag, digest)
            return
        if self.digest(target, tag) == digest:
            return
        manifest = self.manifest(source, digest)
        if self.digest(target, digest) is None:
            self._transfer(parse_name(source), parse_name(target)).contents(manifest)
        self.put(target, tag, manifest)
        self._read_back(parse_name(target), tag, digest)

    def delete_tag(self, name: str, tag: str) -> bool:
        """Remove one tag; True also if it was gone. False: this registry can't delete one tag.

        A digest is refused: deleting by digest takes every other tag of it along.
        """
        image = parse_name(name)
        checked_tag(tag)
        access = self._access(image, "delete", f"delete the tag {image.reference(tag)}")
        url = f"{access.endpoint.base}/v2/{image.repository}/manifests/{tag}"
        answer = self._exchange.ask(access, Request("DELETE", url))
        if answer.status in (200, 202, 204):
            return True
        if answer.status in (400, 405, 501) or "UNSUPPORTED" in error_codes(answer.body):
            return False
        if answer.status in _GONE:
            return True
        raise self._exchange.refusal(answer, access)

    def size(self, name: str, manifest: Manifest) -> int | None:
        """Compressed bytes of config and layers; of an index: of its image for this machine."""
        image = self._image(name, manifest)
        return None if image is None else sum(blob.size for blob in image.blobs)

    def cache_records(self, name: str, digest: Digest) -> bool:
        """Whether the image carries BuildKit's inline cache (`moby.buildkit.cache.v0`)."""
        image = self._image(name, self.manifest(name, checked_digest(digest)))
        if image is None:
            return False
        where = parse_name(name)
        access = self._access(where, "pull", f"read the config of {where.reference(digest)}")
        url = f"{access.endpoint.base}/v2/{where.repository}/blobs/{image.config.digest}"
        answer = self._exchange.ask(access, Request("GET", url), limit=CONFIG_LIMIT)
        if answer.status != 200:
            raise self._exchange.refusal(answer, access)
        if digest_of(answer.body) != image.config.digest:
            raise Permanent(f"registry {where.host} sent a damaged config for {digest}")
        return bool(read_json(answer.body, f"the config of {digest}").get(INLINE_CACHE))

    def ping(self, host: str) -> None:
        """Nothing if the registry answers and takes our credentials, if we have any."""
        host = canonical_host(host)
        endpoint = self._endpoint(host)
        access = Access(endpoint, (), Purpose(host, "let us in", "pull"))
        answer = self._exchange.ask(access, Request("GET", f"{endpoint.base}/v2/"))
        if answer.status != 200:
            raise self._exchange.refusal(answer, access)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def _image(self, name: str, manifest: Manifest) -> Image | None:
        read = read_manifest(manifest.body, manifest.media_type)
        if isinstance(read, Image):
            return read
        child = read.native()
        if child is None:
            return None
        inner = self.manifest(name, child.digest)
        found = read_manifest(inner.body, inner.media_type)
        return found if isinstance(found, Image) else None

    def _read_back(self, image: ImageName, tag: str, digest: Digest) -> None:
        shown: Digest | None = None
        for wait in _WAITS:
            if wait:
                self._sleep(wait)
            try:
                shown = self.digest(str(image), tag)
            except Temporary as error:
                # docker-registry on files answers 500 while another writer has the link open.
                if error.after is not None or wait == _WAITS[-1]:
                    raise
                continue
            if shown == digest:
                return
        raise Temporary(
            f"registry {image.host} took {image.reference(tag)} as {digest} "
            f"but shows {shown or 'nothing'} there"
        )

    def _ask_manifest(
        self, method: str, access: Access, image: ImageName, reference: str
    ) -> Answer:
        url = f"{access.endpoint.base}/v2/{image.repository}/manifests/{reference}"
        request = Request(method, url, {"Accept": _ACCEPT})
        return self._exchange.ask(access, request, limit=MANIFEST_LIMIT)

    def _transfer(self, source: ImageName, target: ImageName) -> Transfer:
        reading = self._access(source, "pull", f"read the layers of {source}")
        writing = self._access(target, "pull,push", f"write the layers of {target}")
        return Transfer(
            self._exchange,
            source,
            reading,
            target,
            writing,
            read=lambda digest: self.manifest(str(source), digest),
            put=lambda manifest: self.put(str(target), manifest.digest, manifest),
            has=lambda digest: self.digest(str(target), digest) is not None,
        )

    def _access(
        self, image: ImageName, actions: str, words: str, *, writes_tag: bool = False
    ) -> Access:
        right = actions.rpartition(",")[2]
        purpose = Purpose(image.host, words, right, image.repository, writes_tag)
        scope = f"repository:{image.repository}:{actions}"
        return Access(self._endpoint(image.host), (scope,), purpose)

    def _endpoint(self, host: str) -> Endpoint:
        endpoint = self._endpoints(host)
        if endpoint is None:
            raise Forbidden(f"registry {host} is not under `registries` in the central config")
        return endpoint


def _media_type(answer: Answer) -> str:
    given = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    if given in MEDIA_TYPES:
        return given
    declared = read_json(answer.body, "the manifest").get("mediaType")
    if isinstance(declared, str) and declared in MEDIA_TYPES:
        return declared
    raise Permanent(f"a manifest of type {given[:100]!r} is not supported")
