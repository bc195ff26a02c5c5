"""What Gitea tells of a token, and the webhooks of repositories.

https://docs.gitea.com/development/oauth2-provider#scopes, https://docs.gitea.com/api/1.26/
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bot.core.centralconfig import Source
from bot.core.events import Repository
from bot.core.hookplan import FoundHook, WantedHook, same_address
from bot.core.hostfacts import AppFacts, Credential, CredentialKind, RepositoryAccess
from bot.hosts.fields import Fields
from bot.hosts.gitea.client_access import GiteaAccess
from bot.hosts.gitea.client_requests import Answer, Broken, GiteaRequests
from bot.ports import Forbidden, HostError, Temporary

_LEVELS: Final = (("admin", 50), ("push", 30), ("pull", 20))
_NO_COMMIT: Final = "0" * 40

_TRIES: Final[Mapping[str, Callable[[GiteaAccess, Repository], Answer]]] = {
    # Nothing can be written: there is no such commit, and no conversation 0.
    "repository": lambda access, repository: access.ask(
        "POST", repository, f"/statuses/{_NO_COMMIT}", body={"state": "pending", "context": "x"}
    ),
    "issue": lambda access, repository: access.ask(
        "POST", repository, "/issues/0/comments", body={"body": "pushwright doctor"}
    ),
}
"""What is asked to see whether the token has a scope: it is refused with 403 before Gitea looks at
what is asked about. No answer lists the scopes of a token."""

_ONLY: Final = {"pull_request": "pull_request_only"}
"""Gitea takes `pull_request` for all events whose names begin so, and shows the one by the short
name: https://github.com/go-gitea/gitea/blob/v1.26.0/routers/api/v1/utils/hook.go"""


class GiteaSetup:
    """Satisfies `bot.hostsetup.HostSetup`."""

    def __init__(self, source: Source) -> None:
        self._requests = GiteaRequests(source)
        self._access = GiteaAccess(self._requests)

    def close(self) -> None:
        self._requests.close()

    def credential(self) -> Credential:
        before = time.time()
        answer = self._requests.ask("GET", "/user")
        served = None if answer.at is None else answer.at + 0.5 - (before + time.time()) / 2
        who = answer.read(lambda user: user.text("login"))
        return Credential(CredentialKind.GITEA, who, served=served)

    def app(self) -> AppFacts | None:
        return None

    def access(self, repository: Repository) -> RepositoryAccess:
        answer = self._access.ask("GET", repository, "")
        refused, untold = set(), set()
        for key, attempt in _TRIES.items():
            try:
                attempt(self._access, repository)
            except Forbidden as error:
                if "scope" in str(error):
                    refused.add(key)
            except Broken:
                pass  # that is how a commit or conversation that is not there is answered
            except Temporary:
                untold.add(key)
            except HostError:
                pass  # there is nothing there to be written, and it was let in
        return answer.read(
            lambda fields: RepositoryAccess(
                repository.path,
                fields.flag("private", default=True),
                fields.flag("archived"),
                _level(fields),
                frozenset(refused),
                frozenset(untold),
            )
        )

    def hooks(self, repository: Repository, wanted: WantedHook) -> Sequence[FoundHook]:  # noqa: ARG002 - no deliveries are listed
        return self._access.every(repository, "/hooks", _hook)[0]

    def create_hook(self, repository: Repository, wanted: WantedHook, secret: str) -> FoundHook:
        events = frozenset(event.key for event in wanted.events)
        return self._create(repository, wanted, events, secret)

    def _create(
        self, repository: Repository, wanted: WantedHook, events: frozenset[str], secret: str
    ) -> FoundHook:
        body = {
            "type": "gitea",
            "active": True,
            "events": sorted(_ONLY.get(event, event) for event in events),
            "config": {"url": wanted.url, "content_type": "json", "secret": secret},
        }
        return self._access.ask("POST", repository, "/hooks", body=body).read(_hook)

    def repair_hook(
        self, repository: Repository, hook: FoundHook, wanted: WantedHook, secret: str
    ) -> None:
        """Makes another and takes the old one away: Gitea changes no secret of a hook there is.
        In this order, so that no event is lost; one that comes twice is planned once."""
        events = hook.events | {event.key for event in wanted.events}
        self._create(repository, wanted, events, secret)
        self._access.ask("DELETE", repository, f"/hooks/{hook.id}")

    def test_hook(self, repository: Repository, hook: FoundHook) -> str | None:
        """Of what stands at its address now: mending gave it another number."""
        found = self._access.every(repository, "/hooks", _hook)[0]
        for one in found:
            if same_address(one.url, hook.url):
                self._access.ask("POST", repository, f"/hooks/{one.id}/tests")
        return None


def _level(fields: Fields) -> int | None:
    granted = fields.inner_or_none("permissions")
    if granted is None:
        return None
    return next((level for name, level in _LEVELS if granted.flag(name)), 0)


def _hook(fields: Fields) -> FoundHook:
    config = fields.inner("config")
    return FoundHook(
        fields.number("id"),
        config.prose("url") or "",
        frozenset(fields.words("events")),
        active=fields.flag("active"),
        json=config.text_or_none("content_type") == "json",
        disabled=_filtered(fields),
    )


def _filtered(fields: Fields) -> str | None:
    branches = fields.prose("branch_filter")
    if branches in (None, "", "*"):
        return None
    return f"it is only sent for branches that match {branches}"
