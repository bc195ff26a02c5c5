"""`bot.storage.Store` on a database: each method is one transaction of a function that lives in the
module named after its noun. What may have nothing to do looks before it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.core.builds import LogLine, Outcome
from bot.core.events import Repository
from bot.core.ids import BuildId, Digest, ImageKey, Sha, SourceName, Trust
from bot.core.reports_comment import Comment
from bot.core.reports_results import Measured
from bot.core.reports_rows import Rendered
from bot.records import (
    AdmissionLimits,
    Applied,
    BuildRow,
    ClaimView,
    Decided,
    Delivery,
    DeliveryView,
    DueReport,
    IncomingDelivery,
    JournalEntry,
    LeasedRepository,
    Move,
    RepositoryRow,
    RepositoryState,
    SpareTag,
    WantedStatus,
    WantedTag,
)
from bot.store import (
    admission,
    builds,
    claims,
    housekeeping,
    inbox,
    journal,
    logs,
    measures,
    moves,
    pacing,
    rendered,
    repositories,
    spares,
    statuses,
    tagging,
    tags,
    views,
)
from bot.store.database import Database
from bot.store.leases import any_row
from bot.store.talk import TalkStore


class SqlStore(TalkStore):
    """Thread-safe; one for each process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- the inbox ---------------------------------------------------------------------------
    def put_deliveries(self, deliveries: Sequence[IncomingDelivery]) -> None:
        self._database.write(inbox.put, deliveries)

    def put_new_deliveries(self, deliveries: Sequence[IncomingDelivery]) -> int:
        return self._database.write(inbox.put_new, deliveries)

    def claim_delivery(self, now: float, lease_seconds: float) -> Delivery | None:
        if not self._database.read(any_row, inbox.DUE, now):
            return None
        return self._database.write_quietly(inbox.claim, now, lease_seconds)

    def finish_delivery(
        self, delivery: Delivery, state: str, reason: str, now: float, explained: str | None = None
    ) -> None:
        self._database.write(inbox.finish, delivery, state, reason, now, explained)

    def delay_delivery(
        self, delivery: Delivery, until: float, reason: str, *, counted: bool
    ) -> None:
        self._database.write(inbox.delay, delivery, until, reason, counted)

    def delivery_of(self, delivery: Delivery, row_id: int) -> None:
        self._database.write(inbox.belongs, delivery, row_id)

    # -- repositories and plans --------------------------------------------------------------
    def repository_row(self, source: SourceName, repository: Repository) -> RepositoryRow:
        found = self._database.read(repositories.find, source, repository.id)
        if found is not None and found.repository == repository:
            return found
        return self._database.write(repositories.put, source, repository)

    def repositories(self, source: SourceName | None = None) -> Sequence[RepositoryRow]:
        return self._database.read(repositories.listing, source)

    def lease_repository(
        self, row_id: int, now: float, lease_seconds: float
    ) -> LeasedRepository | None:
        return self._database.write_quietly(repositories.lease, row_id, now, lease_seconds)

    def release_repository(self, leased: LeasedRepository) -> None:
        self._database.write(repositories.release, leased)

    def repository_state(self, row_id: int) -> RepositoryState:
        return self._database.read(repositories.state, row_id)

    def apply_plan(
        self,
        leased: LeasedRepository,
        version: int,
        decided: Decided,
        delivery: Delivery | None,
        now: float,
    ) -> Applied:
        return self._database.write(claims.apply, leased, version, decided, delivery, now)

    def record_refs(
        self, leased: LeasedRepository, refs: Mapping[str, Sha | None], now: float, note: str
    ) -> None:
        self._database.write(repositories.record_refs, leased, refs, now, note)

    def last_digest(
        self,
        row_id: int,
        image: ImageKey,
        trust: Trust,
        refs: Sequence[str],
        *,
        full: bool = False,
    ) -> tuple[str, Digest] | None:
        return self._database.read(repositories.last_digest, row_id, image, trust, refs, full=full)

    def success_before(self, build: BuildRow) -> Outcome | None:
        return self._database.read(builds.success_before, build)

    # -- scheduling --------------------------------------------------------------------------
    def admit(
        self, limits: AdmissionLimits, now: float, lease_seconds: float
    ) -> Sequence[BuildRow]:
        if not self._database.read(admission.worth_a_look, limits, now):
            return []
        return self._database.write(admission.admit, limits, now, lease_seconds)

    def needed(self, build_id: BuildId) -> Sequence[BuildRow]:
        return self._database.read(builds.needed, build_id)

    def due_builds(
        self, now: float, lease_seconds: float, limit: int, woken: Sequence[BuildId] = ()
    ) -> Sequence[BuildRow]:
        if not woken and not self._database.read(any_row, builds.DUE, now):
            return []
        return self._database.write_quietly(builds.due, now, lease_seconds, limit, woken)

    def move_build(self, build: BuildRow, move: Move, now: float) -> BuildRow:
        return self._database.write(moves.move, build, move, now)

    def release_build(self, build: BuildRow, next_at: float) -> None:
        self._database.write_quietly(builds.release, build, next_at)

    def build_tags_settled(self, build: BuildRow) -> tuple[bool, tuple[str, ...]]:
        return self._database.read(tagging.settled, build.id)

    def withdraw_build(self, build_id: BuildId, state: str, text: str, now: float) -> bool:
        return self._database.write(moves.withdraw, build_id, state, text, now)

    def active_count(self) -> int:
        return self._database.read(admission.active_count)

    # -- logs --------------------------------------------------------------------------------
    def append_log(self, build: BuildRow, lines: Sequence[LogLine], now: float) -> int:  # noqa: ARG002  of the port
        return self._database.write_quietly(logs.append, build, lines)

    def read_log(
        self, build_id: BuildId, attempt: int | None, after: int, limit: int
    ) -> Sequence[LogLine]:
        return self._database.read(logs.read, build_id, attempt, after, limit)

    def tail_log(self, build_id: BuildId, limit: int) -> Sequence[LogLine]:
        return self._database.read(logs.tail, build_id, limit)

    def steps(self, build_id: BuildId) -> Sequence[Mapping[str, object]]:
        return self._database.read(logs.steps, build_id)

    def watch_log(self, build_id: BuildId, until: float) -> None:
        self._database.write(logs.watch, build_id, until)

    # -- reports -----------------------------------------------------------------------------
    def due_reports(self, now: float, lease_seconds: float, limit: int) -> Sequence[DueReport]:
        if not self._database.read(any_row, statuses.REPORT_DUE, now):
            return []
        return self._database.write_quietly(views.reports, now, lease_seconds, limit)

    def want_reports(
        self, report: DueReport, rendered_now: Rendered, comments: Sequence[Comment], now: float
    ) -> None:
        self._database.write(rendered.want, report, rendered_now, comments, now)

    def measured(self, build: BuildRow, base_branch: str | None) -> Measured:
        return self._database.read(measures.measured, build, base_branch)

    def due_statuses(
        self, now: float, lease_seconds: float, limit: int, gap_seconds: float = 0.0
    ) -> Sequence[WantedStatus]:
        if not self._database.read(any_row, statuses.DUE, now):
            return []
        return self._database.write_quietly(statuses.due, now, lease_seconds, limit, gap_seconds)

    def status_applied(
        self,
        wanted: WantedStatus,
        now: float,
        check_at: float | None,
        accepted_at: float | None = None,
    ) -> None:
        self._database.write(statuses.applied, wanted, now, check_at, accepted_at)

    def status_delayed(
        self, wanted: WantedStatus, until: float, error: str, *, dead: bool = False
    ) -> None:
        self._database.write(statuses.delayed, wanted, until, error, dead)

    def due_tags(self, now: float, lease_seconds: float, limit: int) -> Sequence[WantedTag]:
        if not self._database.read(any_row, tags.DUE, now):
            return []
        return self._database.write_quietly(tags.due, now, lease_seconds, limit)

    def tag_applied(self, wanted: WantedTag, now: float, check_at: float | None) -> None:
        self._database.write(tags.applied, wanted, now, check_at)

    def tag_delayed(
        self, wanted: WantedTag, until: float, error: str, *, refused: bool = False
    ) -> None:
        self._database.write(tags.delayed, wanted, until, error, refused)

    def reserve_pace(self, credential: str, now: float, gap_seconds: float) -> float:
        return self._database.write_quietly(pacing.reserve, credential, now, gap_seconds)

    def hold_pace(self, credential: str, until: float) -> None:
        self._database.write_quietly(pacing.hold, credential, until)

    # -- people ------------------------------------------------------------------------------
    def journal(self, entry: JournalEntry) -> None:
        self._database.write_quietly(journal.add, entry)

    def entries(
        self, *, build_id: BuildId | None = None, repository_id: int | None = None, limit: int = 100
    ) -> Sequence[JournalEntry]:
        return self._database.read(journal.listing, build_id, repository_id, limit)

    def build(
        self, build_id: BuildId
    ) -> tuple[BuildRow, RepositoryRow, tuple[ClaimView, ...]] | None:
        return self._database.read(views.page, build_id)

    def claim_by_page(self, page: str) -> tuple[ClaimView, RepositoryRow] | None:
        return self._database.read(views.by_page, page)

    def find_builds(
        self, prefix: str = "", repository_id: int | None = None, limit: int = 50
    ) -> Sequence[tuple[BuildRow, RepositoryRow]]:
        return self._database.read(views.find, prefix, repository_id, limit)

    def attempts(self, build_id: BuildId) -> Sequence[Mapping[str, object]]:
        return self._database.read(builds.attempts, build_id)

    def deliveries(self, limit: int, state: str | None = None) -> Sequence[Mapping[str, object]]:
        return self._database.read(inbox.listing, limit, state)

    def delivery_by_page(self, page: str) -> DeliveryView | None:
        return self._database.read(inbox.by_page, page)

    def replay(self, delivery: str, now: float) -> int:
        return self._database.write(inbox.replay, delivery, now)

    def unforgotten(self, limit: int) -> Sequence[tuple[BuildId, str]]:
        return self._database.read(builds.unforgotten, limit)

    def forget_attempt(self, name: str) -> None:
        self._database.write_quietly(builds.forget, name)

    def forgotten(self, names: Sequence[str]) -> Sequence[str]:
        return self._database.read(builds.forgotten, names)

    # -- keeping house -----------------------------------------------------------------------
    def housekeeping(self, now: float, days: Mapping[str, int]) -> Mapping[str, int]:
        return housekeeping.clean(self._database, now, days)

    def spare_tags(self, now: float, limit: int) -> Sequence[SpareTag]:
        return self._database.write_quietly(spares.listing, now, limit)

    def spare_removed(self, spare: SpareTag) -> None:
        self._database.write_quietly(spares.removed, spare)

    def swept(self, leased: LeasedRepository, now: float) -> None:
        self._database.write_quietly(repositories.swept, leased, now)

    def gauges(self, now: float) -> Mapping[str, float]:
        return self._database.read(housekeeping.gauges, now)

    def wait(self, seconds: float) -> bool:
        return self._database.wakeups.wait(seconds)

    def check(self) -> None:
        self._database.write_quietly(pacing.touch)

    def close(self) -> None:
        self._database.close()
