"""Names that a registry or a Git host accepts: image names, tags, references, status contexts.

The grammar is that of https://pkg.go.dev/github.com/distribution/reference and the OCI
distribution specification. Nothing here raises: what is no name is None or an explanation.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.core.ids import ImageKey, Trust

TAG_LENGTH = 128
CONTEXT_LENGTH = 255
NAME_LENGTH = 255
DEFAULT_HOST = "docker.io"

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_TAG_FORBIDDEN = re.compile(r"[^a-zA-Z0-9._-]+")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_COMPONENT_FORBIDDEN = re.compile(r"[^a-z0-9]+")
_HOST_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]{{1,5}})?")
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,512}")
_REQUEST_NAME = re.compile(r"pr-[0-9]+(?:-|$)")
_IMMUTABLE_NAME = re.compile(r"git-[0-9a-f]{12}(?:-|$)")
_CACHE_NAME = re.compile(r"cache-(?:trusted|untrusted)(?:-|$)")


@dataclass(frozen=True, slots=True)
class Reference:
    """A full reference. `host` is `docker.io` where the text names none."""

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        return f"{self.host}/{self.repository}"


def hash8(text: str) -> str:
    """8 hex digits that stand for the text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def is_tag(text: str) -> bool:
    """Whether a registry accepts the text as a tag."""
    return _TAG.fullmatch(text) is not None


def sanitize_tag(text: str) -> str:
    """docker/metadata-action's rule: each run of other characters becomes one `-`.

    The result may still be no tag: empty, too long, or with `.` or `-` in front.
    """
    return _TAG_FORBIDDEN.sub("-", text)


def shorten_tag(text: str) -> str:
    """A name over 128 characters is cut to 119 plus `-` and 8 hex digits of its hash."""
    return text if len(text) <= TAG_LENGTH else f"{text[:119]}-{hash8(text)}"


def request_tag(name: str, number: int) -> str:
    """The name as a pull request may write it: `pr-<number>`, or with `pr-<number>-` in front."""
    own = f"pr-{number}"
    return name if name == own or name.startswith(f"{own}-") else f"{own}-{name}"


def is_reserved_tag(name: str) -> bool:
    """Whether a name is pull requests' (`pr-<n>`), a cache's, or looks like an immutable one."""
    return any(one.match(name) for one in (_REQUEST_NAME, _IMMUTABLE_NAME, _CACHE_NAME))


def immutable_tag(commit: str, recipe: str, attempt: int) -> str:
    """The only tag that a build pod writes: 12 hex of the commit, 8 of the recipe, the attempt."""
    return f"git-{commit[:12]}-{recipe[:8]}-{attempt}"


def cache_tag(trust: Trust, image: ImageKey) -> str:
    """The tag of a cache: one for each trust level and image key, since several images of a file
    may have one name. Keys have at most 63 characters."""
    return f"cache-{trust}-{image}"


def name_fault(name: str) -> str | None:
    """Why the text is no image name (`[host[:port]/]path`), or None where it is one."""
    if not name:
        return "the image name is empty"
    host, path = _split_host(name)
    if len(host) + len(path) + 1 > NAME_LENGTH:
        return f"an image name has at most {NAME_LENGTH} characters"
    if host and not _HOST.fullmatch(host):
        return f"`{host[:80]}` is no registry host"
    if "@" in path or ":" in path:
        return "an image name has no tag and no digest: they belong in `tags`"
    for component in path.split("/"):
        if not _COMPONENT.fullmatch(component):
            return (
                f"`{component[:80]}` is no part of an image name: lower-case letters and digits, "
                "separated by one of `.` `_` `__` or dashes"
            )
    return None


def split_reference(text: str) -> Reference | None:
    """`[host[:port]/]path[:tag][@digest]` in its parts, or None where it is no reference.

    `app` and `user/app` are Docker Hub's, as the docker client reads them.
    """
    rest, _, digest = text.partition("@")
    if "@" in text and not _DIGEST.fullmatch(digest):
        return None
    tag = None
    if ":" in rest.rsplit("/", 1)[-1]:
        rest, _, tag = rest.rpartition(":")
        if not is_tag(tag):
            return None
    if name_fault(rest) is not None:
        return None
    host, path = _split_host(rest)
    if not host or host == "index.docker.io":
        host = DEFAULT_HOST
    if host == DEFAULT_HOST and "/" not in path:
        path = f"library/{path}"
    return Reference(host.lower(), path, tag, digest or None)


def credential_scopes(registries: Iterable[str], pushed: str) -> tuple[str, ...]:
    """What a build needs credentials for: the name that it pushes, in that name's registry, and
    the other registries as they are, for a base image may come from any of them."""
    parts = split_reference(pushed)
    name = f"{parts.host}/{parts.repository}" if parts else ""

    def one(registry: str) -> str:
        within = split_reference(f"{registry}/any")
        return name if parts and within and within.host == parts.host else registry

    return tuple(sorted({one(registry) for registry in registries}))


def default_image_name(registry: str, repository: str, image: str | None = None) -> str:
    """`<registry>/<owner>/<repo>[/<image>]`, valid for any repository path.

    Upper case becomes lower case. A part that needs more than that carries 8 hex digits of its
    hash, so that `.github` never writes the image of `github`.
    """
    parts = [part for part in repository.split("/") if part] + ([image] if image else [])
    path = "/".join(_component(part) for part in parts) or _component("")
    room = NAME_LENGTH - len(registry) - 1
    if len(path) > room > 9:
        path = f"{path[: room - 9].rstrip('/._-')}-{hash8(path)}"
    return f"{registry}/{path}"


def status_context(image: str | None = None) -> str:
    """The commit status context of an image; without one the aggregate's."""
    if image is None:
        return "pushwright"
    context = f"pushwright/{image}"
    if len(context) <= CONTEXT_LENGTH:
        return context
    return f"{context[: CONTEXT_LENGTH - 9]}-{hash8(image)}"


def _component(text: str) -> str:
    lower = text.lower()
    if len(lower) <= 128 and _COMPONENT.fullmatch(lower):
        return lower
    plain = _COMPONENT_FORBIDDEN.sub("-", lower)[:100].strip("-")
    return f"{plain}-{hash8(text)}" if plain else f"x-{hash8(text)}"


def _split_host(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return "", name
