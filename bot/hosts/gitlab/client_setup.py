"""What GitLab tells of a token, and the webhooks of projects.

https://docs.gitlab.com/api/project_webhooks/, https://docs.gitlab.com/api/personal_access_tokens/
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from bot.core.centralconfig import Source
from bot.core.events import Repository
from bot.core.hookplan import FoundHook, WantedHook, same_address
from bot.core.hostfacts import AppFacts, Credential, CredentialKind, RepositoryAccess
from bot.hosts.fields import Fields
from bot.hosts.gitlab.client_requests import GitLabRequests, read
from bot.ports import HostError, NotFound, Permanent

_LOOKED: Final = 10
"""Each delivery is listed with its whole body."""

_FLAG: Final = "_events"


class GitLabSetup:
    """Satisfies `bot.hostsetup.HostSetup`."""

    def __init__(self, source: Source) -> None:
        self._requests = GitLabRequests(source)

    def close(self) -> None:
        self._requests.close()

    def credential(self) -> Credential:
        """Project and group tokens are personal ones of a user that GitLab made for them."""
        before = time.time()
        who, _ = self._requests.one("/user", _user)
        headers, served = self._requests.headers, self._requests.answered_at()
        known = Credential(
            CredentialKind.GITLAB,
            who,
            served=None if served is None else served + 0.5 - (before + time.time()) / 2,
            left=_whole(headers.get("ratelimit-remaining")),
            quota=_whole(headers.get("ratelimit-limit")),
        )
        try:
            scopes, expires = self._requests.one("/personal_access_tokens/self", _token)
        except NotFound:  # before 15.5, or an OAuth token
            return known
        return replace(known, scopes=scopes, expires=expires)

    def app(self) -> AppFacts | None:
        return None

    def access(self, repository: Repository) -> RepositoryAccess:
        path = f"/projects/{repository.id}"
        _, number = self._requests.one("/user", _user)
        found = self._requests.one(path, lambda fields: _project(fields, repository.path))
        try:
            level = self._requests.one(f"{path}/members/all/{number}", _level)
        except NotFound:
            level = 0
        return replace(found, level=level)

    def hooks(self, repository: Repository, wanted: WantedHook) -> Sequence[FoundHook]:
        path = f"/projects/{repository.id}/hooks"
        found, _ = self._requests.every(path, _hook)
        return [
            self._looked_at(path, hook) if same_address(hook.url, wanted.url) else hook
            for hook in found
        ]

    def _looked_at(self, path: str, hook: FoundHook) -> FoundHook:
        """With its last deliveries, which GitLab lists since 17.3."""
        query = {"per_page": _LOOKED, "page": 1}
        where = f"{path}/{hook.id}/events"
        try:
            rows = self._requests.ask("get", where, query)
        except HostError:
            return hook
        codes = read({"rows": rows}, f"GitLab: GET {where}", _codes)
        failed = sum(not 200 <= code < 400 for code in codes)
        return replace(
            hook, failed=failed, looked=len(codes), last_code=codes[0] if codes else None
        )

    def create_hook(self, repository: Repository, wanted: WantedHook, secret: str) -> FoundHook:
        # GitLab ticks push events unless told otherwise; all others are off.
        path = f"/projects/{repository.id}/hooks"
        made = self._requests.ask("post", path, body=_body(wanted, secret))
        return read(made, f"GitLab: POST {path}", _hook)

    def repair_hook(
        self, repository: Repository, hook: FoundHook, wanted: WantedHook, secret: str
    ) -> None:
        path = f"/projects/{repository.id}/hooks/{hook.id}"
        self._requests.ask("put", path, body=_body(wanted, secret))

    def test_hook(self, repository: Repository, hook: FoundHook) -> str | None:
        """A push event as GitLab would send it: one that is answered well enables the hook."""
        try:
            self._requests.ask(
                "post", f"/projects/{repository.id}/hooks/{hook.id}/test/push_events"
            )
        except Permanent as error:
            return str(error)
        return None


def _body(wanted: WantedHook, secret: str) -> Mapping[str, str | bool]:
    events = {event.key: True for event in wanted.events}
    key = "signing_token" if wanted.signed else "token"
    return {"url": wanted.url, "enable_ssl_verification": True, key: secret, **events}


def _user(fields: Fields) -> tuple[str, int]:
    return fields.text("username"), fields.number("id")


def _token(fields: Fields) -> tuple[frozenset[str], float | None]:
    """`expires_at` is a day, at whose beginning (UTC) the token ends."""
    try:
        day = datetime.fromisoformat(fields.text_or_none("expires_at") or "")
        expires = day.replace(tzinfo=day.tzinfo or UTC).timestamp()
    except ValueError:
        expires = None
    return frozenset(fields.words("scopes")), expires


def _project(fields: Fields, path: str) -> RepositoryAccess:
    private = fields.text_or_none("visibility") != "public"
    return RepositoryAccess(path, private, fields.flag("archived"))


def _level(fields: Fields) -> int:
    level = fields.values.get("access_level")
    return level if isinstance(level, int) else 0


def _hook(fields: Fields) -> FoundHook:
    ticked = (name for name, value in fields.values.items() if value is True)
    return FoundHook(
        fields.number("id"),
        fields.prose("url") or "",
        frozenset(name for name in ticked if name.endswith(_FLAG)),
        secret=_told(fields, "token_present"),
        signed=_told(fields, "signing_token_present"),
        verify_tls=fields.flag("enable_ssl_verification", default=True),
        disabled=_disabled(fields),
    )


def _told(fields: Fields, name: str) -> bool | None:
    """Older releases do not say."""
    return fields.flag(name) if fields.has(name) else None


def _disabled(fields: Fields) -> str | None:
    """https://docs.gitlab.com/user/project/integrations/webhooks/#auto-disabled-webhooks"""
    match fields.text_or_none("alert_status"):
        case "disabled":
            return "GitLab disabled it for good after 40 failures in a row"
        case "temporarily_disabled":
            until = fields.text_or_none("disabled_until")
            return f"GitLab sends nothing until {until}, after failures in a row"
        case _:
            return None


def _codes(fields: Fields) -> list[int]:
    """`response_status` is the code as text, or words where nobody answered."""
    found = (row.values.get("response_status") for row in fields.items("rows"))
    return [int(text) if isinstance(text, str) and text.isdigit() else 0 for text in found]


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None
