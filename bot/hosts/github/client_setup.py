"""What GitHub tells of a credential, and the webhooks of repositories and of the App."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from bot.core.centralconfig import Source
from bot.core.events import Repository
from bot.core.hookplan import FoundHook, WantedHook, same_address
from bot.core.hostfacts import (
    AppFacts,
    Credential,
    CredentialKind,
    Installation,
    RepositoryAccess,
)
from bot.hosts.fields import Fields
from bot.hosts.github import client_hooks as hooks
from bot.hosts.github.client_access import AppAccess, TokenAccess, at, every
from bot.hosts.github.client_answers import Answer
from bot.hosts.github.client_credentials import AppTokens
from bot.hosts.github.client_requests import GitHubRequests
from bot.ports import Forbidden, HostError, NotFound, Permanent, Temporary

_LOOKED: Final = 20
_NO_COMMIT: Final = "0" * 40
_LEVELS: Final = (("admin", 50), ("maintain", 40), ("push", 30), ("triage", 25), ("pull", 20))

_TRIES: Final[Mapping[str, Callable[[TokenAccess, str], Answer]]] = {
    "contents": lambda access, selector: access.ask("GET", selector, "/contents/.pushwright.yaml"),
    "pull_requests": lambda access, selector: access.ask(
        "GET", selector, "/pulls", {"per_page": 1, "page": 1}
    ),
    # Nothing can be written: there is no such commit, and no issue 0.
    "statuses": lambda access, selector: access.ask(
        "POST", selector, f"/statuses/{_NO_COMMIT}", body={"state": "pending", "context": "x"}
    ),
    "issues": lambda access, selector: access.ask(
        "POST", selector, "/issues/0/comments", body={"body": "pushwright doctor"}
    ),
    "repository_hooks": lambda access, selector: access.ask("GET", selector, "/hooks", at(1)),
}
"""What is asked to see whether a fine-grained token has a permission: GitHub refuses it with 403
before it looks at what is asked about."""


class GitHubSetup:
    """Satisfies `bot.hostsetup.HostSetup`. `tokens` is None where the source has a token."""

    def __init__(self, source: Source, tokens: AppTokens | None) -> None:
        self._requests = GitHubRequests(source)
        self._app = AppAccess(self._requests, tokens) if tokens is not None else None
        self._token = TokenAccess(source, self._requests) if tokens is None else None

    def close(self) -> None:
        self._requests.close()

    def credential(self) -> Credential:
        before = time.time()
        if self._app is not None:
            answer = self._app.about("/app")
            who = answer.read(lambda app: app.text("slug"))
            return Credential(CredentialKind.APP, who, served=_served(answer, before))
        answer = self._by_token().ask("GET", "/user", "")
        scopes = _scopes(answer)
        return Credential(
            CredentialKind.FINE_GRAINED if scopes is None else CredentialKind.CLASSIC,
            answer.read(lambda user: user.text("login")),
            scopes,
            _expires(answer.headers.get("github-authentication-token-expiration", "")),
            _served(answer, before),
            _whole(answer.headers.get("x-ratelimit-remaining")),
            _whole(answer.headers.get("x-ratelimit-limit")),
        )

    def app(self) -> AppFacts | None:
        app = self._app
        if app is None:
            return None

        def page(number: int) -> list[Installation]:
            return app.about("/app/installations", at(number)).each(_installation)

        permissions, events = app.about("/app").read(_asked_for)
        return AppFacts(permissions, events, tuple(every(page)[0]), self._app_hook(app, events))

    def _app_hook(self, app: AppAccess, events: frozenset[str]) -> FoundHook | None:
        try:
            hook = app.about("/app/hook/config").read(
                lambda config: hooks.hook_of(0, config, events)
            )
        except NotFound:
            return None
        answer = app.about("/app/hook/deliveries", {"per_page": _LOOKED})
        return hooks.with_deliveries(hook, answer) if hook.url else None

    def access(self, repository: Repository) -> RepositoryAccess:
        selector = _selector(repository)
        if self._app is not None:
            return self._app.ask("GET", selector, "").read(
                lambda fields: _access(fields, repository.path, None)
            )
        token = self._by_token()
        answer = token.ask("GET", selector, "")
        found = answer.read(lambda fields: _access(fields, repository.path, _level(fields)))
        if _scopes(answer) is not None:
            return found
        refused, untold = _tried(token, selector)
        return replace(found, refused=refused, untold=untold)

    def hooks(self, repository: Repository, wanted: WantedHook) -> Sequence[FoundHook]:
        token, selector = self._by_token(), _selector(repository)

        def page(number: int) -> list[FoundHook]:
            return token.ask("GET", selector, "/hooks", at(number)).each(hooks.hook)

        return [
            self._looked_at(selector, hook) if same_address(hook.url, wanted.url) else hook
            for hook in every(page)[0]
        ]

    def _looked_at(self, selector: str, hook: FoundHook) -> FoundHook:
        path, query = f"/hooks/{hook.id}/deliveries", {"per_page": _LOOKED}
        return hooks.with_deliveries(hook, self._by_token().ask("GET", selector, path, query))

    def create_hook(self, repository: Repository, wanted: WantedHook, secret: str) -> FoundHook:
        body = {
            "name": "web",
            "active": True,
            "events": [event.key for event in wanted.events],
            "config": hooks.config(wanted, secret),
        }
        return (
            self._by_token()
            .ask("POST", _selector(repository), "/hooks", body=body)
            .read(hooks.hook)
        )

    def repair_hook(
        self, repository: Repository, hook: FoundHook, wanted: WantedHook, secret: str
    ) -> None:
        # A config without the secret would take the secret away.
        body = {
            "active": True,
            "add_events": [event.key for event in wanted.events],
            "config": hooks.config(wanted, secret),
        }
        self._by_token().ask("PATCH", _selector(repository), f"/hooks/{hook.id}", body=body)

    def test_hook(self, repository: Repository, hook: FoundHook) -> str | None:
        self._by_token().ask("POST", _selector(repository), f"/hooks/{hook.id}/pings")
        return None

    def _by_token(self) -> TokenAccess:
        if self._token is None:
            raise Permanent("a GitHub App has one webhook for all repositories, set in the App")
        return self._token


def _selector(repository: Repository) -> str:
    return f"/repositories/{repository.id}"


def _tried(token: TokenAccess, selector: str) -> tuple[frozenset[str], frozenset[str]]:
    """What is refused, and what can't be told."""
    refused, untold = set(), set()
    for key, attempt in _TRIES.items():
        try:
            attempt(token, selector)
        except Forbidden:
            refused.add(key)
        except Temporary:
            untold.add(key)
        except HostError:
            # There is nothing there to be read or written, and it was let in. Hooks are hidden
            # from those who may not see them.
            if key == "repository_hooks":
                refused.add(key)
    return frozenset(refused), frozenset(untold)


def _access(fields: Fields, path: str, level: int | None) -> RepositoryAccess:
    private, archived = fields.flag("private", default=True), fields.flag("archived")
    return RepositoryAccess(path, private, archived, level)


def _level(fields: Fields) -> int | None:
    granted = fields.inner_or_none("permissions")
    if granted is None:
        return None
    return next((level for name, level in _LEVELS if granted.flag(name)), 0)


def _asked_for(app: Fields) -> tuple[Mapping[str, str], frozenset[str]]:
    return _permissions(app), frozenset(app.words("events"))


def _permissions(fields: Fields) -> Mapping[str, str]:
    granted = fields.inner_or_none("permissions")
    values = granted.values if granted is not None else {}
    return {name: value for name, value in values.items() if isinstance(value, str)}


def _installation(fields: Fields) -> Installation:
    account = fields.inner_or_none("account")
    name = account.text_or_none("login") or account.text_or_none("slug") if account else None
    return Installation(
        name or "?",
        fields.has("suspended_at"),
        _permissions(fields),
        frozenset(fields.words("events")),
    )


def _scopes(answer: Answer) -> frozenset[str] | None:
    """None: the token is none of those that have scopes."""
    given = answer.headers.get("x-oauth-scopes")
    if given is None:
        return None
    return frozenset(scope.strip() for scope in given.split(",") if scope.strip())


def _expires(text: str) -> float | None:
    """`2026-03-04 05:06:07 UTC`, or with an offset."""
    try:
        moment = datetime.fromisoformat(
            text.replace(" UTC", "+0000").replace(" +", "+").replace(" -", "-")
        )
    except ValueError:
        return None
    return moment.timestamp()


def _served(answer: Answer, before: float) -> float | None:
    """The host's clock less ours: its date has whole seconds, the answer took its time."""
    return None if answer.at is None else answer.at + 0.5 - (before + time.time()) / 2


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None
