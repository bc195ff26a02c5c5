"""What we tell Gitea: commit statuses, reactions, and the one comment of a pull request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bot.core.conversation import Reaction, Spot
from bot.core.events import Person, Repository
from bot.core.ids import Sha
from bot.core.reports import CommitStatus
from bot.hosts.comments import is_called, kept, says_locked
from bot.hosts.fields import Fields
from bot.hosts.gitea import client_answers as answers
from bot.hosts.gitea import codec
from bot.hosts.gitea.client_access import GiteaAccess
from bot.hosts.gitea.client_requests import Broken
from bot.hosts.statustext import described, web_address
from bot.ports import Forbidden, NotFound

_BODY: Final = 65_535
"""MySQL's longest text; other databases take more."""

_REACTIONS: Final[Mapping[Reaction, str]] = {
    Reaction.RECEIVED: "eyes",
    Reaction.ACCEPTED: "rocket",
    Reaction.REFUSED: "confused",
    Reaction.NOTHING: "+1",
}
"""https://docs.gitea.com/administration/config-cheat-sheet#ui-ui, `REACTIONS`"""


class GiteaReports:
    """Comments are our own by our user's number, and by `bot_login` where one is named."""

    def __init__(self, access: GiteaAccess, bot_login: str | None) -> None:
        self._access = access
        self._login = bot_login

    def set_status(self, repository: Repository, sha: Sha, status: CommitStatus) -> float | None:
        body = {
            "state": answers.TO_GITEA[status.state],
            "context": status.context,
            "description": described(status.description),
            "target_url": web_address(status.target_url) or "",
        }
        try:
            answer = self._access.ask("POST", repository, f"/statuses/{sha}", body=body)
        except Broken:
            # That is also how a commit that is gone is answered.
            self._access.ask("GET", repository, f"/git/commits/{sha}", _BRIEF)
            raise
        return answer.read(lambda fields: fields.seconds("created_at"))

    def read_status(self, repository: Repository, sha: Sha, context: str) -> CommitStatus | None:
        """From the combined status, which lists the newest of each context."""
        path = f"/commits/{sha}/status"
        rows, _ = self._access.every(repository, path, answers.status, under="statuses")
        return next((status for name, status in rows if name == context), None)

    def upsert_comment(
        self, repository: Repository, number: int, marker: str, body: str, known_id: int | None
    ) -> int | None:
        text = _fitting(body)

        def make() -> int:
            made = self._access.ask("POST", repository, f"/issues/{number}/comments", body=text)
            return made.read(lambda fields: fields.number("id"))

        def edit(target: int) -> None:
            self._access.ask("PATCH", repository, f"/issues/comments/{target}", body=text)

        target = known_id or self._own_comment(repository, number, marker)
        return kept(target, make, edit, says_locked)

    def _own_comment(self, repository: Repository, number: int, marker: str) -> int | None:
        """The first comment that begins with the marker and is ours: anybody may write the marker,
        and comments of ours show what others wrote. Gitea lists them all at once."""

        def ours(row: Fields) -> int | None:
            found = (row.prose("body") or "").startswith(marker)
            author = codec.person(row.inner_or_none("user"))
            return row.number("id") if found and self.is_own(author) else None

        try:
            answer = self._access.ask("GET", repository, f"/issues/{number}/comments")
        except Broken:
            # That is also how a conversation that does not exist is answered.
            self._access.ask("GET", repository, f"/issues/{number}")
            raise
        return next((found for found in answer.each(ours) if found is not None), None)

    def is_own(self, person: Person) -> bool:
        if is_called(person, self._login):
            return True
        return person.id is not None and person.id == self._access.own_id()

    def has_comment(self, repository: Repository, spot: Spot) -> bool:
        try:
            self._access.ask("GET", repository, f"/issues/comments/{spot.comment_id}")
        except NotFound:
            return False
        return True

    def react(self, repository: Repository, spot: Spot, reaction: Reaction) -> bool:
        if spot.number is None:
            return False
        path = f"/issues/comments/{spot.comment_id}/reactions"
        try:
            self._access.ask("POST", repository, path, body={"content": _REACTIONS[reaction]})
        except Forbidden as error:
            # Locked, or an administrator took the reaction off the list.
            words = str(error).lower()
            if "locked" in words or "reaction" in words:
                return False
            raise
        return True


_BRIEF: Final = {"stat": "false", "verification": "false", "files": "false"}


def _fitting(body: str) -> dict[str, str]:
    """Within the bound in bytes."""
    cut = body.encode("utf-8", "replace")
    if len(cut) <= _BODY:
        return {"body": body}
    return {"body": cut[: _BODY - 3].decode("utf-8", "ignore") + "…"}
