"""Both databases for the tests of the store, and values to put into them."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.core.builds import BuildState, CacheUse, Outcome, OutcomeClass
from bot.core.events import Repository
from bot.core.ids import Digest, ImageKey, RepositoryId, Sha, SourceName, Trust
from bot.core.plans import (
    ClaimKind,
    ClaimWish,
    Plan,
    PlannedImage,
    PlannedNeed,
    RefSeen,
    SequenceOrder,
    TagWish,
    VersionOrder,
    Withdrawal,
)
from bot.core.reports import CommitStatus
from bot.core.reports_comment import Comment
from bot.core.reports_rows import Rendered
from bot.records import (
    AdmissionLimits,
    Applied,
    BuildRow,
    Decided,
    Delivery,
    DueReport,
    IncomingDelivery,
    Move,
    RepositoryRow,
)
from bot.store import SqlStore, open_store
from tests.fakes.migrated import postgres_database, sqlite_file
from tests.fakes.postgres_process import GET, PostgresProcess, available
from tests.needs import lacking

SOURCE = SourceName("github")
LEASE = 30.0
ROOMY = AdmissionLimits(builds=1000, per_repository=1000)


def postgres_server() -> Iterator[PostgresProcess]:
    """One server for a whole test run."""
    if not available():
        lacking("PostgreSQL", GET)
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        with PostgresProcess(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Address:
    """A database of one test."""

    url: str
    kind: str

    def open(self) -> SqlStore:
        return open_store(self.url)


def new_address(kind: str, request: pytest.FixtureRequest) -> Address:
    if kind == "sqlite":
        return Address(sqlite_file(request.getfixturevalue("tmp_path")), kind)
    return Address(postgres_database(request.getfixturevalue("postgres")), kind)


def sha(n: int) -> Sha:
    return Sha(f"{n:040x}")


def digest(n: int) -> Digest:
    return Digest(f"sha256:{n:064x}")


def incoming(
    delivery: str, at: float = 100.0, body: bytes = b"{}", source: SourceName = SOURCE
) -> IncomingDelivery:
    packed = zlib.compress(body)
    return IncomingDelivery(source, delivery, "push", "application/json", packed, len(body), at)


def repository(n: int = 1) -> Repository:
    return Repository(
        id=RepositoryId(n),
        path=f"acme/shop{n}",
        default_branch="main",
        clone_url=f"https://git.example/acme/shop{n}.git",
        web_url=f"https://git.example/acme/shop{n}",
    )


def image(
    key: str,
    commit: Sha,
    *,
    repository_id: int = 1,
    tags: Sequence[TagWish] = (),
    needs: Sequence[PlannedNeed] = (),
    check_only: bool = False,
    recipe: str = "",
) -> PlannedImage:
    return PlannedImage(
        image=ImageKey(key),
        names=(f"reg.example/{key}",),
        tags=tuple(tags),
        recipe={"push": {"name": f"reg.example/{key}"}, "variant": recipe},
        identity=identity(key, commit, repository_id, recipe),
        why="Dockerfile changed",
        check_only=check_only,
        needs=tuple(needs),
    )


def identity(key: str, commit: Sha, repository_id: int = 1, recipe: str = "") -> str:
    return f"{repository_id}.{key}.{commit[-8:]}.{recipe}"


def need(key: str, commit: Sha, repository_id: int = 1) -> PlannedNeed:
    name = f"reg.example/{key}"
    return PlannedNeed(ImageKey(key), None, name, identity(key, commit, repository_id), None)


def head_tag(tag: str, key: str = "api") -> TagWish:
    return TagWish(f"reg.example/{key}", tag, SequenceOrder())


def version_tag(tag: str, version: str, key: str = "api") -> TagWish:
    order = ".".join(f"{int(part):08d}" for part in version.split("."))
    return TagWish(f"reg.example/{key}", tag, VersionOrder(version, order))


def branch(commit: Sha, *images: PlannedImage, name: str = "main", **more: Any) -> ClaimWish:
    return _wish(ClaimKind.BRANCH, name, commit, images, more)


def request_(commit: Sha, *images: PlannedImage, name: str = "7", **more: Any) -> ClaimWish:
    return _wish(ClaimKind.REQUEST, name, commit, images, more)


def git_tag(commit: Sha, *images: PlannedImage, name: str = "v1", **more: Any) -> ClaimWish:
    return _wish(ClaimKind.TAG, name, commit, images, more)


def _wish(
    kind: ClaimKind,
    name: str,
    commit: Sha,
    images: tuple[PlannedImage, ...],
    more: dict[str, Any],
) -> ClaimWish:
    trust = more.pop("trust", Trust.TRUSTED)
    return ClaimWish(kind, name, commit, "push", trust, images, **more)


KEYS = {ClaimKind.BRANCH: "refs/heads/", ClaimKind.TAG: "refs/tags/", ClaimKind.REQUEST: "request/"}

COLD = CacheUse(0, 3)


@dataclass(slots=True)
class Bench:
    """A store with one repository, and the steps that the flows take."""

    store: SqlStore
    number: int = 1
    now: float = 1000.0
    row: RepositoryRow = field(init=False)
    _deliveries: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.row = self.store.repository_row(SOURCE, repository(self.number))

    def tick(self, seconds: float = 1.0) -> float:
        self.now += seconds
        return self.now

    def apply(
        self, plan: Plan, *, again: bool = False, delivery: Delivery | None = None
    ) -> Applied:
        now = self.tick()
        leased = self.store.lease_repository(self.row.id, now, LEASE)
        assert leased is not None
        try:
            version = self.store.repository_state(self.row.id).version
            decided = Decided(plan, again=again)
            return self.store.apply_plan(leased, version, decided, delivery, now)
        finally:
            self.store.release_repository(leased)

    def push(
        self,
        wish: ClaimWish,
        *,
        seen: bool = True,
        withdraw: Sequence[Withdrawal] = (),
        again: bool = False,
    ) -> Applied:
        """A plan for one claim, whose commit is the head of its ref now (`seen`)."""
        refs = (RefSeen(KEYS[wish.kind] + wish.name, wish.sha),) if seen else ()
        plan = Plan("test", claims=(wish,), seen=refs, withdraw=tuple(withdraw))
        return self.apply(plan, again=again)

    def want_statuses(
        self,
        report: DueReport,
        wanted: Sequence[tuple[CommitStatus, bool]],
        now: float,
        next_at: float | None,
        *comments: Comment,
    ) -> None:
        self.store.want_reports(report, Rendered(tuple(wanted), next_at), comments, now)

    def admit(self, limits: AdmissionLimits = ROOMY) -> Sequence[BuildRow]:
        return self.store.admit(limits, self.tick(), LEASE)

    def start(self) -> BuildRow:
        """Admit the only build that is queued."""
        (build,) = self.admit()
        return build

    def prove(
        self, build: BuildRow, result: Digest, cache: CacheUse = COLD, daemon: str = ""
    ) -> BuildRow:
        """Let a started build come to its digest."""
        now = self.tick()
        build = self.store.move_build(build, Move(BuildState.RUNNING, started_at=now), now)
        build = self.store.move_build(build, Move(BuildState.VERIFYING), now)
        outcome = Outcome(
            BuildState.SUCCEEDED,
            OutcomeClass.SUCCEEDED,
            "built",
            digest=result,
            size_bytes=9,
            cache=cache,
            daemon=daemon,
        )
        return self.store.move_build(build, Move(BuildState.TAGGING, outcome=outcome), now)

    def write_tags(self) -> list[str]:
        """Apply all due tags; `name:tag@digest` of each."""
        written = []
        for tag in self.store.due_tags(self.tick(), LEASE, 100):
            self.store.tag_applied(tag, self.now, None)
            written.append(f"{tag.name}:{tag.tag}@{tag.digest}")
        return sorted(written)

    def succeed(
        self, build: BuildRow, result: Digest, cache: CacheUse = COLD, daemon: str = ""
    ) -> BuildRow:
        """The whole way to success, tags written."""
        build = self.prove(build, result, cache, daemon)
        self.write_tags()
        settled, errors = self.store.build_tags_settled(build)
        assert settled
        assert not errors
        return self.store.move_build(build, Move(BuildState.SUCCEEDED), self.tick())

    def fail(self, build: BuildRow, kind: OutcomeClass = OutcomeClass.STEP) -> BuildRow:
        outcome = Outcome(BuildState.FAILED, kind, "no")
        return self.store.move_build(build, Move(BuildState.FAILED, outcome=outcome), self.tick())
