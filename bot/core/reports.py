"""Every sentence that a user may read on the Git host, as pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StatusState(StrEnum):
    """What a status says, before it is put into a host's own words."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """One commit status. `description` holds at most 140 code points of the basic plane.

    `ref` is the branch or tag name: GitLab needs it to find the pipeline; GitHub ignores it.
    """

    context: str
    state: StatusState
    description: str
    target_url: str | None
    ref: str | None = None
