"""GitHub's REST answers as our own values; what can't be read is `Permanent`."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from bot.core.events import CommentCreated, Person, Repository, RequestHead
from bot.core.ids import Role, Sha
from bot.core.reports import CommitStatus, StatusState
from bot.hosts.comments import as_made
from bot.hosts.fields import Fields, Unreadable
from bot.ports import Commit, Permanent, Temporary

T = TypeVar("T")

_GHOST: Final = Person(None, "ghost")
_FILE_BYTES: Final = 1024 * 1024
"""Above this GitHub gives no content in JSON:
https://docs.github.com/en/rest/repos/contents#get-repository-content"""

TO_GITHUB: Final[Mapping[StatusState, str]] = {
    StatusState.PENDING: "pending",
    StatusState.RUNNING: "pending",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failure",
    StatusState.ERROR: "error",
    StatusState.CANCELLED: "error",
}
"""https://docs.github.com/en/rest/commits/statuses#create-a-commit-status knows these four."""

FROM_GITHUB: Final[Mapping[str, StatusState]] = {
    "pending": StatusState.PENDING,
    "success": StatusState.SUCCESS,
    "failure": StatusState.FAILURE,
    "error": StatusState.ERROR,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What GitHub answered to a request that it accepted."""

    text: str
    what: str
    at: float | None = None
    """When it was answered, by GitHub's clock, in whole seconds since the epoch."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in small letters."""

    def read(self, understand: Callable[[Fields], T]) -> T:
        """The answer as an object; Temporary where it is no JSON (a proxy's page, mostly)."""
        value = self._json()
        if not isinstance(value, dict):
            raise Permanent(f"{self.what}: GitHub answered something that is not an object")
        return self._understood(lambda: understand(Fields(value)))

    def each(self, understand: Callable[[Fields], T], under: str | None = None) -> list[T]:
        """The answer as a list of objects, or the list under a name of it."""
        value = self._json()
        holder = value if under and isinstance(value, dict) else {"items": value}
        fields = Fields(holder)
        return self._understood(lambda: [understand(row) for row in fields.items(under or "items")])

    def is_list(self) -> bool:
        return isinstance(self._json(), list)

    def _json(self) -> object:
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise Temporary(f"{self.what}: the answer is not JSON") from error

    def _understood(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except Unreadable as wrong:
            text = f"{self.what}: GitHub's answer can't be read at {wrong.where}: {wrong.reason}"
            raise Permanent(text) from wrong


def repository(fields: Fields) -> Repository:
    return Repository(
        fields.repository_id("id"),
        fields.repository_path("full_name"),
        fields.text_or_none("default_branch"),
        fields.text_or_none("clone_url") or "",
        fields.text_or_none("html_url") or "",
        private=fields.flag("private", default=True),
        description=fields.shown("description"),
        licenses=fields.shown("license", "spdx_id"),
    )


def person(fields: Fields | None) -> Person:
    if fields is None:
        return _GHOST
    login = fields.text_or_none("login") or _GHOST.login
    return Person(fields.number_or_none("id"), login, bot=fields.text_or_none("type") == "Bot")


def request_head(fields: Fields) -> RequestHead:
    head, base = fields.inner("head"), fields.inner("base")
    fork = head.inner_or_none("repo")
    return RequestHead(
        number=fields.number("number"),
        head_sha=head.sha("sha"),
        head_branch=head.text("ref"),
        head_repository=fork.repository_id("id") if fork else None,
        base_branch=base.text("ref"),
        author=person(fields.inner_or_none("user")),
        base_sha=base.sha_or_none("sha"),
        draft=fields.flag("draft"),
        labels=tuple(name for label in fields.items("labels") if (name := label.prose("name"))),
        title=fields.prose("title") or "",
    )


def request_with_state(fields: Fields) -> tuple[RequestHead, bool]:
    return request_head(fields), fields.text("state") == "open"


def comment(fields: Fields, repository: Repository) -> CommentCreated | None:
    """None for one on an issue, and for one that was edited. Only the address of its page tells
    what it stands on: https://docs.github.com/en/rest/issues/comments"""
    number = fields.text("issue_url").rpartition("/")[2]
    if not number.isdecimal() or f"/issues/{number}#" in fields.text("html_url"):
        return None
    if not as_made(fields):
        return None
    return CommentCreated(
        repository,
        person(fields.inner_or_none("user")),
        fields.number("id"),
        fields.prose("body") or "",
        number=int(number),
        created_at=fields.seconds("created_at"),
    )


def status(fields: Fields) -> tuple[str, CommitStatus | None]:
    """Its context, and the status; None where its state is no word that we know."""
    context, state = fields.text("context"), FROM_GITHUB.get(fields.text("state"))
    if state is None:
        return context, None
    description = fields.prose("description") or ""
    return context, CommitStatus(context, state, description, fields.prose("target_url"))


def paths(fields: Fields) -> Iterator[str]:
    """Both names of one changed file; they may hold any character."""
    for name in ("filename", "previous_filename"):
        if value := fields.prose(name):
            yield value


def merge_base(fields: Fields) -> Sha | None:
    found = fields.inner_or_none("merge_base_commit")
    return found.sha("sha") if found else None


def file_bytes(fields: Fields) -> bytes:
    """The content of a file. Raises Permanent for what has none to give."""
    kind, path = fields.text("type"), fields.prose("path")
    if kind != "file" or fields.has("submodule_git_url"):
        raise Permanent(f"{path} is a {kind}, not a file")
    size = fields.values.get("size")
    if isinstance(size, int) and size > _FILE_BYTES:
        raise Permanent(f"{path} has {size} bytes; files over 1 MiB are not read")
    content = fields.values.get("content")
    if fields.text_or_none("encoding") != "base64" or not isinstance(content, str):
        raise Permanent(f"{path}: GitHub gave no content for this file")
    try:
        return base64.b64decode(content)
    except (binascii.Error, ValueError) as error:
        raise Temporary(f"{path}: the content that GitHub sent is not base64") from error


def role(fields: Fields) -> tuple[Person, Role]:
    """Whose, and by the base permission: a custom role counts as the one that it builds upon.

    https://docs.github.com/en/rest/collaborators/collaborators
    """
    user = person(fields.inner_or_none("user"))
    match fields.text("permission"):
        case "admin":
            return user, Role.ADMIN
        case "write" if fields.text_or_none("role_name") == "maintain":
            return user, Role.MAINTAIN
        case "write":
            return user, Role.WRITE
        case "read":
            return user, Role.READ
        case _:
            return user, Role.NONE


def commit(fields: Fields) -> Commit:
    """https://docs.github.com/en/rest/git/commits#get-a-commit-object"""
    committer = fields.inner_or_none("committer")
    date = committer.moment("date") if committer is not None else None
    return Commit(fields.prose("message") or "", date)
