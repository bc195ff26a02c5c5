"""The life of a build: its states, what an executor sees of it, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from bot.core.ids import BuildId, Digest


class BuildState(StrEnum):
    """Only forward, in this order; the last five are final."""

    WAITING = "waiting"
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    VERIFYING = "verifying"
    TAGGING = "tagging"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ERROR = "error"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"

    @property
    def final(self) -> bool:
        return self in FINAL

    @property
    def active(self) -> bool:
        """An attempt of it exists or is about to."""
        return self in ACTIVE


FINAL = frozenset(
    {
        BuildState.SUCCEEDED,
        BuildState.FAILED,
        BuildState.ERROR,
        BuildState.CANCELLED,
        BuildState.SUPERSEDED,
    }
)
ACTIVE = frozenset({BuildState.STARTING, BuildState.RUNNING, BuildState.VERIFYING})


class OutcomeClass(StrEnum):
    """How an attempt ended. Names are the builder's; some only the executor can see."""

    SUCCEEDED = "succeeded"
    CONFIG = "config"
    CONTEXT = "context"
    DOCKERFILE = "dockerfile"
    STEP = "step"
    UNKNOWN_TARGET = "unknown-target"
    BASE_NOT_FOUND = "base-not-found"
    BASE_FORBIDDEN = "base-forbidden"
    PUSH_DENIED = "push-denied"
    TAG_REFUSED = "tag-refused"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    OUT_OF_DISK = "out-of-disk"
    NEED_FAILED = "need-failed"
    COMMIT_GONE = "commit-gone"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    FETCH_NETWORK = "fetch-network"
    REGISTRY_UNAVAILABLE = "registry-unavailable"
    DOCKERD_DOWN = "dockerd-down"
    NODE_LOST = "node-lost"
    EVICTED = "evicted"
    BUILDER_LOST = "builder-lost"
    QUEUE_DEADLINE = "queue-deadline"
    ADMISSION_DENIED = "admission-denied"
    INTERNAL = "internal"


RETRIED = frozenset(
    {
        OutcomeClass.FETCH_NETWORK,
        OutcomeClass.REGISTRY_UNAVAILABLE,
        OutcomeClass.DOCKERD_DOWN,
        OutcomeClass.NODE_LOST,
        OutcomeClass.EVICTED,
        OutcomeClass.BUILDER_LOST,
        OutcomeClass.INTERNAL,
    }
)
"""Ours: a new attempt, at most `MAX_ATTEMPTS - 1` times."""

OURS = RETRIED | {OutcomeClass.QUEUE_DEADLINE, OutcomeClass.ADMISSION_DENIED}
MAX_ATTEMPTS = 3
RETRY_AFTER = (10.0, 60.0)
"""Seconds before the second and the third attempt."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the user's own file."""

    file: str
    line: int
    instruction: str = ""


@dataclass(frozen=True, slots=True)
class CacheUse:
    """Steps that hit, of all; None where the builder can't tell. Bytes are pulled layers.

    `first_miss`: the first instruction that ran, and `why` as far as that can be known. `found` of
    the `candidates` were there. `rerun_stages`: those that only `COPY --from` reads and that ran
    though there was a cache, for `rerun_seconds`: inline cache does not hold them.
    """

    hits: int | None = None
    steps: int | None = None
    pulled_bytes: int | None = None
    first_miss: str | None = None
    candidates: int = 0
    found: int = 0
    why: str | None = None
    rerun_stages: str | None = None
    rerun_seconds: float | None = None

    @property
    def full(self) -> bool:
        """Whether the build took no step from a cache."""
        return self.hits == 0 or (self.hits is None and not self.found)

    @property
    def in_vain(self) -> bool:
        """Whether there was a cache and nothing of it was of use. False where that is unknown."""
        return self.found > 0 and self.hits == 0 and bool(self.steps)


@dataclass(frozen=True, slots=True)
class BuilderResult:
    """What the builder wrote about its own end."""

    outcome: OutcomeClass
    message: str
    digest: Digest | None = None
    size_bytes: int | None = None
    place: Place | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    cache: CacheUse = CacheUse()
    client: str = ""
    daemon: str = ""
    tree: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogLine:
    """One record that the builder printed: its sequence number and its JSON text."""

    n: int
    text: str


@dataclass(frozen=True, slots=True)
class NotThere:
    """The executor knows no such attempt. Never success."""


@dataclass(frozen=True, slots=True)
class Pending:
    """It was accepted and does not run yet; `reason` is for the user."""

    reason: str


@dataclass(frozen=True, slots=True)
class Running:
    started: float


@dataclass(frozen=True, slots=True)
class Ended:
    """Without `result` the builder died before it could say why; `cause` is what is known."""

    result: BuilderResult | None
    cause: str = ""
    outcome: OutcomeClass = OutcomeClass.BUILDER_LOST


Observation = NotThere | Pending | Running | Ended


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a build ended, why, and what to do next. `ours` decides between `failed` and `error`.

    `warnings` are for its page, `notes` short ones for its status. `client` and `daemon`: versions.
    """

    state: BuildState
    kind: OutcomeClass
    message: str
    digest: Digest | None = None
    size_bytes: int | None = None
    place: Place | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    cache: CacheUse = CacheUse()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    client: str = ""
    daemon: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """What `advance` needs to know of a build."""

    id: BuildId
    state: BuildState
    attempt: int
    push: bool
    withdrawn: Literal["", "cancelled", "superseded"]
    queued_at: float
    started_at: float | None
    timeout_seconds: float
    admitted_at: float | None = None
    """When the current attempt was admitted: waiting for a slot of ours does not count against the
    platform."""
    withdrawn_by: str = ""
    """The text that says who or what took it back."""
