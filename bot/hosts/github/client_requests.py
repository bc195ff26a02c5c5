"""Requests to GitHub's REST API through PyGithub's requester, with our own transport below it.

PyGithub writes the request and the authentication header; what it would do with the answer is
replaced: it follows a 301 with a repeated POST, takes a 307 for success, and recurses without an
end on 202 (github/Requester.py of 2.10). Hence `Connection`, and `requestJson` instead of objects.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any, Final, Literal, NoReturn

import github
import requests
from github.Requester import HTTPSRequestsConnectionClass, RequestsResponse

from bot.core.centralconfig import Source
from bot.hosts.github.client_answers import Answer
from bot.hosts.transport import (
    TIMEOUT,
    HostSession,
    http_date,
    quoted,
    retry_after,
    session_of,
    unreachable,
    until,
)
from bot.ports import Forbidden, HostError, NotFound, Permanent, Temporary

Verb = Literal["GET", "POST", "PATCH", "DELETE"]

API_VERSION: Final = "2022-11-28"
PAGE: Final = 100
_SECONDARY: Final = 60.0
"""Seconds to wait where GitHub does not say: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api"""


class Unauthorised(Exception):
    """401: the credential was refused. `headers` has the server's date. Stays in this package."""

    def __init__(self, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.headers = headers


class Moved(Exception):
    """GitHub redirected a write; nothing was done. Stays in this package."""


class Connection(HTTPSRequestsConnectionClass):
    """What PyGithub calls to send one request: our session instead of its own."""

    def __init__(self, session: HostSession, base: str) -> None:
        super().__init__("")
        self.session.close()
        self.session = session
        self._base = base

    def getresponse(self) -> RequestsResponse:
        response = self.session.request(
            self.verb, self._base + self.url, headers=self.headers, data=self.input, timeout=TIMEOUT
        )
        if 300 <= response.status_code < 400:
            raise Moved(f"{self.verb} was answered {response.status_code}")
        if response.status_code == 202 and self.verb == "GET":
            raise Temporary("GitHub is still preparing this answer", 2.0)
        return RequestsResponse(response)


class GitHubRequests:
    """One thread's way to one GitHub. Every method raises `bot.ports` errors, and besides them
    `Unauthorised` and `Moved`."""

    def __init__(self, source: Source) -> None:
        # PyGithub's debug lines hold whole answers, those to requests for a token among them.
        logging.getLogger("github.Requester").setLevel(logging.INFO)
        self._session = session_of(source)
        api = source.api_url.rstrip("/")
        scheme, _, rest = api.partition("://")
        self._connection = Connection(self._session, f"{scheme}://{rest.partition('/')[0]}")
        self._github = github.Github(
            base_url=api,
            lazy=True,
            retry=None,
            per_page=PAGE,
            pool_size=1,
            seconds_between_requests=None,
            seconds_between_writes=None,
            user_agent="pushwright",
            api_version=API_VERSION,
        )

    def close(self) -> None:
        self._github.close()
        self._session.close()

    def ask(
        self,
        verb: Verb,
        path: str,
        auth: github.Auth.Auth | None,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """One request, exactly one attempt. `path` begins behind the API's root. `auth` None: as
        nobody."""
        what = f"{verb} {path}"
        requester = self._github.requester.withAuth(auth)
        try:
            status, headers, text = requester.requestJson(
                verb, path, parameters=dict(query or {}), input=body, cnx=self._connection
            )
        except (Moved, HostError):
            raise
        except requests.RequestException as error:
            raise unreachable(error, f"GitHub: {what}") from error
        except (github.GithubException, AssertionError, RuntimeError, ValueError) as error:
            # PyGithub validates by assertion: a wrong base URL, an answer that is not text.
            reason = type(error).__name__
            raise Permanent(f"GitHub: {what}: the client refused it ({reason})") from error
        if status >= 400:
            _refuse(status, headers, text, what, auth.token if auth else "")
        return Answer(text, f"GitHub: {what}", http_date(headers.get("date", "")), headers)


def _refuse(status: int, headers: Mapping[str, str], text: str, what: str, token: str) -> NoReturn:
    said = quoted(_message(text), token)
    message = f"GitHub: {what} was answered {status}: {said}"
    if status == 401:
        raise Unauthorised(message, headers)
    if status in (403, 429) and (limited := _limit(status, headers, said)) is not None:
        raise Temporary(message, limited)
    if status == 403:
        raise Forbidden(message + _needed(headers))
    if status in (404, 410, 451):
        raise NotFound(message)
    if status == 409 and "repository is empty" in said.lower():
        raise NotFound(message)
    if status == 422 and "no commit found for sha" in said.lower():
        raise NotFound(message)
    if status in (408, 409, 425) or status >= 500:
        raise Temporary(message, retry_after(headers, time.time()))
    raise Permanent(message)


def _message(text: str) -> str:
    """GitHub's message with the texts of its `errors`, whatever their form."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "no JSON (a proxy in between?)" if text else "nothing"
    if not isinstance(value, dict):
        return str(value)
    words = [str(value.get("message", ""))]
    errors = value.get("errors")
    words += [
        str(error.get("message") or error) if isinstance(error, dict) else str(error)
        for error in (errors if isinstance(errors, list) else [])
    ]
    return "; ".join(filter(None, words))


def _limit(status: int, headers: Mapping[str, str], said: str) -> float | None:
    """Seconds to wait where this refusal is a rate limit; None where it is none.

    A primary limit says when it ends, a secondary one may; GitHub answers 403 or 429 for both.
    """
    now = time.time()
    if (after := retry_after(headers, now)) is not None:
        return after
    lower = said.lower()
    if "secondary rate limit" in lower or "abuse detection" in lower:
        return _SECONDARY
    if headers.get("x-ratelimit-remaining") == "0" or "rate limit exceeded" in lower:
        return until(headers.get("x-ratelimit-reset"), headers, now) or _SECONDARY
    return _SECONDARY if status == 429 else None


def _needed(headers: Mapping[str, str]) -> str:
    """The permission that GitHub says is missing."""
    needed = headers.get("x-accepted-github-permissions") or headers.get("x-accepted-oauth-scopes")
    return f" (needs the permission {quoted(needed)})" if needed else ""
