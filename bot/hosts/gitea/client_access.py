"""Asking about one repository.

Gitea's API addresses repositories by name, in all but one request. Names are changed and taken
over, so that the name that goes with a number is looked up and kept shortly.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import quote

from bot.core.events import Repository
from bot.core.ids import RepositoryId
from bot.hosts.fields import Fields
from bot.hosts.gitea import codec
from bot.hosts.gitea.client_requests import Answer, GiteaRequests, Moved, Values, Verb
from bot.ports import Temporary

T = TypeVar("T")

_KEPT: Final = 30.0
"""Seconds that a name is kept."""


class GiteaAccess:
    """For one thread."""

    def __init__(self, requests: GiteaRequests) -> None:
        self.requests = requests
        self._names: dict[RepositoryId, tuple[float, str]] = {}
        self._me: int | None = None

    def repository(self, path_or_id: str | RepositoryId) -> Repository:
        if isinstance(path_or_id, str):
            path = f"/repos/{quote(path_or_id, safe='/')}"
        else:
            path = f"/repositories/{path_or_id}"
        return self.requests.ask("GET", path).read(codec.repository)

    def ask(
        self,
        verb: Verb,
        repository: Repository,
        path: str,
        query: Values | None = None,
        body: Values | None = None,
    ) -> Answer:
        """One request about one repository, `path` behind its name."""
        try:
            return self.requests.ask(verb, self.at(repository) + path, query, body)
        except Moved as error:
            # It has another name since: that is asked for the next time.
            self._names.pop(repository.id, None)
            raise Temporary(str(error)) from error

    def every(
        self,
        repository: Repository,
        path: str,
        understand: Callable[[Fields], T],
        query: Values | None = None,
        under: str | None = None,
    ) -> tuple[list[T], bool]:
        return self.requests.every(self.at(repository) + path, understand, query, under)

    def at(self, repository: Repository, kept: float = _KEPT) -> str:
        """`/repos/<owner>/<name>` as the repository is called now, or was within `kept` seconds.
        Raises NotFound."""
        now = time.monotonic()
        known = self._names.get(repository.id)
        if known is None or now - known[0] >= kept:
            known = (now, self.repository(repository.id).path)
            self._names[repository.id] = known
        return f"/repos/{known[1]}"

    def own_id(self) -> int:
        """Our user's number: whose comments are our own."""
        if self._me is None:
            self._me = self.requests.ask("GET", "/user").read(lambda fields: fields.number("id"))
        return self._me
