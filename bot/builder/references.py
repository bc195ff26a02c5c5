"""Image references and the patterns that say which of them a build may touch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.builder.classes import BuildClass
from bot.builder.outcome import BuildFailed

# https://github.com/distribution/reference/blob/main/reference.go (grammar in its package comment)
_REFERENCE = re.compile(
    r"(?P<host>(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?)"
    r"/(?P<repository>[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """host/repository[:tag][@digest]; the host always stands in it, docker.io too."""

    host: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def name(self) -> str:
        return f"{self.host}/{self.repository}"

    @property
    def wanted(self) -> str:
        """What to ask the registry for: the digest where there is one."""
        return self.digest or self.tag or "latest"


def parse_reference(text: str) -> Reference:
    """Raises BuildFailed (config)."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise BuildFailed(
            BuildClass.CONFIG,
            f"{text!r} is no image reference: write host/repository:tag in lower case",
        )
    return Reference(match["host"], match["repository"], match["tag"], match["digest"])


def check_allowed(references: Iterable[str], patterns: Sequence[str]) -> None:
    """Each reference's host/repository must match a pattern (`*` stops at `/`, `**` does not)."""
    for text in references:
        name = parse_reference(text).name
        if not _matches(name, patterns):
            raise BuildFailed(
                BuildClass.CONFIG,
                f"this repository may not use the image name {name}; allowed: "
                f"{', '.join(patterns) or 'none'} (the administrator binds repositories to names)",
            )


def is_allowed(text: str, patterns: Sequence[str]) -> bool:
    """Whether it is a reference and its host/repository matches a pattern."""
    match = _REFERENCE.fullmatch(text)
    return match is not None and _matches(f"{match['host']}/{match['repository']}", patterns)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(_glob(pattern).fullmatch(name) for pattern in patterns)


def _glob(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*)", pattern)
    table = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(table.get(part) or re.escape(part) for part in parts))
