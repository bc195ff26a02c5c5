"""Which queued builds may start. One at a time decides, under the lock of one row, so limits are
exact with any number of workers; fair between repositories, and no slower for a long queue.

A queued build is due by `next_at`: never while it waits for builds that it needs; their end wakes
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    exists,
    func,
    or_,
    select,
    true,
    update,
)

from bot.core.builds import BuildState, Outcome, OutcomeClass
from bot.core.ids import BuildId
from bot.records import (
    AdmissionLimits,
    BuildRow,
    JournalEntry,
)
from bot.store import builds, journal, reports
from bot.store.leases import NOW, Moment, any_row, question
from bot.store.rows import outcome_text
from bot.store.schema import NEVER, attempt, build, build_need, meta, repository, turn
from bot.store.upserts import upsert

LOCK = "admission"


@dataclass(slots=True)
class Candidate:
    """A repository with builds to start. Fewest active ones first, then who waited longest."""

    row_id: int
    active: int
    last_admitted_at: float

    @property
    def rank(self) -> tuple[int, float, int]:
        return self.active, self.last_admitted_at, self.row_id


@dataclass(slots=True)
class Session:
    """One call of `admit`. `groups`: active builds by (repository, group)."""

    tx: Connection
    limits: AdmissionLimits
    now: float
    until: float
    groups: dict[tuple[int, str], int] = field(default_factory=dict)
    admitted: list[BuildId] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def _due(now: Moment) -> tuple[ColumnElement[bool], ...]:
    return (build.c.state == BuildState.QUEUED, build.c.next_at <= now)


_DUE = question(build, _due(NOW))


def worth_a_look(tx: Connection, limits: AdmissionLimits, now: float) -> bool:
    """Whether it may be worth taking the lock: something is due, and there is room."""
    return any_row(tx, _DUE, now) and active_count(tx) < limits.builds


def admit(
    tx: Connection, limits: AdmissionLimits, now: float, lease_seconds: float
) -> Sequence[BuildRow]:
    _lock(tx)
    active = _active(tx)
    free = limits.builds - sum(active.values())
    session = Session(tx, limits, now, now + lease_seconds, _groups(tx))
    candidates = _candidates(tx, now, active) if free > 0 else []
    while free > 0 and candidates:
        first = min(candidates, key=lambda candidate: candidate.rank)
        if first.active >= limits.per_repository or not _admit_one(session, first):
            candidates.remove(first)
            continue
        free -= 1
    reports.mark_builds(tx, [*session.admitted, *session.failed], now)
    found = builds.load(tx, session.admitted)
    return [found[build_id] for build_id in session.admitted]


def _lock(tx: Connection) -> None:
    insert = upsert(tx, meta).values(key=LOCK, value="")
    tx.execute(insert.on_conflict_do_nothing())
    tx.execute(select(meta.c.key).where(meta.c.key == LOCK).with_for_update()).one()


def _active(tx: Connection) -> dict[int, int]:
    query = (
        select(build.c.repository_id, func.count().label("active"))
        .where(build.c.state.in_(builds.ACTIVE_STATES))
        .group_by(build.c.repository_id)
    )
    return {row.repository_id: row.active for row in tx.execute(query)}


def active_count(tx: Connection) -> int:
    return sum(_active(tx).values())


def _groups(tx: Connection) -> dict[tuple[int, str], int]:
    query = (
        select(build.c.repository_id, build.c.group, func.count().label("active"))
        .where(build.c.state.in_(builds.ACTIVE_STATES), build.c.group.is_not(None))
        .group_by(build.c.repository_id, build.c.group)
    )
    return {(row.repository_id, row.group): row.active for row in tx.execute(query)}


def _candidates(tx: Connection, now: float, active: dict[int, int]) -> list[Candidate]:
    """One probe of an index for each repository, however many builds it has queued."""
    some = exists().where(build.c.repository_id == repository.c.id, *_due(now))
    query = (
        select(repository.c.id, turn.c.last_admitted_at)
        .select_from(repository.outerjoin(turn, turn.c.repository_id == repository.c.id))
        .where(some)
    )
    return [
        Candidate(row.id, active.get(row.id, 0), row.last_admitted_at or 0.0)
        for row in tx.execute(query)
    ]


def first_due(session: Session, row_id: int) -> Select[tuple[str, str | None, int | None, int]]:
    """The builds of a repository that may start, oldest first, full groups left out."""
    full = _full_groups(session, row_id)
    open_group = or_(build.c.group.is_(None), build.c.group.not_in(full)) if full else true()
    return (
        select(build.c.id, build.c.group, build.c.group_limit, build.c.attempt)
        .where(build.c.repository_id == row_id, *_due(session.now), open_group)
        .order_by(build.c.next_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _full_groups(session: Session, row_id: int) -> list[str]:
    """A group's limit is that of its newest queued build: the config may have changed."""
    mine = [group for (owner, group), _ in session.groups.items() if owner == row_id]
    full: list[str] = []
    for group in mine:
        query = (
            select(build.c.group_limit)
            .where(build.c.repository_id == row_id, *_due(session.now), build.c.group == group)
            .order_by(build.c.next_at.desc())
            .limit(1)
        )
        limit = session.tx.execute(query).scalar()
        if limit is not None and session.groups[row_id, group] >= limit:
            full.append(group)
    return full


def _admit_one(session: Session, candidate: Candidate) -> bool:
    """Start the repository's first build that may; False: it has none."""
    tx, now = session.tx, session.now
    for row in _startable(session, candidate.row_id):
        number = row.attempt + 1
        values = {
            "state": BuildState.STARTING,
            "attempt": number,
            "admitted_at": now,
            "started_at": None,  # of the attempt, not of the build
            "reason": "",
            "lease_until": session.until,
            "next_at": session.until,
            "fence": build.c.fence + 1,
        }
        tx.execute(update(build).where(build.c.id == row.id).values(values))
        name = f"{row.id}-{number}"
        start = attempt.insert().values(build_id=row.id, number=number, name=name, started_at=now)
        tx.execute(start)
        session.admitted.append(BuildId(row.id))
        if row.group is not None:
            key = (candidate.row_id, row.group)
            session.groups[key] = session.groups.get(key, 0) + 1
        candidate.active += 1
        candidate.last_admitted_at = now
        _remember_turn(tx, candidate)
        return True
    return False


def _startable(
    session: Session, row_id: int
) -> Iterator[Row[tuple[str, str | None, int | None, int]]]:
    """Due builds whose needs have all succeeded; the others are failed or put back on the way."""
    while (row := session.tx.execute(first_due(session, row_id)).first()) is not None:
        match _needs(session.tx, row.id):
            case "ready":
                yield row
            case "unfinished":
                values = {"next_at": NEVER}
                session.tx.execute(update(build).where(build.c.id == row.id).values(values))
            case text:
                _fail(session, row_id, row.id, text)


def _needs(tx: Connection, build_id: str) -> str:
    """ready, unfinished, or the sentence why it can't be built."""
    query = (
        select(build.c.image, build.c.state)
        .join(build_need, build_need.c.needed_id == build.c.id)
        .where(build_need.c.build_id == build_id)
        .order_by(build.c.image)
    )
    rows = tx.execute(query).all()
    states = {row.image: BuildState(row.state) for row in rows}
    for image, state in states.items():
        if state.final and state is not BuildState.SUCCEEDED:
            return f"the needed image {image} did not build: it is {state.value}"
    ready = all(state is BuildState.SUCCEEDED for state in states.values())
    return "ready" if ready else "unfinished"


def _fail(session: Session, row_id: int, build_id: str, text: str) -> None:
    outcome = Outcome(BuildState.FAILED, OutcomeClass.NEED_FAILED, text)
    values = {
        "state": BuildState.FAILED,
        "outcome": outcome_text(outcome),
        "reason": text,
        "ended_at": session.now,
        "next_at": NEVER,
        "fence": build.c.fence + 1,
    }
    session.tx.execute(update(build).where(build.c.id == build_id).values(values))
    builds.wake_dependents(session.tx, build_id, session.now)
    session.failed.append(build_id)
    entry = JournalEntry(session.now, "failed", text, row_id, BuildId(build_id))
    journal.add(session.tx, entry)


def _remember_turn(tx: Connection, candidate: Candidate) -> None:
    values = {"last_admitted_at": candidate.last_admitted_at}
    insert = upsert(tx, turn).values(repository_id=candidate.row_id, **values)
    tx.execute(insert.on_conflict_do_update(index_elements=["repository_id"], set_=values))
