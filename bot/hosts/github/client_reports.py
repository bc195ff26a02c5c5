"""What we tell GitHub: commit statuses or check runs, and the one comment of a pull request."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from bot.core.conversation import Reaction, Spot
from bot.core.events import Person
from bot.core.ids import Sha
from bot.core.reports import CommitStatus, Detail
from bot.hosts.comments import fitting, is_called, kept, says_locked
from bot.hosts.fields import Fields
from bot.hosts.github import client_answers as answers
from bot.hosts.github.client_access import Access, at, every
from bot.hosts.github.client_checks import GitHubChecks
from bot.hosts.statustext import described, web_address
from bot.ports import Forbidden, NotFound

_BODY: Final = 65_536
"""https://github.com/mshick/add-pr-comment/issues/93: a longer body is refused."""

_REACTIONS: Final[Mapping[Reaction, str]] = {
    Reaction.RECEIVED: "eyes",
    Reaction.ACCEPTED: "rocket",
    Reaction.REFUSED: "confused",
    Reaction.NOTHING: "+1",
}
"""https://docs.github.com/en/rest/reactions/reactions#about-reactions"""


class GitHubReports:
    """`selector` is `/repositories/{id}` everywhere. Comments are our own by our user's id,
    which stays when an App is renamed, and by `bot_login` where the administrator names one.
    `checks`: where the source reports by them."""

    def __init__(
        self, access: Access, bot_login: str | None, checks: GitHubChecks | None = None
    ) -> None:
        self._access = access
        self._login = bot_login
        self._checks = checks

    def set_status(self, selector: str, sha: Sha, status: CommitStatus) -> float | None:
        if self._checks is not None:
            detail = status.detail or Detail(status.context, status.description)
            return self._checks.set(selector, sha, status, detail)
        body = {
            "state": answers.TO_GITHUB[status.state],
            "context": status.context,
            "description": described(status.description),
            "target_url": web_address(status.target_url),
        }
        return self._access.ask("POST", selector, f"/statuses/{sha}", body=body).at

    def read_status(self, selector: str, sha: Sha, context: str) -> CommitStatus | None:
        """From the combined status, which lists the newest of each context."""
        if self._checks is not None:
            return self._checks.read(selector, sha, context)

        def page(number: int) -> list[tuple[str, CommitStatus | None]]:
            answer = self._access.ask("GET", selector, f"/commits/{sha}/status", at(number))
            return answer.each(answers.status, "statuses")

        # Contexts are the same in any case: https://docs.github.com/en/rest/commits/statuses
        for name, status in every(page)[0]:
            if name.lower() == context.lower():
                return status
        return None

    def upsert_comment(
        self, selector: str, number: int, marker: str, body: str, known_id: int | None
    ) -> int | None:
        text = fitting(body, _BODY)

        def make() -> int:
            made = self._access.ask("POST", selector, f"/issues/{number}/comments", body=text)
            return made.read(lambda fields: fields.number("id"))

        def edit(target: int) -> None:
            self._access.ask("PATCH", selector, f"/issues/comments/{target}", body=text)

        target = known_id or self._own_comment(selector, number, marker)
        return kept(target, make, edit, says_locked)

    def _own_comment(self, selector: str, number: int, marker: str) -> int | None:
        return self._own(selector, f"/issues/{number}/comments", marker)

    def _own(self, selector: str, path: str, marker: str) -> int | None:
        """The first comment that begins with the marker and is ours: anybody may write the marker,
        and comments of ours show what others wrote."""

        def ours(row: Fields) -> int | None:
            author = answers.person(row.inner_or_none("user"))
            found = (row.prose("body") or "").startswith(marker)
            return row.number("id") if found and self.is_own(selector, author) else None

        def page(index: int) -> list[int | None]:
            return self._access.ask("GET", selector, path, at(index)).each(ours)

        return next((row for row in every(page)[0] if row is not None), None)

    def is_own(self, selector: str, person: Person) -> bool:
        if is_called(person, self._login):
            return True
        return person.id is not None and person.id == self._access.own_id(selector)

    def has_comment(self, selector: str, spot: Spot) -> bool:
        try:
            self._access.ask("GET", selector, _comment(spot))
        except NotFound:
            return False
        return True

    def react(self, selector: str, spot: Spot, reaction: Reaction) -> bool:
        path = f"{_comment(spot)}/reactions"
        try:
            self._access.ask("POST", selector, path, body={"content": _REACTIONS[reaction]})
        except Forbidden as error:
            if says_locked(error):
                return False
            raise
        return True

    def comment_on_commit(self, selector: str, sha: Sha, marker: str, body: str) -> None:
        path, text = f"/commits/{sha}/comments", fitting(body, _BODY)
        own = self._own(selector, path, marker)
        if own is None:
            self._access.ask("POST", selector, path, body=text)
            return
        # Takes Contents: write, which few Apps have; what stands there then stays.
        with suppress(Forbidden):
            self._access.ask("PATCH", selector, f"/comments/{own}", body=text)


def _comment(spot: Spot) -> str:
    comments = "/issues/comments" if spot.number is not None else "/comments"
    return f"{comments}/{spot.comment_id}"
