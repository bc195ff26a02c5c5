"""What we tell GitLab: commit statuses on the right pipeline, one note per merge request.

A status is a state machine per (pipeline, ref, name, user); the rules are in
app/services/ci/create_commit_status_service.rb of GitLab.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from bot.core.conversation import Reaction, Spot
from bot.core.events import Person
from bot.core.ids import RepositoryId, Sha
from bot.core.reports import CommitStatus, Fork, StatusState
from bot.hosts.comments import fitting, is_called, kept
from bot.hosts.fields import Fields
from bot.hosts.gitlab import client_answers as answers
from bot.hosts.gitlab.client_requests import GitLabRequests, Transition, read
from bot.hosts.statustext import ADDRESS, described, web_address
from bot.ports import Forbidden, NotFound, Permanent, Temporary

_NOTE: Final = 1_000_000
_REMEMBERED: Final = 512
_AGAIN: Final = 2.0
"""Seconds after which a status that was refused and yet is behind is sent again."""

_AWARDS: Final[Mapping[Reaction, str]] = {
    Reaction.RECEIVED: "eyes",
    Reaction.ACCEPTED: "rocket",
    Reaction.REFUSED: "confused",
    Reaction.NOTHING: "thumbsup",
}

_Key = tuple[str, Sha, str | None]


class GitLabReports:
    """`project` is `/projects/{id}` everywhere. Notes are our own by our user's id, and by
    `bot_login` where the administrator names one."""

    def __init__(self, requests: GitLabRequests, bot_login: str | None) -> None:
        self._requests = requests
        self._login = bot_login
        self._me: int | None = None
        self._pipelines: OrderedDict[_Key, tuple[int, str]] = OrderedDict()
        self._closed: OrderedDict[RepositoryId, None] = OrderedDict()

    def set_status(self, project: str, sha: Sha, status: CommitStatus) -> float | None:
        """A fork's request shows the pipelines of the fork. Where we may not write there, and what
        is left of a fork that was deleted, the request's own ref in the target project counts; not
        the branch's name, which may be another branch there."""
        fork = status.fork
        if fork is None:
            return self._set(project, sha, status)
        if fork.repository and fork.repository not in self._closed:
            try:
                return self._set(f"/projects/{fork.repository}", sha, status)
            except (Forbidden, NotFound):
                self._close(fork.repository)
        ref = f"refs/merge-requests/{fork.number}/head"
        return self._set(project, sha, replace(status, ref=ref))

    def _close(self, fork: RepositoryId) -> None:
        self._closed[fork] = None
        while len(self._closed) > _REMEMBERED:
            self._closed.popitem(last=False)

    def _set(self, project: str, sha: Sha, status: CommitStatus) -> float | None:
        pipeline = self._pipeline(project, sha, status.ref)
        try:
            self._send(project, sha, status, pipeline)
        except Transition as error:
            if not self._accept(project, sha, status, error):
                return None
            # Of a pending status GitLab keeps the first text: that one ends, another one begins.
            self._send(project, sha, replace(status, state=StatusState.CANCELLED), pipeline)
            self._send(project, sha, status, pipeline)
        except NotFound:
            if pipeline is None:
                raise
            # The pipeline was deleted or archived since: let GitLab find or make one by the ref.
            del self._pipelines[project, sha, status.ref]
            self._send(project, sha, status, None)
        return self._requests.answered_at()

    def _send(
        self, project: str, sha: Sha, status: CommitStatus, pipeline: tuple[int, str] | None
    ) -> None:
        body: dict[str, object] = {
            "state": answers.TO_GITLAB[status.state],
            "name": status.context,
            "description": described(status.description),
        }
        if (address := web_address(status.target_url, ADDRESS)) is not None:
            body["target_url"] = address
        if pipeline is not None:
            body["pipeline_id"], body["ref"] = pipeline
        elif status.ref is not None:
            body["ref"] = status.ref
        try:
            self._requests.ask("post", f"{project}/statuses/{sha}", body=body)
        except NotFound as error:
            if "references for commit" in str(error).lower():
                text = f"{error} (no branch holds this commit, and the status names no ref)"
                raise NotFound(text) from error
            raise
        except Transition:
            raise
        except Permanent as error:
            if "already been taken" in str(error):
                text = f"a CI job of this project is called {status.context!r}, too: {error}"
                raise Permanent(text) from error
            raise

    def _pipeline(self, project: str, sha: Sha, ref: str | None) -> tuple[int, str] | None:
        """The newest pipeline of the commit and its ref, where it is ours to report on: the
        ref's own, or a merge request's. Another branch's is not."""
        key = (project, sha, ref)
        if (known := self._pipelines.get(key)) is not None:
            self._pipelines.move_to_end(key)
            return known
        path = f"{project}/repository/commits/{sha}"
        found = self._requests.one(path, _last_pipeline)
        if found is None:
            return None
        number, its = found
        if ref not in (None, its) and not its.startswith("refs/merge-requests/"):
            return None
        self._pipelines[key] = number, its
        while len(self._pipelines) > _REMEMBERED:
            self._pipelines.popitem(last=False)
        return number, its

    def _accept(self, project: str, sha: Sha, status: CommitStatus, error: Transition) -> bool:
        """GitLab refuses a repetition. That is no error if the status is there or further. Whether
        it has to be shown anew all the same: a commit waits again (its status names it) once an
        approval was taken back, and when it was said to wait decides what a bare approval means."""
        shown = self._read(project, sha, status.context)
        if shown is None or answers.PROGRESS[shown.state] < answers.PROGRESS[status.state]:
            raise Temporary(str(error), _AGAIN) from error
        return status.state is shown.state is StatusState.PENDING and sha in status.description

    def read_status(
        self, project: str, sha: Sha, context: str, fork: Fork | None = None
    ) -> CommitStatus | None:
        if fork is not None and fork.repository and fork.repository not in self._closed:
            try:
                shown = self._read(f"/projects/{fork.repository}", sha, context)
            except (Forbidden, NotFound):
                shown = None
            if shown is not None:
                return shown
        return self._read(project, sha, context)

    def _read(self, project: str, sha: Sha, context: str) -> CommitStatus | None:
        path = f"{project}/repository/commits/{sha}/statuses"
        rows, _ = self._requests.every(path, answers.status, {"name": context})
        newest = max(rows, key=lambda row: row[0], default=None)
        return newest[1] if newest else None

    def upsert_comment(
        self, project: str, number: int, marker: str, body: str, known_id: int | None
    ) -> int | None:
        notes = f"{project}/merge_requests/{number}/notes"
        text = fitting(body, _NOTE)

        def make() -> int:
            made = self._requests.ask("post", notes, body=text)
            return read(made, f"GitLab: POST {notes}", lambda note: note.number("id"))

        def edit(target: int) -> None:
            self._requests.ask("put", f"{notes}/{target}", body=text)

        target = known_id or self._own_note(notes, marker)
        return kept(target, make, edit, lambda _: self._locked(project, number))

    def _locked(self, project: str, number: int) -> bool:
        path = f"{project}/merge_requests/{number}"
        return self._requests.one(path, lambda request: request.flag("discussion_locked"))

    def _own_note(self, notes: str, marker: str) -> int | None:
        """The oldest note that begins with the marker and is ours: anybody may write the marker,
        and notes of ours show what others wrote."""

        def ours(row: Fields) -> int | None:
            return row.number("id") if self._marked(row, marker) else None

        rows, _ = self._requests.every(notes, ours, {"sort": "asc", "order_by": "created_at"})
        return next((row for row in rows if row is not None), None)

    def _marked(self, note: Fields, marker: str) -> bool:
        author = answers.person(note.inner_or_none("author"))
        return (note.prose("body") or "").startswith(marker) and self.is_own(author)

    def is_own(self, person: Person) -> bool:
        if is_called(person, self._login):
            return True
        return person.id is not None and person.id == self._own_id()

    def has_comment(self, project: str, spot: Spot) -> bool:
        if spot.number is None:
            return True  # https://docs.gitlab.com/api/discussions/ finds those by discussion alone
        try:
            self._requests.ask("get", _note(project, spot))
        except NotFound:
            return False
        return True

    def react(self, project: str, spot: Spot, reaction: Reaction) -> bool:
        if spot.number is None:
            return False  # https://docs.gitlab.com/api/emoji_reactions/ knows no commits
        note = _note(project, spot)
        try:
            self._requests.ask("post", f"{note}/award_emoji", body={"name": _AWARDS[reaction]})
        except NotFound as error:
            # "404 Award Emoji Name has already been taken": GitLab's word for a repetition.
            if "already been taken" not in str(error):
                raise
        except Forbidden:
            if self._locked(project, spot.number):
                return False
            raise
        return True

    def comment_on_commit(self, project: str, sha: Sha, marker: str, body: str) -> None:
        path = f"{project}/repository/commits/{sha}/discussions"

        def ours(discussion: Fields) -> str | None:
            own = (n.number("id") for n in discussion.items("notes") if self._marked(n, marker))
            note = next(own, None)
            return f"{discussion.text('id')}/notes/{note}" if note is not None else None

        known = next((one for one in self._requests.every(path, ours)[0] if one), None)
        if known is None:
            self._requests.ask("post", path, body=fitting(body, _NOTE))
        else:
            self._requests.ask("put", f"{path}/{known}", body=fitting(body, _NOTE))

    def _own_id(self) -> int:
        if self._me is None:
            self._me = self._requests.one("/user", lambda user: user.number("id"))
        return self._me


def _last_pipeline(commit: Fields) -> tuple[int, str] | None:
    found = commit.inner_or_none("last_pipeline")
    return (found.number("id"), found.text("ref")) if found else None


def _note(project: str, spot: Spot) -> str:
    return f"{project}/merge_requests/{spot.number}/notes/{spot.comment_id}"
