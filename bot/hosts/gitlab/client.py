"""The Git host port on gitlab.com and self-managed GitLab. Projects are addressed by number."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Final

from bot.core.centralconfig import Source
from bot.core.conversation import Reaction, Spot
from bot.core.events import CommentCreated, Person, Repository, RequestHead
from bot.core.facts import ChangedPaths, KnownPaths, UnknownPaths
from bot.core.ids import RepositoryId, Role, Sha
from bot.core.reports import CommitStatus, Fork
from bot.hosts import git
from bot.hosts.comments import listed, moment
from bot.hosts.fields import Fields
from bot.hosts.gitlab import client_answers as answers
from bot.hosts.gitlab.client_reports import GitLabReports
from bot.hosts.gitlab.client_requests import GitLabRequests, part
from bot.ports import (
    CloneCredential,
    Commit,
    NotFound,
    Permanent,
    RequestComments,
    RequestRefs,
    Temporary,
)

_FILE_BYTES: Final = 1024 * 1024
_DIFFS: Final = 1000
"""GitLab lists no more files of one comparison: https://docs.gitlab.com/administration/diff_limits/"""
_COMMENT_PAGES: Final = 5
_DAYS: Final = 2 * 86400.0
"""Events are asked for by the day of the host's own zone, and that day itself is left out."""
_DEVELOPER: Final = 30
_USER: Final = "oauth2"
"""Any name will do beside a token: https://docs.gitlab.com/user/profile/personal_access_tokens/"""


class GitLabHost:
    """One source, for one thread."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._requests = GitLabRequests(source)
        self._reports = GitLabReports(self._requests, source.bot_login)
        self._visible: tuple[RepositoryId, Sha] | None = None

    def close(self) -> None:
        self._requests.close()

    def repository(self, path_or_id: str | RepositoryId) -> Repository:
        return self._requests.one(f"/projects/{part(str(path_or_id))}", answers.repository)

    def repositories(self) -> Sequence[Repository]:
        query = {
            "membership": "true",
            "archived": "false",
            "min_access_level": _DEVELOPER,
            "order_by": "id",
            "sort": "asc",
        }
        return self._requests.every("/projects", answers.repository, query)[0]

    def read_file(self, repository: Repository, path: str, sha: Sha) -> bytes | None:
        project, name = selected(repository), path.strip("/")
        try:
            target = f"{project}/repository/files/{part(name)}"
            return self._requests.one(target, lambda fields: _content(fields, name), {"ref": sha})
        except NotFound:
            # The same 404 is given for a commit that is gone. Only where the commit can be seen
            # is a missing file missing.
            self._see(repository, sha)
            if self._folder(project, name, sha):
                raise Permanent(f"{path} is a folder, not a file") from None
            return None

    def _see(self, repository: Repository, sha: Sha) -> None:
        """Raises NotFound where the commit can't be seen."""
        if self._visible != (repository.id, sha):
            self._requests.one(f"{selected(repository)}/repository/commits/{sha}", _id)
            self._visible = (repository.id, sha)

    def _folder(self, project: str, path: str, sha: Sha) -> bool:
        query = {"path": path, "ref": sha, "per_page": 1}
        try:
            return bool(self._requests.ask("get", f"{project}/repository/tree", query))
        except NotFound:
            return False

    def resolve_ref(self, repository: Repository, ref: str) -> Sha | None:
        base = f"{selected(repository)}/repository"
        try:
            if (branch := ref.removeprefix("refs/heads/")) != ref:
                return self._requests.one(f"{base}/branches/{part(branch)}", _commit)
            if (tag := ref.removeprefix("refs/tags/")) != ref:
                return self._requests.one(f"{base}/tags/{part(tag)}", _commit)
            return self._requests.one(f"{base}/commits/{part(ref)}", _id)
        except NotFound:
            return None

    def refs(self, repository: Repository) -> Mapping[str, Sha]:
        try:
            return self._list(repository)
        except NotFound:
            # Git is not redirected to another place: ask where the project is now.
            now = self.repository(repository.id)
            if now.path == repository.path:
                raise
            return self._list(now)

    def _list(self, repository: Repository) -> Mapping[str, Sha]:
        source = self._source
        remote = git.Remote(
            git.remote_url(source.url, repository.path), source.ca_file, source.proxy
        )
        return git.ls_remote(remote, self.clone_credential(repository))

    def open_requests(self, repository: Repository) -> RequestRefs:
        query = {"state": "opened", "scope": "all", "order_by": "created_at", "sort": "asc"}
        path = f"{selected(repository)}/merge_requests"
        rows, complete = self._requests.every(path, answers.request_head, query)
        heads = {row.number: row for row in rows if row is not None}
        return RequestRefs(tuple(heads.values()), complete)

    def request(self, repository: Repository, number: int) -> tuple[RequestHead, bool] | None:
        path = f"{selected(repository)}/merge_requests/{number}"
        try:
            return self._requests.one(path, answers.request_with_state)
        except NotFound:
            return None

    def changed_paths(self, repository: Repository, base: Sha, head: Sha) -> ChangedPaths:
        # Without a common ancestor a comparison is empty, which would read as "nothing changed".
        if self.merge_base(repository, base, head) is None:
            return UnknownPaths("GitLab knows no common ancestor of the two commits")
        query = {"from": base, "to": head, "straight": "false"}
        try:
            path = f"{selected(repository)}/repository/compare"
            files, cut = self._requests.one(path, _compared, query)
        except NotFound as error:
            return UnknownPaths(f"GitLab can't compare the two commits: {error}")
        if cut or len(files) >= _DIFFS:
            return UnknownPaths("GitLab did not list all changed files")
        return _known(files)

    def request_paths(self, repository: Repository, number: int) -> ChangedPaths:
        path = f"{selected(repository)}/merge_requests/{number}/diffs"
        try:
            files, complete = self._requests.every(path, answers.paths)
        except NotFound as error:
            return UnknownPaths(str(error))
        if not complete or len(files) >= _DIFFS:
            return UnknownPaths(f"GitLab lists no more than {_DIFFS} changed files")
        return _known(files)

    def is_ancestor(self, repository: Repository, base: Sha, head: Sha) -> bool | None:
        found = self.merge_base(repository, base, head)
        return None if found is None else found == base

    def merge_base(self, repository: Repository, one: Sha, other: Sha) -> Sha | None:
        path = f"{selected(repository)}/repository/merge_base"
        try:
            return self._requests.one(path, _id, {"refs[]": [one, other]})
        except NotFound:
            return None
        except Permanent as error:
            # An unknown commit is a bad request here.
            if "could not find ref" in str(error).lower():
                return None
            raise

    def commit(self, repository: Repository, sha: Sha) -> Commit | None:
        path = f"{selected(repository)}/repository/commits/{sha}"
        try:
            return self._requests.one(path, answers.commit)
        except NotFound:
            return None

    def role(self, repository: Repository, person_id: int | None, login: str) -> Role:  # noqa: ARG002 - the port's
        if person_id is None:
            return Role.NONE
        # `all`: with those who come by a group.
        path = f"{selected(repository)}/members/all/{person_id}"
        try:
            return self._requests.one(path, answers.role)
        except NotFound:
            return Role.NONE

    def set_status(self, repository: Repository, sha: Sha, status: CommitStatus) -> float | None:
        return self._reports.set_status(selected(repository), sha, status)

    def read_status(
        self, repository: Repository, sha: Sha, context: str, fork: Fork | None = None
    ) -> CommitStatus | None:
        return self._reports.read_status(selected(repository), sha, context, fork)

    def upsert_comment(
        self, repository: Repository, number: int, marker: str, body: str, known_id: int | None
    ) -> int | None:
        return self._reports.upsert_comment(selected(repository), number, marker, body, known_id)

    def is_own(self, repository: Repository, person: Person) -> bool:  # noqa: ARG002 - an App's
        return self._reports.is_own(person)

    def has_comment(self, repository: Repository, spot: Spot) -> bool:
        return self._reports.has_comment(selected(repository), spot)

    def request_comments(self, repository: Repository, since: float) -> RequestComments:
        # By action: with a target type GitLab leaves out answers in threads.
        query = {"action": "commented", "sort": "desc", "after": moment(since - _DAYS)[:10]}
        path, found = f"{selected(repository)}/events", list[CommentCreated | None]()
        for number in range(1, _COMMENT_PAGES + 1):
            rows = self._requests.page(
                path, lambda row: answers.commented(row, repository), query, number
            )
            found += [note for _, note in rows]
            # A page may lack events that nobody may see: only an empty one is the last.
            if not rows or rows[-1][0] < since:
                return listed(found, since, complete=True)
        return listed(found, since, complete=False)

    def react(self, repository: Repository, spot: Spot, reaction: Reaction) -> bool:
        return self._reports.react(selected(repository), spot, reaction)

    def comment_on_commit(self, repository: Repository, sha: Sha, marker: str, body: str) -> None:
        self._reports.comment_on_commit(selected(repository), sha, marker, body)

    def clone_credential(self, repository: Repository) -> CloneCredential:  # noqa: ARG002 - the port's
        """GitLab makes no short-lived tokens for others: the one that we have."""
        return CloneCredential(_USER, self._requests.token())


def selected(repository: Repository) -> str:
    return f"/projects/{repository.id}"


def _id(fields: Fields) -> Sha:
    return fields.sha("id")


def _commit(fields: Fields) -> Sha:
    return fields.inner("commit").sha("id")


def _compared(fields: Fields) -> tuple[list[tuple[str, ...]], bool]:
    files = [answers.paths(row) for row in fields.items("diffs")]
    return files, fields.flag("compare_timeout")


def _known(files: Sequence[tuple[str, ...]]) -> KnownPaths:
    return KnownPaths(tuple(dict.fromkeys(path for names in files for path in names)))


def _content(fields: Fields, path: str) -> bytes:
    size, content = fields.values.get("size"), fields.values.get("content")
    if isinstance(size, int) and size > _FILE_BYTES:
        raise Permanent(f"{path} has {size} bytes; files over 1 MiB are not read")
    if fields.values.get("encoding") != "base64" or not isinstance(content, str):
        raise Permanent(f"{path}: GitLab gave no content for this file")
    try:
        return base64.b64decode(content)
    except (binascii.Error, ValueError) as error:
        raise Temporary(f"{path}: the content that GitLab sent is not base64") from error
