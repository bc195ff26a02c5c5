"""What a host tells of what happens in it, and what a hook is set to hear by default."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Protocol

from tests.fakes.githost.model import Comment, Person, Repository, Request
from tests.fakes.githost.web import Asked, Json

GITHUB_EVENTS = (
    "push",
    "create",
    "delete",
    "pull_request",
    "issue_comment",
    "commit_comment",
    "merge_group",
    "release",
)
GITLAB_EVENTS = (
    "Push Hook",
    "Tag Push Hook",
    "Merge Request Hook",
    "Note Hook",
    "Release Hook",
)

Check = Callable[[Asked], str | None]
"""Says what is wrong with a request to the API, or None."""


class Events(Protocol):
    """A host's payloads for what happened."""

    def push(
        self,
        repository: Repository,
        sender: Person,
        before: dict[str, str],
        after: dict[str, str],
        options: list[str],
    ) -> list[tuple[str, Json]]: ...

    def request(
        self, repository: Repository, sender: Person, request: Request, action: str, extra: Json
    ) -> list[tuple[str, Json]]: ...

    def comment(self, repository: Repository, comment: Comment) -> list[tuple[str, Json]]: ...

    def release(
        self, repository: Repository, sender: Person, tag: str
    ) -> list[tuple[str, Json]]: ...


def signing_secret(key: bytes) -> str:
    """How GitLab shows a signing key: `whsec_` and base64."""
    return "whsec_" + base64.b64encode(key).decode()
