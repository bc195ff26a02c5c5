"""Asking GitHub as somebody: as the owner of a token, or as an App through its installations.

A repository is selected as `/repositories/{id}` or, where only its name is known, `/repos/{path}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import github

from bot.core.centralconfig import Source
from bot.core.events import Repository
from bot.hosts.fields import Fields
from bot.hosts.github import client_answers as answers
from bot.hosts.github.client_credentials import AppTokens, InstallationToken, installation_token
from bot.hosts.github.client_requests import PAGE, GitHubRequests, Moved, Unauthorised, Verb
from bot.hosts.transport import read_secret
from bot.ports import CloneCredential, Forbidden, NotFound, Permanent, Temporary

T = TypeVar("T")
Query = Mapping[str, Any]

_PAGES: Final = 100
_USER: Final = "x-access-token"
"""The name that goes with every kind of token in Git over HTTP."""


class Access(Protocol):
    """What a client needs of whoever it acts for."""

    def ask(
        self,
        verb: Verb,
        selector: str,
        path: str,
        query: Query | None = None,
        body: Query | None = None,
    ) -> answers.Answer:
        """One request about one repository, `path` behind its selector."""

    def repositories(self) -> Sequence[Repository]: ...

    def own_id(self, selector: str) -> int:
        """Our user's id: whose comments are our own."""

    def clone_credential(self, repository: Repository) -> CloneCredential: ...

    def person_login(self, selector: str, person_id: int) -> str | None:
        """The login that the person has now; None: there is no such account."""


def every(page: Callable[[int], list[T]], pages: int = _PAGES) -> tuple[list[T], bool]:
    """The rows of all pages, and whether that is all of them."""
    rows: list[T] = []
    for number in range(1, pages + 1):
        found = page(number)
        rows.extend(found)
        if len(found) < PAGE:
            return rows, True
    return rows, False


def at(number: int, **more: str | int) -> Query:
    """The query of one page."""
    return {"per_page": PAGE, "page": number, **more}


class TokenAccess:
    """A personal access token, classic or fine-grained, read from its file at each use."""

    def __init__(self, source: Source, requests: GitHubRequests) -> None:
        if source.token_file is None:
            raise Permanent(f"source {source.name} has neither `app` nor `token-file`")
        self._file = source.token_file
        self._requests = requests
        self._me: int | None = None

    def ask(
        self,
        verb: Verb,
        selector: str,
        path: str,
        query: Query | None = None,
        body: Query | None = None,
    ) -> answers.Answer:
        auth = github.Auth.Token(read_secret(self._file))
        try:
            return self._requests.ask(verb, selector + path, auth, query, body)
        except Unauthorised as error:
            raise Forbidden(f"{error} (the token is wrong, revoked or expired)") from error
        except Moved as error:
            raise Temporary(f"GitHub redirected {verb} {selector}{path} elsewhere") from error

    def repositories(self) -> Sequence[Repository]:
        def page(number: int) -> list[Repository]:
            query = at(number, sort="full_name")
            return self.ask("GET", "/user", "/repos", query).each(answers.repository)

        return every(page)[0]

    def own_id(self, selector: str) -> int:  # noqa: ARG002 - an App needs it
        if self._me is None:
            self._me = self.ask("GET", "/user", "").read(lambda fields: fields.number("id"))
        return self._me

    def clone_credential(self, repository: Repository) -> CloneCredential:  # noqa: ARG002 - an App needs it
        return CloneCredential(_USER, read_secret(self._file))

    def person_login(self, selector: str, person_id: int) -> str | None:  # noqa: ARG002 - an App needs it
        try:
            return self.ask("GET", f"/user/{person_id}", "").read(_login)
        except NotFound:
            return None


class AppAccess:
    """A GitHub App. `tokens` is shared by the threads of a source, this object is not."""

    def __init__(self, requests: GitHubRequests, tokens: AppTokens) -> None:
        self._requests = requests
        self._tokens = tokens
        self._me: int | None = None

    def ask(
        self,
        verb: Verb,
        selector: str,
        path: str,
        query: Query | None = None,
        body: Query | None = None,
    ) -> answers.Answer:
        installation = self._installation(selector)
        for attempt in (1, 2):
            token = self._tokens.token(installation, lambda: self._mint(installation, {}))
            auth = github.Auth.Token(token.value)
            try:
                return self._requests.ask(verb, selector + path, auth, query, body)
            except Unauthorised as error:
                # Refused before anything was done: once more with a new token repeats nothing.
                self._tokens.drop(installation, token)
                if attempt == 2:
                    self._tokens.installed(selector, None)
                    text = f"GitHub refuses a fresh token of the App: {error}"
                    raise Temporary(text) from error
            except Moved as error:
                text = f"GitHub redirected {verb} {selector}{path} elsewhere"
                raise Temporary(text) from error
        raise AssertionError  # the second attempt returns or raises

    def about(self, path: str, query: Query | None = None) -> answers.Answer:
        """Reading what is the App's own: what it asks for, where it is installed, its webhook."""
        return self._as_app("GET", path, query, None)

    def _as_app(
        self, verb: Verb, path: str, query: Query | None, body: Query | None
    ) -> answers.Answer:
        """With the App's own token. Where GitHub refuses it our clock is off: take GitHub's."""
        for attempt in (1, 2):
            auth = github.Auth.AppAuthToken(self._tokens.signed())
            try:
                return self._requests.ask(verb, path, auth, query, body)
            except Unauthorised as error:
                if attempt == 2 or not self._tokens.learn(error.headers.get("date", "")):
                    text = f"{error} (is the App's id right, and the private key one of its own?)"
                    raise Forbidden(text) from error
            except Moved as error:
                raise Temporary(f"GitHub redirected {verb} {path} elsewhere") from error
        raise AssertionError  # the second attempt returns or raises

    def _installation(self, selector: str) -> int:
        known = self._tokens.installation(selector)
        if known is not None:
            return known
        try:
            answer = self._as_app("GET", selector + "/installation", None, None)
        except NotFound as error:
            text = f"the GitHub App is not installed on {selector}, or it is suspended"
            raise Forbidden(text) from error
        found = answer.read(lambda fields: fields.number("id"))
        if selector.startswith("/repositories/"):
            self._tokens.installed(selector, found)
        return found

    def _mint(self, installation: int, body: Query) -> InstallationToken:
        path = f"/app/installations/{installation}/access_tokens"
        try:
            return self._as_app("POST", path, None, body).read(installation_token)
        except NotFound as error:
            # Removed, or removed and installed anew: the next attempt looks it up and knows.
            self._tokens.gone(installation)
            raise Temporary("the GitHub App's installation is gone or suspended") from error

    def repositories(self) -> Sequence[Repository]:
        found: list[Repository] = []
        for installation in self._installations():
            found += self._installed(installation)
        return found

    def _installations(self) -> list[int]:
        def page(number: int) -> list[tuple[int, bool]]:
            answer = self._as_app("GET", "/app/installations", at(number), None)
            return answer.each(lambda row: (row.number("id"), row.has("suspended_at")))

        return [number for number, suspended in every(page)[0] if not suspended]

    def _installed(self, installation: int) -> list[Repository]:
        token = self._tokens.token(installation, lambda: self._mint(installation, {}))
        auth = github.Auth.Token(token.value)

        def page(number: int) -> list[Repository]:
            path = "/installation/repositories"
            answer = self._requests.ask("GET", path, auth, at(number))
            return answer.each(answers.repository, "repositories")

        try:
            return every(page)[0]
        except (Unauthorised, Moved) as error:
            self._tokens.drop(installation, token)
            raise Temporary(f"GitHub refuses a token of the App: {error}") from error

    def own_id(self, selector: str) -> int:
        """Of the App's bot user, whose login is its slug and `[bot]`."""
        if self._me is None:
            slug = self._as_app("GET", "/app", None, None).read(lambda app: app.text("slug"))
            path = f"/users/{slug}%5Bbot%5D"
            self._me = self._any("GET", selector, path).read(lambda user: user.number("id"))
        return self._me

    def clone_credential(self, repository: Repository) -> CloneCredential:
        """A token of its own that reads this repository's contents and nothing else."""
        selector = f"/repositories/{repository.id}"
        body = {"repository_ids": [repository.id], "permissions": {"contents": "read"}}
        token = self._mint(self._installation(selector), body)
        return CloneCredential(_USER, token.value, self._tokens.by_our_clock(token.expires))

    def person_login(self, selector: str, person_id: int) -> str | None:
        try:
            return self._any("GET", selector, f"/user/{person_id}").read(_login)
        except NotFound:
            return None

    def _any(self, verb: Verb, selector: str, path: str) -> answers.Answer:
        """A request that is about no repository, with the token of that one's installation."""
        installation = self._installation(selector)
        token = self._tokens.token(installation, lambda: self._mint(installation, {}))
        try:
            return self._requests.ask(verb, path, github.Auth.Token(token.value))
        except (Unauthorised, Moved) as error:
            self._tokens.drop(installation, token)
            raise Temporary(f"GitHub refuses a token of the App: {error}") from error


def _login(user: Fields) -> str:
    return user.text("login")
