"""Comments on any host: which of the new ones read as they were made, which are ours, and the one
of ours under a pull/merge request, edited in place, else made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from bot.core.events import CommentCreated, Person
from bot.hosts.fields import Fields
from bot.ports import Forbidden, NotFound, RequestComments


def as_made(comment: Fields) -> bool:
    """Whether the comment reads as it was made. Its last change may bear another fraction of the
    same second."""
    made, changed = comment.seconds("created_at"), comment.seconds("updated_at")
    return made is not None and changed is not None and changed - made < 1


def listed(
    rows: Iterable[CommentCreated | None], since: float, *, complete: bool
) -> RequestComments:
    """Each once, in the order they were made. None: not one to hear. Times of hosts may be whole
    seconds."""
    found = {row.comment_id: row for row in rows if row is not None}
    late = [row for row in found.values() if (row.created_at or 0.0) >= int(since)]
    ordered = sorted(late, key=lambda row: (row.created_at or 0.0, row.comment_id))
    return RequestComments(tuple(ordered), complete)


def moment(at: float) -> str:
    """As hosts take times: whole seconds, the earlier one."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def kept(
    target: int | None,
    make: Callable[[], int],
    edit: Callable[[int], object],
    locked: Callable[[Forbidden], bool],
) -> int | None:
    """The id of the comment that shows the text now. None: somebody deleted `target`, or the
    conversation is locked (which `locked` tells of a refusal), and it stays away. NotFound: the
    conversation itself is gone."""
    try:
        if target is None:
            return make()
        edit(target)
    except NotFound:
        if target is None:
            raise
        return None
    except Forbidden as error:
        if locked(error):
            return None
        raise
    return target


def is_called(person: Person, login: str | None) -> bool:
    """No host tells logins apart by their case."""
    return login is not None and person.login.lower() == login.lower()


def says_locked(error: Forbidden) -> bool:
    """GitHub and Gitea say so in words."""
    return "locked" in str(error).lower()


def fitting(body: str, limit: int) -> dict[str, str]:
    """The body of the request, at most `limit` characters."""
    return {"body": body if len(body) <= limit else body[: limit - 1] + "…"}
