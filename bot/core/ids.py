"""Names for the values that cross module borders, so that a digest is never taken for a commit."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

Sha = NewType("Sha", str)
"""A full Git object id, 40 or 64 lower-case hex digits."""

Digest = NewType("Digest", str)
"""An OCI digest, `sha256:` and 64 hex digits."""

BuildId = NewType("BuildId", str)
"""32 hex digits (128 random bits): the id that stands in the page's address."""

SourceName = NewType("SourceName", str)
"""The key of a source in the central config; also the last part of its webhook address."""

ImageKey = NewType("ImageKey", str)
"""The key of an image in `.pushwright.yaml`."""

RepositoryId = NewType("RepositoryId", int)
"""The host's numeric id of a repository: it stays when the repository is renamed."""

ZERO_SHA = "0" * 40


class HostKind(StrEnum):
    """The kinds of Git host that have a codec and a client."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    """Forgejo as well."""


class Trust(StrEnum):
    """Whether the code of a commit may meet credentials."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"


class Role(StrEnum):
    """What a person may do in a repository, lowest first."""

    NONE = "none"
    READ = "read"
    WRITE = "write"
    MAINTAIN = "maintain"
    ADMIN = "admin"
