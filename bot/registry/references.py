"""Image names, tags and digests as registries know them: parsed once, safe to put into a URL.

Grammar: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
and, for what is a host and what a path, https://github.com/distribution/reference.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from bot.core.ids import Digest
from bot.ports import Permanent

DOCKER_HUB = "docker.io"
_HUB_API = "registry-1.docker.io"
_HUB_ALIASES = frozenset({DOCKER_HUB, "index.docker.io", _HUB_API, "registry.hub.docker.com"})

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])")
_PORT = re.compile(r"[0-9]{1,5}")
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImageName:
    """A repository in a registry: `host` as users write it, Docker Hub always as docker.io."""

    host: str
    repository: str

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}"

    def reference(self, tag_or_digest: str) -> str:
        """How a user writes this tag or digest of the image."""
        return f"{self}{'@' if is_digest(tag_or_digest) else ':'}{tag_or_digest}"


def parse_name(text: str) -> ImageName:
    """`ghcr.io/acme/api` or `alpine` (docker.io/library/alpine); Permanent for anything else.

    The first part is a host if it has a dot or a colon, or is localhost.
    """
    first, slash, rest = text.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, repository = canonical_host(first), rest
    else:
        host, repository = DOCKER_HUB, text
    if host == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    if len(repository) > 255 or not _REPOSITORY.fullmatch(repository):
        raise Permanent(
            f"{text[:300]!r} is no image name: host, then lower-case parts of letters, "
            "digits, '.', '_' and '-', without a tag"
        )
    return ImageName(host, repository)


def canonical_host(text: str) -> str:
    """A registry host in the one form used as a key: lower case, all names of Docker Hub alike.

    Takes what Docker config files use as keys too: `https://index.docker.io/v1/`.
    """
    host = re.sub(r"^https?://", "", text).partition("/")[0]
    name, port = _split_port(host)
    if not _HOST.fullmatch(name) or (port is not None and not _PORT.fullmatch(port)):
        raise Permanent(f"{text[:300]!r} is no registry host")
    host = host.lower()
    return DOCKER_HUB if host in _HUB_ALIASES else host


def _split_port(host: str) -> tuple[str, str | None]:
    if host.endswith("]"):
        return host, None
    name, colon, port = host.rpartition(":")
    return (name, port) if colon else (host, None)


def api_host(host: str) -> str:
    """The host that serves the API of a registry (Docker Hub has another one)."""
    return _HUB_API if host == DOCKER_HUB else host


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None


def checked_tag(text: str) -> str:
    """The tag itself; Permanent if it is none (a digest is none)."""
    if not is_tag(text):
        raise Permanent(
            f"{text[:200]!r} is no tag: 1 to 128 letters, digits, '_', '.', '-', "
            "not beginning with '.' or '-'"
        )
    return text


def checked_digest(text: str) -> Digest:
    """The digest itself; Permanent if it is none. Only SHA-256 is known."""
    if not is_digest(text):
        raise Permanent(f"{text[:200]!r} is no digest: sha256: and 64 hex digits")
    return Digest(text)


def checked_reference(text: str) -> str:
    """A tag or a digest, fit for a URL."""
    return text if is_digest(text) else checked_tag(text)


def digest_of(body: bytes) -> Digest:
    return Digest("sha256:" + hashlib.sha256(body).hexdigest())
