"""What a Git host is to show, and how a text is made to fit there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.core.ids import HostKind, RepositoryId

DESCRIPTION = 140
"""Code points that GitHub takes (https://docs.github.com/rest/commits/statuses); GitLab: 255."""
SUMMARY = 65_535
"""Of a check run's summary (https://docs.github.com/rest/checks/runs); we count bytes."""


class StatusState(StrEnum):
    """What a status says, before it is put into a host's own words."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Annotation:
    """A remark on one line (from 1) of a file of the repository."""

    path: str
    line: int
    message: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Detail:
    """What a check run shows beyond a status. `key` tells one run of a name from the next (a build
    again is a run of its own); `summary` is Markdown of at most `SUMMARY` bytes; times in seconds
    since the epoch."""

    key: str
    summary: str
    annotations: tuple[Annotation, ...] = ()
    started_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Fork:
    """Where the head of a fork's request lies: the fork's numeric id, and the request's number in
    the repository that it goes to."""

    repository: RepositoryId
    number: int


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """One commit status. `description` holds at most 140 code points of the basic plane.

    `ref` is the branch or tag name: GitLab needs it to find the pipeline; GitHub ignores it.
    `detail`: only where the source reports by check runs. `fork`: GitLab shows the statuses of a
    fork's request where they are the fork's own.
    """

    context: str
    state: StatusState
    description: str
    target_url: str | None
    ref: str | None = None
    detail: Detail | None = None
    fork: Fork | None = None


def fit(text: str) -> str:
    """The text as a status can hold it: one line, printable, basic plane, at most 140 characters.

    What is beyond the basic plane becomes U+FFFD: GitHub answers 422 to such a description.
    """
    plain = "".join(_plain(character) for character in text[: 8 * DESCRIPTION])
    line = " ".join(plain.split())
    return line if len(line) <= DESCRIPTION else f"{line[: DESCRIPTION - 1].rstrip()}…"


def _plain(character: str) -> str:
    if character > "\uffff" or "\ud800" <= character <= "\udfff":
        return "\ufffd"
    # Direction marks and other invisible ones would let a branch name rewrite the sentence.
    return character if character.isprintable() else " "


_NO_RUNNING: Mapping[StatusState, StatusState] = {
    StatusState.RUNNING: StatusState.PENDING,
    StatusState.CANCELLED: StatusState.ERROR,
}
_MERGED: Mapping[HostKind, Mapping[StatusState, StatusState]] = {
    HostKind.GITHUB: _NO_RUNNING,
    HostKind.GITLAB: {StatusState.ERROR: StatusState.FAILURE},
    HostKind.GITEA: _NO_RUNNING,
}
"""Hosts know fewer states than we do: GitHub and Gitea have no running and no cancelled, GitLab has
no error."""
_CHECKS = {StatusState.ERROR: StatusState.FAILURE}
"""Nor have check runs an error."""


def shows(kind: HostKind, shown: CommitStatus, wanted: CommitStatus) -> bool:
    """Whether what a host shows is what `wanted` looks like there."""
    merged = _MERGED[kind] if wanted.detail is None else _CHECKS
    state = merged.get(wanted.state, wanted.state)
    same = merged.get(shown.state, shown.state) == state
    return same and shown.description == wanted.description
