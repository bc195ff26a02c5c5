"""The OCI labels that docker/metadata-action writes, with the same keys and meanings.

Keys: https://github.com/opencontainers/image-spec/blob/main/annotations.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

PREFIX = "org.opencontainers.image."
STABLE = ("title", "description", "url", "source", "licenses")
"""Those that are equal for every commit, so that an unchanged image keeps its digest."""


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """What the Git host says of a repository; empty where it says nothing."""

    title: str
    url: str
    description: str = ""
    licenses: str = ""


def oci_labels(
    facts: RepositoryFacts, *, version: str, revision: str, created: datetime
) -> dict[str, str]:
    """All eight labels, sorted by key. `created` is aware and written in UTC to the millisecond."""
    moment = created.astimezone(UTC)
    values = {
        "created": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z",
        "description": facts.description,
        "licenses": facts.licenses,
        "revision": revision,
        "source": facts.url,
        "title": facts.title,
        "url": facts.url,
        "version": version,
    }
    return {PREFIX + key: value for key, value in values.items()}


def stable_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Those of the labels that no commit changes, without empty ones; the user's own all stay."""
    changing = {PREFIX + key for key in ("created", "revision", "version")}
    known = {PREFIX + key for key in STABLE}
    return {
        key: value
        for key, value in labels.items()
        if key not in changing and (value or key not in known)
    }
