"""Images made by hand and pushed over plain HTTP: the tests' own client, so that ours is judged."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from urllib.parse import urljoin

import requests

from bot.core.ids import Digest
from bot.ports import Manifest
from bot.registry.manifests import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from bot.registry.references import digest_of


@dataclass(frozen=True, slots=True)
class MadeImage:
    """A manifest and the blobs it needs."""

    manifest: Manifest
    blobs: tuple[bytes, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.blobs))


def make_image(
    text: str, *, inline_cache: bool = False, oci: bool = True, layer: bytes = b""
) -> MadeImage:
    """A tiny image whose digest depends on `text`."""
    config: dict[str, object] = {"architecture": "amd64", "os": "linux", "made-of": text}
    if inline_cache:
        config["moby.buildkit.cache.v0"] = {"layers": [{}], "records": [{"digest": "sha256:x"}]}
    blobs = (json.dumps(config).encode(), layer or gzip.compress(text.encode(), mtime=0))
    docker = "application/vnd.docker."
    types = (
        ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip")
        if oci
        else (docker + "container.image.v1+json", docker + "image.rootfs.diff.tar.gzip")
    )
    parts = [
        {"mediaType": kind, "digest": digest_of(blob), "size": len(blob)}
        for kind, blob in zip(types, blobs, strict=True)
    ]
    media_type = OCI_MANIFEST if oci else DOCKER_MANIFEST
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": parts[0],
        "layers": parts[1:],
    }
    body = json.dumps(document, indent=3).encode()  # odd spacing: bytes must be kept, not re-made
    return MadeImage(Manifest(media_type, body, digest_of(body)), blobs)


def make_index(images: list[MadeImage]) -> Manifest:
    """An index of images for amd64, arm64, …, the last one marked as an attestation."""
    children: list[dict[str, object]] = [
        {
            "mediaType": image.manifest.media_type,
            "digest": image.manifest.digest,
            "size": len(image.manifest.body),
            "platform": {"os": "linux", "architecture": machine},
        }
        for image, machine in zip(images, ("amd64", "arm64", "unknown"), strict=False)
    ]
    children[-1]["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
    body = json.dumps(document).encode()
    return Manifest(OCI_INDEX, body, digest_of(body))


def push(
    url: str, repository: str, image: MadeImage, tag: str, auth: tuple[str, str] | None = None
) -> Digest:
    """Push to an open registry (or one with basic auth)."""
    with requests.Session() as session:
        session.trust_env = False
        session.auth = auth
        for blob in image.blobs:
            begun = session.post(f"{url}/v2/{repository}/blobs/uploads/", timeout=10)
            begun.raise_for_status()
            place = urljoin(begun.url, begun.headers["Location"])
            done = session.put(place, params={"digest": digest_of(blob)}, data=blob, timeout=10)
            done.raise_for_status()
    put_manifest(url, repository, image.manifest, tag, auth)
    return image.manifest.digest


def put_manifest(
    url: str, repository: str, manifest: Manifest, tag: str, auth: tuple[str, str] | None = None
) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.auth = auth
        session.put(
            f"{url}/v2/{repository}/manifests/{tag}",
            data=manifest.body,
            headers={"Content-Type": manifest.media_type},
            timeout=10,
        ).raise_for_status()
