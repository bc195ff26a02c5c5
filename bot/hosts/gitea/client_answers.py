"""Gitea's REST answers as our own values."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from bot.core.events import CommentCreated, Person, Repository, RequestHead
from bot.core.ids import Role, Sha
from bot.core.reports import CommitStatus, StatusState
from bot.hosts.comments import as_made
from bot.hosts.fields import Fields
from bot.hosts.gitea import codec
from bot.ports import Commit, Permanent, Temporary

_FILE_BYTES: Final = 1024 * 1024

TO_GITEA: Final[Mapping[StatusState, str]] = {
    StatusState.PENDING: "pending",
    StatusState.RUNNING: "pending",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failure",
    StatusState.ERROR: "error",
    StatusState.CANCELLED: "error",
}
"""`warning` and `skipped` let a protected branch be merged into, and are never written."""

FROM_GITEA: Final[Mapping[str, StatusState]] = {
    "pending": StatusState.PENDING,
    "success": StatusState.SUCCESS,
    "failure": StatusState.FAILURE,
    "error": StatusState.ERROR,
    "warning": StatusState.FAILURE,
    "skipped": StatusState.CANCELLED,
}

_ROLES: Final[Mapping[str, Role]] = {
    "owner": Role.ADMIN,
    "admin": Role.ADMIN,
    "write": Role.WRITE,
    "read": Role.READ,
}


def request_with_state(fields: Fields) -> tuple[RequestHead, bool]:
    return codec.request_head(fields), fields.text("state") == "open"


def status(fields: Fields) -> tuple[str, CommitStatus | None]:
    """Its context, and the status; None where its state is no word that we know."""
    context, state = fields.text("context"), FROM_GITEA.get(fields.text("status"))
    if state is None:
        return context, None
    description = fields.prose("description") or ""
    return context, CommitStatus(context, state, description, fields.prose("target_url") or None)


def comment(fields: Fields, repository: Repository) -> CommentCreated | None:
    """None for one on an issue, and for one that was edited."""
    number = (fields.text_or_none("pull_request_url") or "").rpartition("/")[2]
    if not number.isdecimal() or not as_made(fields):
        return None
    return CommentCreated(
        repository,
        codec.person(fields.inner_or_none("user")),
        fields.number("id"),
        fields.prose("body") or "",
        number=int(number),
        created_at=fields.seconds("created_at"),
    )


def commit(fields: Fields) -> Commit:
    inside = fields.inner("commit")
    committer = inside.inner_or_none("committer")
    date = committer.moment("date") if committer is not None else None
    # Gitea gives the commit's own text, which git ends with a newline; the other hosts cut it off.
    return Commit((inside.prose("message") or "").rstrip("\n"), date)


def branch_head(fields: Fields) -> Sha:
    return fields.inner("commit").sha("id")


def tag_commit(fields: Fields) -> Sha:
    """The commit under the tag, however it is tagged."""
    return fields.inner("commit").sha("sha")


def role(fields: Fields) -> tuple[Person, Role]:
    user = codec.person(fields.inner_or_none("user"))
    return user, _ROLES.get(fields.text("permission"), Role.NONE)


def file_bytes(fields: Fields) -> bytes:
    """The content of a file. Raises Permanent for what has none to give."""
    kind, path = fields.text("type"), fields.prose("path")
    if kind != "file":
        raise Permanent(f"{path} is a {kind}, not a file")
    size, content = fields.values.get("size"), fields.values.get("content")
    if isinstance(size, int) and size > _FILE_BYTES:
        raise Permanent(f"{path} has {size} bytes; files over 1 MiB are not read")
    if fields.text_or_none("encoding") != "base64" or not isinstance(content, str):
        raise Permanent(f"{path}: Gitea gave no content for this file")
    try:
        return base64.b64decode(content)
    except (binascii.Error, ValueError) as error:
        raise Temporary(f"{path}: the content that Gitea sent is not base64") from error
