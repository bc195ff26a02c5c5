"""What a manifest or index says, read from hostile bytes. Pure; raises `Permanent` only."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from bot.core.ids import Digest
from bot.ports import Permanent
from bot.registry.references import is_digest

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MEDIA_TYPES = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})

INLINE_CACHE = "moby.buildkit.cache.v0"
"""The key of an image's config that holds BuildKit's inline cache
(https://github.com/moby/buildkit/blob/v0.12.5/exporter/containerimage/exptypes/types.go)."""

_MOST_PARTS = 1000
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True)
class Part:
    """A descriptor: a blob of an image, or an image of an index. `size` in bytes."""

    media_type: str
    digest: Digest
    size: int
    architecture: str | None = None
    attestation: bool = False
    elsewhere: bool = False
    """Its bytes lie outside the registry (Windows base layers): never copied."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image's config and layers."""

    config: Part
    layers: tuple[Part, ...]

    @property
    def blobs(self) -> tuple[Part, ...]:
        return (self.config, *self.layers)


@dataclass(frozen=True, slots=True)
class Index:
    """A list of images, attestations among them."""

    children: tuple[Part, ...]

    def native(self) -> Part | None:
        """The image for this machine's architecture, else the first that is one."""
        images = [child for child in self.children if not child.attestation]
        machine = platform.machine().lower()
        wanted = _MACHINES.get(machine, machine)
        return next((c for c in images if c.architecture == wanted), images[0] if images else None)


def read_json(body: bytes, what: str) -> dict[str, Any]:
    """A JSON object, however hostile the bytes: Permanent, naming `what`, if they are none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Permanent(f"{what} is not JSON") from error
    if not isinstance(value, dict):
        raise Permanent(f"{what} is not a JSON object")
    return cast("dict[str, Any]", value)


def read_manifest(body: bytes, media_type: str) -> Image | Index:
    """Parse the bytes of a manifest; Permanent for schema 1 and anything malformed."""
    document = read_json(body, "the manifest")
    declared = document.get("mediaType")
    kind = declared if isinstance(declared, str) else media_type
    if kind in INDEXES or (kind not in MEDIA_TYPES and "manifests" in document):
        return Index(tuple(_part(part) for part in _list(document, "manifests")))
    if "config" not in document:
        raise Permanent(f"a manifest of type {kind[:100]!r} is not supported")
    return Image(
        config=_part(document["config"]),
        layers=tuple(_part(part) for part in _list(document, "layers")),
    )


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    parts = document.get(key)
    if not isinstance(parts, list) or len(parts) > _MOST_PARTS:
        raise Permanent(f"the manifest has no list of {key} (or more than {_MOST_PARTS})")
    return parts


def _part(value: Any) -> Part:
    if not isinstance(value, dict):
        raise Permanent("the manifest lists something that is no descriptor")
    digest, size, media_type = value.get("digest"), value.get("size"), value.get("mediaType")
    if not isinstance(digest, str) or not is_digest(digest):
        raise Permanent("the manifest lists a digest that is not sha256: and 64 hex digits")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Permanent(f"the manifest gives no size for {digest}")
    return Part(
        media_type=media_type if isinstance(media_type, str) else "",
        digest=Digest(digest),
        size=size,
        architecture=_text(value.get("platform"), "architecture"),
        attestation=_text(value.get("annotations"), "vnd.docker.reference.type") is not None,
        elsewhere=bool(value.get("urls")),
    )


def _text(mapping: Any, key: str) -> str | None:
    found = mapping.get(key) if isinstance(mapping, dict) else None
    return found if isinstance(found, str) else None
