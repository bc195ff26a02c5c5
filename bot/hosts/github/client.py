"""The Git host port on GitHub.com and GitHub Enterprise Server.

Repositories are addressed as `/repositories/{id}`, the form that GitHub's own redirects and page
links use: a repository that was renamed, or whose name somebody else took, is still the right one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from bot.core.centralconfig import Source
from bot.core.conversation import Reaction, Spot
from bot.core.events import CommentCreated, Person, Repository, RequestHead
from bot.core.facts import ChangedPaths, KnownPaths, UnknownPaths
from bot.core.ids import RepositoryId, Role, Sha
from bot.core.reports import CommitStatus, Fork
from bot.hosts import git
from bot.hosts.comments import listed, moment
from bot.hosts.fields import Fields
from bot.hosts.github import client_answers as answers
from bot.hosts.github.client_access import Access, AppAccess, TokenAccess, at, every
from bot.hosts.github.client_checks import GitHubChecks
from bot.hosts.github.client_credentials import AppTokens
from bot.hosts.github.client_reports import GitHubReports
from bot.hosts.github.client_requests import PAGE, GitHubRequests
from bot.ports import (
    CloneCredential,
    Commit,
    HostError,
    NotFound,
    Permanent,
    RequestComments,
    RequestRefs,
)

_COMPARED: Final = 300
_REQUEST_FILES: Final = 3000
"""How many files GitHub lists at most; at the bound there may be more."""
_COMMENT_PAGES: Final = 5
_PEEL: Final = 8
"""Tags of tags are followed this far."""


class GitHubHost:
    """One source, for one thread. `tokens` is None where the source has a token, not an App."""

    def __init__(self, source: Source, tokens: AppTokens | None) -> None:
        self._source = source
        self._requests = GitHubRequests(source)
        self._access: Access = (
            TokenAccess(source, self._requests)
            if tokens is None
            else AppAccess(self._requests, tokens)
        )
        checks = None
        if source.reports == "checks" and source.app is not None:
            checks = GitHubChecks(self._access, source.app.id)
        self._reports = GitHubReports(self._access, source.bot_login, checks)
        self._visible: tuple[str, Sha] | None = None

    def close(self) -> None:
        self._requests.close()

    def repository(self, path_or_id: str | RepositoryId) -> Repository:
        if isinstance(path_or_id, str):
            selector = "/repos/" + quote(path_or_id, safe="/")
        else:
            selector = f"/repositories/{path_or_id}"
        return self._access.ask("GET", selector, "").read(answers.repository)

    def repositories(self) -> Sequence[Repository]:
        return self._access.repositories()

    def read_file(self, repository: Repository, path: str, sha: Sha) -> bytes | None:
        selector = selected(repository)
        target = "/contents/" + quote(path.strip("/"), safe="/")
        try:
            answer = self._access.ask("GET", selector, target, {"ref": sha})
        except NotFound:
            # GitHub hides what a credential may not see behind the same 404. Only where the
            # commit itself can be seen is a missing file missing.
            self._see(selector, sha)
            return None
        if answer.is_list():
            raise Permanent(f"{path} is a folder, not a file")
        return answer.read(answers.file_bytes)

    def _see(self, selector: str, sha: Sha) -> None:
        """Raises NotFound where the commit can't be seen."""
        if self._visible != (selector, sha):
            self._access.ask("GET", selector, f"/git/commits/{sha}")
            self._visible = (selector, sha)

    def resolve_ref(self, repository: Repository, ref: str) -> Sha | None:
        selector = selected(repository)
        name = quote(ref.removeprefix("refs/"), safe="/", errors="surrogatepass")
        path = f"/git/ref/{name}"
        try:
            for _ in range(_PEEL):
                answer = self._access.ask("GET", selector, path)
                kind, sha = answer.read(_target)
                if kind != "tag":
                    return sha if kind == "commit" else None
                path = f"/git/tags/{sha}"
        except NotFound:
            return None
        raise Permanent(f"{ref} is a tag of a tag of a tag, more than {_PEEL} deep")

    def refs(self, repository: Repository) -> Mapping[str, Sha]:
        credential = self.clone_credential(repository)
        try:
            return self._list(repository, credential)
        except NotFound:
            # Git is not redirected to another place: ask where the repository is now.
            now = self.repository(repository.id)
            if now.path == repository.path:
                raise
            return self._list(now, credential)

    def _list(self, repository: Repository, credential: CloneCredential) -> Mapping[str, Sha]:
        source = self._source
        url = git.remote_url(source.url, repository.path)
        return git.ls_remote(git.Remote(url, source.ca_file, source.proxy), credential)

    def open_requests(self, repository: Repository) -> RequestRefs:
        def page(number: int) -> list[RequestHead]:
            # Oldest first: what is opened meanwhile comes at the end and shifts nothing.
            query = at(number, state="open", sort="created", direction="asc")
            answer = self._access.ask("GET", selected(repository), "/pulls", query)
            return answer.each(answers.request_head)

        rows, complete = every(page)
        return RequestRefs(tuple({row.number: row for row in rows}.values()), complete)

    def request(self, repository: Repository, number: int) -> tuple[RequestHead, bool] | None:
        try:
            answer = self._access.ask("GET", selected(repository), f"/pulls/{number}")
        except NotFound:
            return None
        return answer.read(answers.request_with_state)

    def changed_paths(self, repository: Repository, base: Sha, head: Sha) -> ChangedPaths:
        try:
            answer = self._compare(repository, base, head)
        except HostError as error:
            return _unknown(error)
        files = answer.read(_files)
        return _known(files, _COMPARED)

    def request_paths(self, repository: Repository, number: int) -> ChangedPaths:
        def page(index: int) -> list[tuple[str, ...]]:
            path = f"/pulls/{number}/files"
            answer = self._access.ask("GET", selected(repository), path, at(index))
            return answer.each(lambda row: tuple(answers.paths(row)))

        try:
            files, _ = every(page, _REQUEST_FILES // PAGE)
        except HostError as error:
            return _unknown(error)
        return _known(files, _REQUEST_FILES)

    def is_ancestor(self, repository: Repository, base: Sha, head: Sha) -> bool | None:
        try:
            answer = self._compare(repository, base, head)
        except NotFound:
            return None
        return answer.read(lambda fields: fields.text("status")) in ("ahead", "identical")

    def merge_base(self, repository: Repository, one: Sha, other: Sha) -> Sha | None:
        try:
            return self._compare(repository, one, other).read(answers.merge_base)
        except NotFound:
            return None

    def _compare(self, repository: Repository, base: Sha, head: Sha) -> answers.Answer:
        # Files come with the first page of commits, whatever its size.
        path = f"/compare/{base}...{head}"
        return self._access.ask("GET", selected(repository), path, {"per_page": 1, "page": 1})

    def commit(self, repository: Repository, sha: Sha) -> Commit | None:
        try:
            answer = self._access.ask("GET", selected(repository), f"/git/commits/{sha}")
        except NotFound:
            return None
        return answer.read(answers.commit)

    def role(self, repository: Repository, person_id: int | None, login: str) -> Role:
        if person_id is None:
            return Role.NONE
        found = self._role(repository, person_id, login)
        if found is None:
            # Renamed since, or the login is somebody else's now.
            current = self._access.person_login(selected(repository), person_id)
            found = self._role(repository, person_id, current) if current else None
        return found or Role.NONE

    def _role(self, repository: Repository, person_id: int, login: str) -> Role | None:
        """None where the login is not that person's, or nobody's."""
        path = f"/collaborators/{quote(login, safe='')}/permission"
        try:
            answer = self._access.ask("GET", selected(repository), path)
        except NotFound:
            return None
        user, role = answer.read(answers.role)
        return role if user.id == person_id else None

    def set_status(self, repository: Repository, sha: Sha, status: CommitStatus) -> float | None:
        return self._reports.set_status(selected(repository), sha, status)

    def read_status(
        self,
        repository: Repository,
        sha: Sha,
        context: str,
        fork: Fork | None = None,  # noqa: ARG002 - GitHub shows a fork's where its request goes to
    ) -> CommitStatus | None:
        return self._reports.read_status(selected(repository), sha, context)

    def upsert_comment(
        self, repository: Repository, number: int, marker: str, body: str, known_id: int | None
    ) -> int | None:
        return self._reports.upsert_comment(selected(repository), number, marker, body, known_id)

    def is_own(self, repository: Repository, person: Person) -> bool:
        return self._reports.is_own(selected(repository), person)

    def has_comment(self, repository: Repository, spot: Spot) -> bool:
        return self._reports.has_comment(selected(repository), spot)

    def request_comments(self, repository: Repository, since: float) -> RequestComments:
        def page(number: int) -> list[CommentCreated | None]:
            # The newest change first: what is changed meanwhile only repeats others.
            query = at(number, since=moment(since), sort="updated", direction="desc")
            answer = self._access.ask("GET", selected(repository), "/issues/comments", query)
            return answer.each(lambda row: answers.comment(row, repository))

        rows, complete = every(page, _COMMENT_PAGES)
        return listed(rows, since, complete=complete)

    def react(self, repository: Repository, spot: Spot, reaction: Reaction) -> bool:
        return self._reports.react(selected(repository), spot, reaction)

    def comment_on_commit(self, repository: Repository, sha: Sha, marker: str, body: str) -> None:
        self._reports.comment_on_commit(selected(repository), sha, marker, body)

    def clone_credential(self, repository: Repository) -> CloneCredential:
        return self._access.clone_credential(repository)


def selected(repository: Repository) -> str:
    return f"/repositories/{repository.id}"


def _target(fields: Fields) -> tuple[str, Sha]:
    target = fields.inner("object")
    return target.text("type"), target.sha("sha")


def _files(fields: Fields) -> list[tuple[str, ...]]:
    return [tuple(answers.paths(row)) for row in fields.items("files")]


def _unknown(error: HostError) -> UnknownPaths:
    """Where GitHub will never tell; raises where asking again may help.

    A diff that takes it too long is refused with 500 or 422, and stays refused:
    https://github.com/github-changelog-generator/github-changelog-generator/issues/920
    """
    if isinstance(error, NotFound) or "diff is taking too long" in str(error):
        return UnknownPaths(str(error))
    raise error


def _known(files: Sequence[tuple[str, ...]], limit: int) -> ChangedPaths:
    if len(files) >= limit:
        return UnknownPaths(f"GitHub lists no more than {limit} changed files")
    return KnownPaths(tuple(dict.fromkeys(path for names in files for path in names)))
