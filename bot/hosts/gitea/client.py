"""The Git host port on Gitea and Forgejo.

What its API does not tell (what changed between two commits, their merge base) git itself is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar
from urllib.parse import quote

from bot.core.centralconfig import Source
from bot.core.conversation import Reaction, Spot
from bot.core.events import Person, Repository, RequestHead
from bot.core.facts import ChangedPaths, UnknownPaths
from bot.core.ids import RepositoryId, Role, Sha
from bot.core.reports import CommitStatus, Fork
from bot.hosts import comparison, git
from bot.hosts.comments import listed, moment
from bot.hosts.fields import Fields
from bot.hosts.gitea import client_answers as answers
from bot.hosts.gitea import codec
from bot.hosts.gitea.client_access import GiteaAccess
from bot.hosts.gitea.client_reports import GiteaReports
from bot.hosts.gitea.client_requests import GiteaRequests
from bot.ports import (
    CloneCredential,
    Commit,
    Forbidden,
    NotFound,
    Permanent,
    RequestComments,
    RequestRefs,
)

T = TypeVar("T")

_USER: Final = "pushwright"
"""Any name will do beside a token: https://docs.gitea.com/development/api-usage#authentication"""
_COMMENT_PAGES: Final = 10
_BRIEF: Final = {"stat": "false", "verification": "false", "files": "false"}


class GiteaHost:
    """One source, for one thread."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._requests = GiteaRequests(source)
        self._access = GiteaAccess(self._requests)
        self._reports = GiteaReports(self._access, source.bot_login)
        self._visible: tuple[RepositoryId, Sha] | None = None

    def close(self) -> None:
        self._requests.close()

    def repository(self, path_or_id: str | RepositoryId) -> Repository:
        return self._access.repository(path_or_id)

    def repositories(self) -> Sequence[Repository]:
        rows, _ = self._requests.every("/user/repos", _writable)
        return [row for row in rows if row is not None]

    def read_file(self, repository: Repository, path: str, sha: Sha) -> bytes | None:
        target = f"/contents/{quote(path.strip('/'), safe='/', errors='surrogatepass')}"
        try:
            answer = self._access.ask("GET", repository, target, {"ref": sha})
        except NotFound:
            # The same 404 is given for a commit that is gone. Only where the commit can be seen
            # is a missing file missing.
            self._see(repository, sha)
            return None
        if isinstance(answer.value(), list):
            raise Permanent(f"{path} is a folder, not a file")
        return answer.read(answers.file_bytes)

    def _see(self, repository: Repository, sha: Sha) -> None:
        """Raises NotFound where the commit can't be seen."""
        if self._visible != (repository.id, sha):
            self._access.ask("GET", repository, f"/git/commits/{sha}", _BRIEF)
            self._visible = (repository.id, sha)

    def resolve_ref(self, repository: Repository, ref: str) -> Sha | None:
        if (branch := ref.removeprefix("refs/heads/")) != ref:
            return self._found(repository, f"/branches/{_part(branch)}", answers.branch_head)
        if (tag := ref.removeprefix("refs/tags/")) != ref:
            return self._found(repository, f"/tags/{_part(tag)}", answers.tag_commit)
        return self._found(repository, f"/git/commits/{_part(ref)}", lambda row: row.sha("sha"))

    def _found(
        self, repository: Repository, path: str, understand: Callable[[Fields], T]
    ) -> T | None:
        try:
            return self._access.ask("GET", repository, path, _BRIEF).read(understand)
        except NotFound:
            return None

    def refs(self, repository: Repository) -> Mapping[str, Sha]:
        return self._by_git(repository, git.ls_remote)

    def _by_git(
        self, repository: Repository, work: Callable[[git.Remote, CloneCredential | None], T]
    ) -> T:
        credential = self.clone_credential(repository)
        try:
            return work(self._remote(repository.path), credential)
        except NotFound:
            # Git is not redirected to another place: ask where the repository is now.
            now = self.repository(repository.id)
            if now.path == repository.path:
                raise
            return work(self._remote(now.path), credential)

    def _remote(self, path: str) -> git.Remote:
        source = self._source
        return git.Remote(git.remote_url(source.url, path), source.ca_file, source.proxy)

    def open_requests(self, repository: Repository) -> RequestRefs:
        # Oldest first: what is opened meanwhile comes at the end and shifts nothing.
        query = {"state": "open", "sort": "oldest"}
        try:
            rows, complete = self._access.every(repository, "/pulls", codec.request_head, query)
        except NotFound:
            # So it is in a mirror, an empty repository, and where pull requests are switched off.
            self._access.repository(repository.id)
            return RequestRefs((), complete=False)
        return RequestRefs(tuple({row.number: row for row in rows}.values()), complete)

    def request(self, repository: Repository, number: int) -> tuple[RequestHead, bool] | None:
        return self._found(repository, f"/pulls/{number}", answers.request_with_state)

    def changed_paths(self, repository: Repository, base: Sha, head: Sha) -> ChangedPaths:
        return self._by_git(
            repository,
            lambda remote, credential: comparison.changed_paths(remote, credential, base, head),
        )

    def request_paths(self, repository: Repository, number: int) -> ChangedPaths:
        found = self.request(repository, number)
        if found is None:
            return UnknownPaths(f"there is no pull request {number}")
        head, _ = found
        if head.base_sha is None:
            return UnknownPaths(f"the branch {head.base_branch} is gone")
        return self.changed_paths(repository, head.base_sha, head.head_sha)

    def is_ancestor(self, repository: Repository, base: Sha, head: Sha) -> bool | None:
        found = self.merge_base(repository, base, head)
        return None if found is None else found == base

    def merge_base(self, repository: Repository, one: Sha, other: Sha) -> Sha | None:
        return self._by_git(
            repository,
            lambda remote, credential: comparison.merge_base(remote, credential, one, other),
        )

    def commit(self, repository: Repository, sha: Sha) -> Commit | None:
        return self._found(repository, f"/git/commits/{sha}", answers.commit)

    def role(self, repository: Repository, person_id: int | None, login: str) -> Role:
        if person_id is None:
            return Role.NONE
        found = self._role(repository, person_id, login) if login else None
        if found is None:
            # Renamed since, or the login is somebody else's now.
            current = self._login(person_id)
            found = self._role(repository, person_id, current) if current else None
        return found or Role.NONE

    def _role(self, repository: Repository, person_id: int, login: str) -> Role | None:
        """None where the login is not that person's, or nobody's."""
        path = f"/collaborators/{_part(login)}/permission"
        try:
            found = self._found(repository, path, answers.role)
        except Forbidden as error:
            text = "only an administrator of a repository is told what others may do there"
            raise Forbidden(f"{error} ({text}: give the bot's user that role)") from error
        return found[1] if found is not None and found[0].id == person_id else None

    def _login(self, person_id: int) -> str | None:
        """The login that the person has now; None: there is no such account."""
        answer = self._requests.ask("GET", "/users/search", {"uid": person_id, "limit": 1})
        people = answer.each(codec.person, "data")
        return next((one.login for one in people if one.id == person_id), None)

    def set_status(self, repository: Repository, sha: Sha, status: CommitStatus) -> float | None:
        return self._reports.set_status(repository, sha, status)

    def read_status(
        self,
        repository: Repository,
        sha: Sha,
        context: str,
        fork: Fork | None = None,  # noqa: ARG002 - Gitea shows a fork's where its request goes to
    ) -> CommitStatus | None:
        return self._reports.read_status(repository, sha, context)

    def upsert_comment(
        self, repository: Repository, number: int, marker: str, body: str, known_id: int | None
    ) -> int | None:
        return self._reports.upsert_comment(repository, number, marker, body, known_id)

    def is_own(self, repository: Repository, person: Person) -> bool:  # noqa: ARG002 - an App's
        return self._reports.is_own(person)

    def has_comment(self, repository: Repository, spot: Spot) -> bool:
        return self._reports.has_comment(repository, spot)

    def request_comments(self, repository: Repository, since: float) -> RequestComments:
        rows, complete = self._requests.every(
            f"{self._access.at(repository)}/issues/comments",
            lambda row: answers.comment(row, repository),
            {"since": moment(since)},
            pages=_COMMENT_PAGES,
        )
        return listed(rows, since, complete=complete)

    def react(self, repository: Repository, spot: Spot, reaction: Reaction) -> bool:
        return self._reports.react(repository, spot, reaction)

    def comment_on_commit(self, repository: Repository, sha: Sha, marker: str, body: str) -> None:  # noqa: ARG002 - the port's
        raise Permanent("Gitea has no comments on commits")

    def clone_credential(self, repository: Repository) -> CloneCredential:  # noqa: ARG002 - the port's
        """Gitea makes no short-lived tokens for others: the one that we have."""
        return CloneCredential(_USER, self._requests.token())


def _writable(fields: Fields) -> Repository | None:
    granted = fields.inner_or_none("permissions")
    if granted is None or not granted.flag("push") or fields.flag("archived"):
        return None
    return codec.repository(fields)


def _part(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")
