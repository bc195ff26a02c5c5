"""Comments of ours, on any host: which are, and the one under a pull/merge request, edited in
place, else made."""

from __future__ import annotations

from collections.abc import Callable

from bot.core.events import Person
from bot.ports import Forbidden, NotFound


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
