"""Cutting of a status to what the hosts accept; the same limits hold on both."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

DESCRIPTION: Final = 140
"""Characters of a description: GitHub refuses more, GitLab takes 255; neither document says so
(https://github.com/palantir/policy-bot/pull/72)."""
ADDRESS: Final = 255
"""Characters of `target_url` at GitLab: https://gitlab.com/gitlab-org/gitlab/-/issues/501079"""


def described(text: str, limit: int = DESCRIPTION) -> str:
    """One line without characters beyond the basic plane (GitHub refuses them), at most `limit`."""
    kept = "".join(c if c.isprintable() else " " for c in text if ord(c) < 0x10000)
    line = " ".join(kept.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def web_address(url: str | None, limit: int | None = None) -> str | None:
    """The address of a page, or None where the host would refuse it and with it the status."""
    if not url or not url.isascii() or not url.isprintable() or " " in url:
        return None
    if limit is not None and len(url) > limit:
        return None
    return url if urlsplit(url).scheme in ("http", "https") else None
