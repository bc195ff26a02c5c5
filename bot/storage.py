"""What the flows need of the store: row values, and one Protocol whose methods are each one
transaction. `bot.store` satisfies it on SQLite and PostgreSQL; tests hold both to one suite.

A method that takes a row with a `fence` writes only while that lease is the newest one; else it
raises `LeaseLost`, and the caller drops what it did. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

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
from bot.storage_talk import Talk


class Store(Talk, Protocol):
    """Thread-safe. Every method is one transaction and raises `bot.ports.Temporary` when the
    database can't be asked just now."""

    # -- the inbox ---------------------------------------------------------------------------
    def put_deliveries(self, deliveries: Sequence[IncomingDelivery]) -> None:
        """Durable when it returns. A known (source, delivery) is queued again and counted."""

    def put_new_deliveries(self, deliveries: Sequence[IncomingDelivery]) -> int:
        """How many were new; what is known already stays as it is."""

    def claim_delivery(self, now: float, lease_seconds: float) -> Delivery | None:
        """The oldest due delivery that nobody holds."""

    def finish_delivery(
        self, delivery: Delivery, state: str, reason: str, now: float, explained: str | None = None
    ) -> None:
        """`state`: done, ignored, malformed, dead. `explained`: JSON for the deliveries page."""

    def delay_delivery(
        self, delivery: Delivery, until: float, reason: str, *, counted: bool
    ) -> None:
        """Not now: `counted` adds one to its tries."""

    def delivery_of(self, delivery: Delivery, row_id: int) -> None:
        """Which repository it is about, where it is not decided yet."""

    # -- repositories and plans --------------------------------------------------------------
    def repository_row(self, source: SourceName, repository: Repository) -> RepositoryRow:
        """Insert or bring up to date, by the host's numeric id."""

    def repositories(self, source: SourceName | None = None) -> Sequence[RepositoryRow]: ...

    def lease_repository(
        self, row_id: int, now: float, lease_seconds: float
    ) -> LeasedRepository | None: ...

    def release_repository(self, leased: LeasedRepository) -> None: ...

    def repository_state(self, row_id: int) -> RepositoryState: ...

    def apply_plan(
        self,
        leased: LeasedRepository,
        version: int,
        decided: Decided,
        delivery: Delivery | None,
        now: float,
    ) -> Applied:
        """The whole plan at once: ref state (each sighting of a new head takes the next sequence
        number), withdrawals, claims, builds (found by identity or queued), their reports marked,
        the delivery done. Raises StaleFacts when `version` is not the state's."""

    def record_refs(
        self, leased: LeasedRepository, refs: Mapping[str, Sha | None], now: float, note: str
    ) -> None:
        """Remember heads without building (first sight, too many at once), and journal `note`."""

    def last_digest(
        self,
        row_id: int,
        image: ImageKey,
        trust: Trust,
        refs: Sequence[str],
        *,
        full: bool = False,
    ) -> tuple[str, Digest] | None:
        """(image name, digest) of the newest proven success for the first of these refs that has
        one (`refs/heads/main`, `refs/tags/v1`, `request/7`). `full`: that took no step from a
        cache."""

    def success_before(self, build: BuildRow) -> Outcome | None:
        """How the newest success of the same image ended that was queued before this build."""

    # -- scheduling --------------------------------------------------------------------------
    def admit(
        self, limits: AdmissionLimits, now: float, lease_seconds: float
    ) -> Sequence[BuildRow]:
        """Queued builds whose needs are final and that fit the limits, exact with any number of
        workers, fair between repositories. They are `starting` now, their attempt counted, leased.
        A build one of whose needs did not succeed becomes `failed` (need-failed) here."""

    def needed(self, build_id: BuildId) -> Sequence[BuildRow]: ...

    def due_builds(
        self, now: float, lease_seconds: float, limit: int, woken: Sequence[BuildId] = ()
    ) -> Sequence[BuildRow]:
        """Active builds (starting, running, verifying, tagging) that are due, leased. Something
        happened to those `woken`: where they are starting to verifying, they are due now, or once
        their holder gives them back."""

    def move_build(self, build: BuildRow, move: Move, now: float) -> BuildRow:
        """Forward (or to `queued` again for another attempt), its reports marked, journalled.
        A proven success (`tagging`) writes the wanted tags of every live claim; ownership is
        decided by `core.ownership`, and where no tag has to be written it is due at once. Final
        states move path bases and wake builds that need it."""

    def release_build(self, build: BuildRow, next_at: float) -> None: ...

    def build_tags_settled(self, build: BuildRow) -> tuple[bool, tuple[str, ...]]:
        """Whether all tags of its live claims are applied or yielded; and what was refused."""

    def withdraw_build(self, build_id: BuildId, state: str, text: str, now: float) -> bool:
        """Cancel by command. False: it has ended already."""

    def active_count(self) -> int: ...

    # -- logs --------------------------------------------------------------------------------
    def append_log(self, build: BuildRow, lines: Sequence[LogLine], now: float) -> int:
        """Lines above the last stored one as a compressed chunk, first and last 4 MiB of an
        attempt; the sequence number that is stored now. Step records are kept apart as well."""

    def read_log(
        self, build_id: BuildId, attempt: int | None, after: int, limit: int
    ) -> Sequence[LogLine]: ...

    def tail_log(self, build_id: BuildId, limit: int) -> Sequence[LogLine]:
        """The last lines of the newest attempt."""

    def steps(self, build_id: BuildId) -> Sequence[Mapping[str, object]]: ...

    def watch_log(self, build_id: BuildId, until: float) -> None:
        """A page shows it: read its log often until then."""

    # -- reports -----------------------------------------------------------------------------
    def due_reports(self, now: float, lease_seconds: float, limit: int) -> Sequence[DueReport]: ...

    def want_reports(
        self, report: DueReport, rendered: Rendered, comments: Sequence[Comment], now: float
    ) -> None:
        """The rendered statuses (and whether each is final) and comments. Equal ones change
        nothing; a comment counts while its claim is the request's newest. `rendered.next_at`:
        render again then (a pending text that changes with time)."""

    def measured(self, build: BuildRow, base_branch: str | None) -> Measured:
        """What the build is compared with, as it was when it was queued."""

    def due_statuses(
        self, now: float, lease_seconds: float, limit: int, gap_seconds: float = 0.0
    ) -> Sequence[WantedStatus]:
        """Each with its turn to write (see `reserve_pace`), `gap_seconds` after the last one."""

    def status_applied(
        self,
        wanted: WantedStatus,
        now: float,
        check_at: float | None,
        accepted_at: float | None = None,
    ) -> None:
        """`accepted_at`: when the host took it, by its own clock; None: only read back."""

    def status_delayed(
        self, wanted: WantedStatus, until: float, error: str, *, dead: bool = False
    ) -> None: ...

    def due_tags(self, now: float, lease_seconds: float, limit: int) -> Sequence[WantedTag]: ...

    def tag_applied(self, wanted: WantedTag, now: float, check_at: float | None) -> None:
        """Marks the reports of the claims that wait for it, and wakes their builds."""

    def tag_delayed(
        self, wanted: WantedTag, until: float, error: str, *, refused: bool = False
    ) -> None: ...

    def reserve_pace(self, credential: str, now: float, gap_seconds: float) -> float:
        """0: the slot for one write is taken. Else nothing is taken; seconds until one is free."""

    def hold_pace(self, credential: str, until: float) -> None:
        """No slot is free before then: the host said when it wants to be asked again."""

    # -- people ------------------------------------------------------------------------------
    def journal(self, entry: JournalEntry) -> None: ...

    def entries(
        self, *, build_id: BuildId | None = None, repository_id: int | None = None, limit: int = 100
    ) -> Sequence[JournalEntry]: ...

    def build(
        self, build_id: BuildId
    ) -> tuple[BuildRow, RepositoryRow, tuple[ClaimView, ...]] | None:
        """For its page."""

    def claim_by_page(self, page: str) -> tuple[ClaimView, RepositoryRow] | None: ...

    def find_builds(
        self, prefix: str = "", repository_id: int | None = None, limit: int = 50
    ) -> Sequence[tuple[BuildRow, RepositoryRow]]:
        """Newest first; by the start of the id, for the command line."""

    def attempts(self, build_id: BuildId) -> Sequence[Mapping[str, object]]: ...

    def deliveries(
        self, limit: int, state: str | None = None
    ) -> Sequence[Mapping[str, object]]: ...

    def delivery_by_page(self, page: str) -> DeliveryView | None: ...

    def replay(self, delivery: str, now: float) -> int:
        """Queue a delivery (or all that start with this id) again; how many there were."""

    def unforgotten(self, limit: int) -> Sequence[tuple[BuildId, str]]:
        """(build, attempt name) of ended attempts that the executor still keeps files of."""

    def forget_attempt(self, name: str) -> None: ...

    def forgotten(self, names: Sequence[str]) -> Sequence[str]:
        """Those of these attempts that were forgotten already."""

    # -- keeping house -----------------------------------------------------------------------
    def housekeeping(self, now: float, days: Mapping[str, int]) -> Mapping[str, int]:
        """Remove what is older than `bodies`, `deliveries`, `logs`, `builds` days; counts. The
        newest success per ref and image stays."""

    def spare_tags(self, now: float, limit: int) -> Sequence[SpareTag]:
        """Immutable references of successes older than ten minutes that another tag of ours holds,
        and names of requests that closed a week ago."""

    def spare_removed(self, spare: SpareTag) -> None:
        """It is gone, or its registry keeps it: not to be asked for again."""

    def swept(self, leased: LeasedRepository, now: float) -> None: ...

    def gauges(self, now: float) -> Mapping[str, float]:
        """For the metrics page: inbox_new, inbox_age_seconds, builds_<state>, statuses_late, …"""

    def wait(self, seconds: float) -> bool:
        """Sleep until something was committed by anyone, or that long; True: something was."""

    def check(self) -> None:
        """Raises when the database can't be written to."""

    def close(self) -> None: ...
