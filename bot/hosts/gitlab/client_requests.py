"""Requests to GitLab's REST API through python-gitlab, and its errors as ours."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

import gitlab
import requests

from bot.core.centralconfig import Source
from bot.hosts.fields import Fields, Unreadable
from bot.hosts.transport import (
    TIMEOUT,
    http_date,
    quoted,
    read_secret,
    retry_after,
    session_of,
    unreachable,
    until,
)
from bot.ports import Forbidden, HostError, NotFound, Permanent, Temporary

T = TypeVar("T")
Verb = Literal["get", "post", "put"]
Query = Mapping[str, Any]

PAGE: Final = 100
_PAGES: Final = 100
_LOCKED: Final = (0.5, 5.0)
"""Seconds after which a commit that another request holds is tried again, at random between."""


class Transition(Permanent):
    """400: the status is already there or further. Stays in this package."""


class GitLabRequests:
    """One thread's way to one GitLab. The token is read from its file at each use."""

    def __init__(self, source: Source) -> None:
        if source.token_file is None:
            raise Permanent(f"source {source.name} has no `token-file`")
        self._file = source.token_file
        self._session = session_of(source)
        # Redirects never leave the host (the session sees to that), nor do the pages: we count.
        self._gitlab = gitlab.Gitlab(
            source.api_url.rstrip("/").removesuffix("/api/v4"),
            ssl_verify=self._session.verified,
            per_page=PAGE,
            keep_base_url=True,
            retry_transient_errors=False,
            user_agent="pushwright",
            session=self._session,
        )

    def close(self) -> None:
        self._session.close()

    def answered_at(self) -> float | None:
        """When GitLab answered last, by its own clock, in whole seconds since the epoch."""
        return http_date(self._session.last.get("date", ""))

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the latest answer; names are looked up in any case."""
        return self._session.last

    def token(self) -> str:
        return read_secret(self._file)

    def ask(
        self, verb: Verb, path: str, query: Query | None = None, body: Query | None = None
    ) -> object:
        """One request, exactly one attempt; the JSON that came. Raises `bot.ports` errors."""
        what = f"GitLab: {verb.upper()} {path}"
        token = self.token()
        try:
            response = self._gitlab.http_request(
                verb,
                path,
                query_data=dict(query or {}),
                post_data=dict(body) if body is not None else None,
                timeout=TIMEOUT,  # type: ignore[arg-type] # handed through to requests, which takes a pair
                obey_rate_limit=False,
                retry_transient_errors=False,
                extra_headers={"PRIVATE-TOKEN": token},
            )
        except gitlab.GitlabError as error:
            raise _refusal(error, self._session.last, what, token) from error
        except HostError:
            raise
        except requests.RequestException as error:
            raise unreachable(error, what) from error
        try:
            value: object = response.json()
        except (ValueError, RecursionError) as error:
            raise Temporary(f"{what}: the answer is not JSON (a proxy in between?)") from error
        return value

    def one(self, path: str, understand: Callable[[Fields], T], query: Query | None = None) -> T:
        """An object."""
        return read(self.ask("get", path, query), f"GitLab: GET {path}", understand)

    def every(
        self,
        path: str,
        understand: Callable[[Fields], T],
        query: Query | None = None,
        pages: int = _PAGES,
    ) -> tuple[list[T], bool]:
        """The objects of all pages, and whether that is all of them."""
        rows: list[T] = []
        for number in range(1, pages + 1):
            found = self.page(path, understand, query or {}, number)
            rows.extend(found)
            if len(found) < PAGE:
                return rows, True
        return rows, False

    def page(
        self, path: str, understand: Callable[[Fields], T], query: Query, number: int
    ) -> list[T]:
        """The objects of one page, from 1."""
        return read(
            {"items": self.ask("get", path, {**query, "per_page": PAGE, "page": number})},
            f"GitLab: GET {path}",
            lambda fields: [understand(row) for row in fields.items("items")],
        )


def _refusal(  # noqa: PLR0911 - one line per answer is the table
    error: gitlab.GitlabError, headers: Mapping[str, str], what: str, token: str
) -> HostError:
    """Our error for an answer that is not a success."""
    status = error.response_code or 0
    said = quoted(_words(error.error_message), token)
    message = f"{what} was answered {status}: {said}"
    if isinstance(error, gitlab.RedirectError) or 300 <= status < 400:
        return Temporary(f"{what} was redirected elsewhere: is the source's address right?")
    if status >= 500 or status in (408, 425):
        return Temporary(message, retry_after(headers, time.time()))
    match status:
        case 400 if "cannot transition status" in said.lower():
            return Transition(message)
        case 401:
            return Forbidden(f"{message} (the token is wrong, revoked or expired)")
        case 403:
            return Forbidden(message + _needed(what, said))
        case 404 | 410 | 451:
            return NotFound(message)
        case 409:
            # python-gitlab looks for this in the reason phrase; GitLab writes it into the body.
            return Temporary(message, random.uniform(*_LOCKED))  # noqa: S311 - jitter, no secret
        case 429:
            return Temporary(message, _wait(headers))
    return Permanent(message)


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds until GitLab takes requests again."""
    now = time.time()
    for after in (retry_after(headers, now), until(headers.get("ratelimit-reset"), headers, now)):
        if after is not None:
            return after
    return 60.0


def read(value: object, what: str, understand: Callable[[Fields], T]) -> T:
    """Raises Permanent where an answer is not what GitLab documents."""
    if not isinstance(value, dict):
        raise Permanent(f"{what}: GitLab answered something that is not an object")
    try:
        return understand(Fields(value))
    except Unreadable as wrong:
        text = f"{what}: GitLab's answer can't be read at {wrong.where}: {wrong.reason}"
        raise Permanent(text) from wrong


def part(text: str) -> str:
    """One segment of a path; slashes in it are encoded."""
    return quote(text, safe="", errors="surrogatepass")


def _words(message: object) -> str:
    """GitLab's message: a text, bytes, or texts by field."""
    match message:
        case bytes():
            return message[:2000].decode("utf-8", "replace")
        case dict():
            return "; ".join(f"{name}: {_words(value)}" for name, value in message.items())
        case list():
            return ", ".join(_words(value) for value in message)
        case _:
            return str(message)


def _needed(what: str, said: str) -> str:
    """What the token lacks. GitLab does not name it."""
    if "insufficient_scope" in said:
        return " (the token needs the scope `api`)"
    if "/statuses/" in what:
        return (
            " (the token's user needs the Developer role, and on a protected branch the right to"
            " push or merge there)"
        )
    return " (the token needs the scope `api` and its user the Developer role)"
