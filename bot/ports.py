"""What the flows need of the world outside, as Protocols. Adapters satisfy them; tests hold every
implementation against the same contract suite.

Adapters translate what their vendor library raises to the errors below and chain the cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.core.builds import LogLine, Observation
from bot.core.conversation import Reaction, Spot
from bot.core.events import CommentCreated, Person, Repository, RequestHead
from bot.core.facts import ChangedPaths
from bot.core.ids import BuildId, Digest, ImageKey, RepositoryId, Role, Sha, SourceName
from bot.core.reports import CommitStatus, Fork


class HostError(Exception):
    """Something outside did not do what was asked. The text is fit for a user."""


class Temporary(HostError):
    """Worth asking again, `after` that many seconds where the other side said so."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Permanent(HostError):
    """The same question will get the same answer."""


class NotFound(Permanent):
    """The thing asked for is not there, or the credential may not see it."""


class Forbidden(Permanent):
    """The credential lacks a permission; the text names it."""


class AdmissionDenied(Permanent):
    """The cluster's rules forbid such an attempt; waiting would not help."""


class TagRefused(Permanent):
    """The registry forbids to write this tag (it exists and tags are immutable)."""


class Clock(Protocol):
    """Wall-clock and monotonic time, both in seconds; injected so that tests can turn it."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit says of itself; `date` is its committer's, aware, None where unreadable."""

    message: str
    date: datetime | None


@dataclass(frozen=True, slots=True)
class CloneCredential:
    """A name and password for Git over HTTP. `expires`: seconds since the epoch, None: never."""

    username: str
    password: str
    expires: float | None = None

    def __repr__(self) -> str:
        return "CloneCredential(<hidden>)"


@dataclass(frozen=True, slots=True)
class RequestRefs:
    """Open pull/merge requests as the listing shows them, at one moment."""

    requests: tuple[RequestHead, ...]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class RequestComments:
    """Comments on pull/merge requests as the listing shows them, in the order they were made. Not
    `complete`: there are more than are listed at once."""

    comments: tuple[CommentCreated, ...]
    complete: bool = True


class GitHost(Protocol):
    """One source. Not for sharing between threads: `HostFactory` makes one for each.

    Every method may raise `Temporary`, `Forbidden` or `Permanent`. Repositories are addressed by
    `Repository` values; clients use the numeric id where the host's API takes one.
    """

    def repository(self, path_or_id: str | RepositoryId) -> Repository:
        """Raises NotFound."""

    def repositories(self) -> Sequence[Repository]:
        """Those that the credential was given (App installations, memberships), for the sweep."""

    def read_file(self, repository: Repository, path: str, sha: Sha) -> bytes | None:
        """The file's bytes at that commit; None where it does not exist. A directory, a submodule
        or a file over 1 MiB is Permanent."""

    def resolve_ref(self, repository: Repository, ref: str) -> Sha | None:
        """The commit (tags peeled) that a full ref name points at; None where it does not exist."""

    def refs(self, repository: Repository) -> Mapping[str, Sha]:
        """All heads and tags by full name with their commits (tags peeled): `git ls-remote`."""

    def open_requests(self, repository: Repository) -> RequestRefs: ...

    def request(self, repository: Repository, number: int) -> tuple[RequestHead, bool] | None:
        """A pull/merge request and whether it is open; None where it does not exist."""

    def changed_paths(self, repository: Repository, base: Sha, head: Sha) -> ChangedPaths:
        """What differs between the merge base of the two commits and `head`."""

    def is_ancestor(self, repository: Repository, base: Sha, head: Sha) -> bool | None:
        """None where the host can't tell."""

    def merge_base(self, repository: Repository, one: Sha, other: Sha) -> Sha | None: ...

    def request_paths(self, repository: Repository, number: int) -> ChangedPaths: ...

    def commit(self, repository: Repository, sha: Sha) -> Commit | None:
        """None where the host does not know it."""

    def role(self, repository: Repository, person_id: int | None, login: str) -> Role:
        """By numeric id (a login can be recycled); NONE for unknown people."""

    def set_status(self, repository: Repository, sha: Sha, status: CommitStatus) -> float | None:
        """Latest wins. NotFound: the commit is gone (terminal). Repeating is harmless. The answer:
        when the host took it, by its own clock in whole seconds since the epoch; None where it
        does not say, or showed something like it before."""

    def read_status(
        self, repository: Repository, sha: Sha, context: str, fork: Fork | None = None
    ) -> CommitStatus | None:
        """The latest status of that context as the host shows it; None: there is none. `fork`: as
        in the status that was set."""

    def upsert_comment(
        self, repository: Repository, number: int, marker: str, body: str, known_id: int | None
    ) -> int | None:
        """Edit the comment with our marker or make one; its id. None: somebody deleted the comment
        `known_id` or the conversation is locked, and it stays away."""

    def is_own(self, repository: Repository, person: Person) -> bool:
        """Whether that is who we are at the host."""

    def has_comment(self, repository: Repository, spot: Spot) -> bool:
        """Whether it is still there. True as well where the host can't be asked for one comment
        (GitLab on commits)."""

    def request_comments(self, repository: Repository, since: float) -> RequestComments:
        """Made since then (seconds since the epoch, by the host's clock); one request, most often.
        Those that were edited are left out: what they said first, the host does not tell."""

    def react(self, repository: Repository, spot: Spot, reaction: Reaction) -> bool:
        """Repeating is harmless. False: this host takes no reaction there (GitLab on commits), or
        the conversation is locked. NotFound: the comment is gone."""

    def comment_on_commit(self, repository: Repository, sha: Sha, marker: str, body: str) -> None:
        """Makes the comment; one of ours with the marker is edited, where we may, and else left as
        it is."""

    def clone_credential(self, repository: Repository) -> CloneCredential | None:
        """Read-only and short-lived where the host allows; None where none is needed."""

    def close(self) -> None: ...


class HostFactory(Protocol):
    """Gives the calling thread its client of a source (one object per thread)."""

    def get(self, source: SourceName) -> GitHost: ...


@dataclass(frozen=True, slots=True)
class Manifest:
    """The exact bytes of a manifest or index; `digest` was computed from them."""

    media_type: str
    body: bytes
    digest: Digest


class Registry(Protocol):
    """All OCI registries; references say which. Thread-safe.

    `name` is an image name with its host (`ghcr.io/acme/api`).
    """

    def digest(self, name: str, reference: str) -> Digest | None:
        """HEAD of a tag or digest; None: it is not there. That is the proof of success."""

    def manifest(self, name: str, reference: str) -> Manifest:
        """Raises NotFound."""

    def size(self, name: str, manifest: Manifest) -> int | None:
        """Compressed bytes of config and layers (of an index: of its first image)."""

    def move(self, name: str, tag: str, digest: Digest) -> None:
        """Put the manifest `digest` of `name` under `tag` and read it back. Raises TagRefused."""

    def copy(self, source: str, digest: Digest, target: str, tag: str) -> None:
        """From one image name to another, whole, without rebuilding."""

    def delete_tag(self, name: str, tag: str) -> bool:
        """False: this registry can't delete a single tag. Never deletes by digest."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose attempt it is: what an executor writes on it, so that people and restarts find it.
    `attempt` counts from 1."""

    build: BuildId
    attempt: int
    source: SourceName
    repository: RepositoryId
    path: str
    image: ImageKey
    sha: Sha
    generation: int = 0


@dataclass(frozen=True, slots=True)
class AttemptSpec:
    """All that an executor needs to start one attempt of one build.

    `recipe` is the builder's JSON document without credentials and without the executor's own paths
    (`docs/builder.md`); the executor adds those. `registries` are the hosts whose credentials the
    builder needs; the one that it pushes to stands there as the whole image name.
    """

    name: str
    """Deterministic, `<build id>-<attempt>`: the name is the lock."""
    recipe: Mapping[str, object]
    recipe_hash: str
    trusted: bool
    origin: Origin
    registries: tuple[str, ...]
    credential: CloneCredential | None
    secrets: tuple[tuple[str, str], ...] = ()
    """(id, name in the central config)"""


class Executor(Protocol):
    """Where attempts run. Everything is idempotent by the attempt's name."""

    def start(self, spec: AttemptSpec) -> None:
        """Raises Temporary (try again), AdmissionDenied, or Permanent (this attempt can't start,
        and why)."""

    def observe(self, name: str) -> Observation:
        """What it is doing. That it ended, or is not there, is never said from memory."""

    @property
    def look_seconds(self) -> float:
        """Between two looks at an attempt of which nothing was heard."""

    def changed(self) -> Sequence[str]:
        """Names of attempts that did something since the last call: a hint to look now."""

    def running(self) -> Sequence[str]:
        """Names of all attempts of ours that the executor still holds, ended ones included."""

    def cancel(self, name: str) -> None:
        """Ask it to stop; `observe` tells when it has."""

    def read_log(self, name: str, after: int, limit: int) -> Sequence[LogLine]:
        """Lines with a sequence number above `after`, oldest first, at most `limit`."""

    def forget(self, name: str) -> None:
        """Remove what is left of an ended attempt (its files, its pod)."""

    def refuses(self, *, trusted: bool) -> str | None:
        """Why this executor never runs such builds; None where it does."""

    def housekeeping(self) -> None:
        """Keep disk within limits; called every few minutes."""
