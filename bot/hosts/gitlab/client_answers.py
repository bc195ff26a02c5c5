"""GitLab's REST answers as our own values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bot.core.events import CommentCreated, Person, Repository, RequestHead
from bot.core.ids import Role
from bot.core.reports import CommitStatus, StatusState
from bot.hosts.comments import as_made
from bot.hosts.fields import Fields
from bot.hosts.gitlab import vocabulary
from bot.ports import Commit

TO_GITLAB: Final[Mapping[StatusState, str]] = {
    StatusState.PENDING: "pending",
    StatusState.RUNNING: "running",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failed",
    StatusState.ERROR: "failed",
    StatusState.CANCELLED: "canceled",
}
"""https://docs.gitlab.com/api/commits/#set-commit-pipeline-status; `skipped` can open a merge
gate and is never used."""

FROM_GITLAB: Final[Mapping[str, StatusState]] = {
    "created": StatusState.PENDING,
    "pending": StatusState.PENDING,
    "running": StatusState.RUNNING,
    "success": StatusState.SUCCESS,
    "failed": StatusState.FAILURE,
    "canceled": StatusState.CANCELLED,
    "canceling": StatusState.CANCELLED,
    "skipped": StatusState.CANCELLED,
}

PROGRESS: Final[Mapping[StatusState, int]] = {
    StatusState.PENDING: 0,
    StatusState.RUNNING: 1,
    StatusState.SUCCESS: 2,
    StatusState.FAILURE: 2,
    StatusState.ERROR: 2,
    StatusState.CANCELLED: 2,
}
"""How far each state is on the one way that GitLab allows."""

_ROLES: Final[Mapping[int, Role]] = {
    10: Role.NONE,
    15: Role.READ,
    20: Role.READ,
    25: Role.READ,
    30: Role.WRITE,
    40: Role.MAINTAIN,
    50: Role.ADMIN,
    60: Role.ADMIN,
}
"""By name, never by comparison: 15 (planner) and 25 (security manager) came later and give no
right to push. https://docs.gitlab.com/api/access_requests/#valid-access-levels"""


def repository(fields: Fields) -> Repository:
    return Repository(
        fields.repository_id("id"),
        fields.repository_path("path_with_namespace"),
        fields.text_or_none("default_branch"),
        fields.text_or_none("http_url_to_repo") or "",
        fields.text_or_none("web_url") or "",
        private=fields.text_or_none("visibility") != "public",
        description=fields.shown("description"),
    )


def person(fields: Fields | None) -> Person:
    if fields is None:
        return Person(None, "ghost")
    login = fields.text_or_none("username") or "ghost"
    bot = vocabulary.BOT_LOGIN.fullmatch(login) is not None
    return Person(fields.number_or_none("id"), login, bot=bot)


def request_head(fields: Fields) -> RequestHead | None:
    """None while GitLab has no head yet: a merge request without a change."""
    sha = fields.sha_or_none("sha")
    if sha is None:
        return None
    source = "source_project_id"
    return RequestHead(
        number=fields.number("iid"),
        head_sha=sha,
        head_branch=fields.text("source_branch"),
        head_repository=fields.repository_id(source) if fields.has(source) else None,
        base_branch=fields.text("target_branch"),
        author=person(fields.inner_or_none("author")),
        draft=fields.flag("draft") or fields.flag("work_in_progress"),
        labels=fields.words("labels"),
        title=fields.prose("title") or "",
    )


def request_with_state(fields: Fields) -> tuple[RequestHead, bool] | None:
    head = request_head(fields)
    return None if head is None else (head, fields.text("state") == "opened")


def commented(fields: Fields, repository: Repository) -> tuple[float, CommentCreated | None]:
    """When somebody commented, and the note where it is one on a merge request that reads as it was
    made (a reaction to it counts as a change here, too) and not on a line of the code.

    https://docs.gitlab.com/api/events/#list-all-visible-events-for-a-project
    """
    at, note = fields.seconds("created_at") or 0.0, fields.inner_or_none("note")
    if note is None or note.text_or_none("noteable_type") != "MergeRequest":
        return at, None
    if (
        note.flag("system")
        or note.text_or_none("type") == vocabulary.ON_A_LINE
        or not as_made(note)
    ):
        return at, None
    return at, CommentCreated(
        repository,
        person(note.inner_or_none("author")),
        note.number("id"),
        note.prose("body") or "",
        number=note.number("noteable_iid"),
        created_at=note.seconds("created_at"),
        internal=note.flag("internal") or note.flag("confidential"),
    )


def paths(fields: Fields) -> tuple[str, ...]:
    """Both names of one changed file."""
    names = (fields.prose("new_path"), fields.prose("old_path"))
    return tuple(dict.fromkeys(name for name in names if name))


def status(fields: Fields) -> tuple[int, CommitStatus | None]:
    """Its id (a later one is newer), and the status."""
    state = FROM_GITLAB.get(fields.text("status"))
    if state is None:
        return fields.number("id"), None
    shown = CommitStatus(
        fields.text("name"),
        state,
        fields.prose("description") or "",
        fields.prose("target_url"),
        fields.prose("ref"),
    )
    return fields.number("id"), shown


def role(fields: Fields) -> Role:
    """Blocked and deactivated people have none, whatever their level."""
    if fields.text_or_none("state") != "active":
        return Role.NONE
    level = fields.values.get("access_level")
    return _ROLES.get(level, Role.NONE) if isinstance(level, int) else Role.NONE


def commit(fields: Fields) -> Commit:
    """https://docs.gitlab.com/api/commits/#get-a-single-commit"""
    return Commit(fields.prose("message") or "", fields.moment("committed_date"))
