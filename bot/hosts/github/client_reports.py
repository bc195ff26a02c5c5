"""What we tell GitHub: commit statuses, and the one comment of a pull request."""

from __future__ import annotations

from typing import Final

from bot.core.ids import Sha
from bot.core.reports import CommitStatus
from bot.hosts.fields import Fields
from bot.hosts.github import client_answers as answers
from bot.hosts.github.client_access import Access, at, every
from bot.hosts.statustext import described, web_address
from bot.ports import Forbidden, NotFound

_BODY: Final = 65_536
"""https://github.com/mshick/add-pr-comment/issues/93: a longer body is refused."""


class GitHubReports:
    """`selector` is `/repositories/{id}` everywhere. Comments are our own by our user's id, or by
    `bot_login` where the administrator names one."""

    def __init__(self, access: Access, bot_login: str | None) -> None:
        self._access = access
        self._login = bot_login

    def set_status(self, selector: str, sha: Sha, status: CommitStatus) -> None:
        body = {
            "state": answers.TO_GITHUB[status.state],
            "context": status.context,
            "description": described(status.description),
            "target_url": web_address(status.target_url),
        }
        self._access.ask("POST", selector, f"/statuses/{sha}", body=body)

    def read_status(self, selector: str, sha: Sha, context: str) -> CommitStatus | None:
        """From the combined status, which lists the newest of each context."""

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
        text = {"body": body if len(body) <= _BODY else body[: _BODY - 1] + "…"}
        target = known_id or self._own_comment(selector, number, marker)
        try:
            if target is None:
                path = f"/issues/{number}/comments"
                made = self._access.ask("POST", selector, path, body=text)
                return made.read(lambda fields: fields.number("id"))
            self._access.ask("PATCH", selector, f"/issues/comments/{target}", body=text)
        except NotFound:
            if target is None:
                raise
            return None
        except Forbidden as error:
            if "locked" in str(error).lower():
                return None
            raise
        return target

    def _own_comment(self, selector: str, number: int, marker: str) -> int | None:
        """The first comment that has the marker and is ours: anybody may write the marker."""
        me = None if self._login else self._access.own_id(selector)

        def ours(row: Fields) -> int | None:
            author = answers.person(row.inner_or_none("user"))
            mine = author.login == self._login if self._login else author.id == me
            found = mine and marker in (row.prose("body") or "")
            return row.number("id") if found else None

        def page(index: int) -> list[int | None]:
            path = f"/issues/{number}/comments"
            return self._access.ask("GET", selector, path, at(index)).each(ours)

        return next((row for row in every(page)[0] if row is not None), None)
