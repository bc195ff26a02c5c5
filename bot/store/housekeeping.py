"""Removing what is older than its retention, a few hundred rows to a transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)

from bot.core.builds import BuildState
from bot.store.builds import FINAL_STATES
from bot.store.database import Database
from bot.store.schema import (
    attempt,
    build,
    build_need,
    claim,
    claim_image,
    claim_tag,
    commit_report,
    inbox,
    journal,
    log_chunk,
    ref_state,
    step,
    wanted_status,
)
from bot.store.schema_talk import (
    answered_comment,
    approval,
    head_sighting,
    image_skip,
    wanted_comment,
)

BATCH = 300
MOST_BATCHES = 200
"""Of one kind in one round; the next round goes on."""
DAY = 86400.0
DEFAULT_DAYS: Mapping[str, int] = {"bodies": 14, "deliveries": 90, "logs": 30, "builds": 180}


def clean(database: Database, now: float, days: Mapping[str, int]) -> Mapping[str, int]:
    """Counts by kind of what was removed."""
    before = {
        kind: now - DAY * (days.get(kind, fallback)) for kind, fallback in DEFAULT_DAYS.items()
    }
    rounds: tuple[tuple[str, Callable[[Connection, float], int], float], ...] = (
        ("bodies", _bodies, before["bodies"]),
        ("deliveries", _deliveries, before["deliveries"]),
        ("logs", _logs, before["logs"]),
        ("claims", _claims, before["builds"]),
        ("builds", _builds, before["builds"]),
        ("statuses", _statuses, before["builds"]),
        ("reports", _reports, before["builds"]),
        ("journal", _journal, before["builds"]),
        ("comments", _comments, before["deliveries"]),
        ("approvals", _approvals, before["builds"]),
        ("skips", _skips, before["builds"]),
    )
    counts = {name: _batches(database, work, limit) for name, work, limit in rounds}
    if database.sqlite:
        database.checkpoint()
    return counts


def _batches(database: Database, work: Callable[[Connection, float], int], before: float) -> int:
    removed = 0
    for _ in range(MOST_BATCHES):
        count = database.write_quietly(work, before)
        removed += count
        if count == 0:
            break
    return removed


def _remove(tx: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    """One batch of the rows of a table."""
    keys = list(table.primary_key.columns)
    rows = [tuple(row) for row in tx.execute(select(*keys).where(condition).limit(BATCH))]
    if not rows:
        return 0
    match = keys[0].in_([row[0] for row in rows]) if len(keys) == 1 else tuple_(*keys).in_(rows)
    return tx.execute(delete(table).where(match)).rowcount


def _comments(tx: Connection, before: float) -> int:
    """Handled as long ago as no delivery of them is known any more."""
    return _remove(tx, answered_comment, answered_comment.c.handled_at < before)


def _approvals(tx: Connection, before: float) -> int:
    removed = _remove(tx, approval, approval.c.until < before)
    return removed + _remove(tx, head_sighting, head_sighting.c.seen_at < before)


def _skips(tx: Connection, before: float) -> int:
    return _remove(tx, image_skip, image_skip.c.at < before)


def _bodies(tx: Connection, before: float) -> int:
    old = and_(inbox.c.state != "new", inbox.c.received_at < before, inbox.c.body.is_not(None))
    ids = select(inbox.c.id).where(old).limit(BATCH)
    return tx.execute(update(inbox).where(inbox.c.id.in_(ids)).values(body=None)).rowcount


def _deliveries(tx: Connection, before: float) -> int:
    return _remove(tx, inbox, and_(inbox.c.state != "new", inbox.c.received_at < before))


def _logs(tx: Connection, before: float) -> int:
    old = exists().where(
        attempt.c.build_id == log_chunk.c.build_id,
        attempt.c.number == log_chunk.c.attempt,
        attempt.c.ended_at < before,
    )
    return _remove(tx, log_chunk, old)


def _claims(tx: Connection, before: float) -> int:
    """Claims with nothing left to do, but neither a ref's head nor its newest success."""
    ids = tx.execute(_OLD_CLAIMS, {"before": before}).scalars().all()
    if not ids:
        return 0
    tx.execute(delete(claim_tag).where(claim_tag.c.claim_id.in_(ids)))
    tx.execute(delete(claim_image).where(claim_image.c.claim_id.in_(ids)))
    return tx.execute(delete(claim).where(claim.c.id.in_(ids))).rowcount


def _newest_success() -> ColumnElement[bool]:
    """Whether an image of the claim has no later success of the same ref."""
    mine, built = claim_image.alias("mine"), build.alias("built")
    other, later, better = claim.alias("other"), claim_image.alias("later"), build.alias("better")
    surpassed = (
        exists()
        .where(
            other.c.repository_id == claim.c.repository_id,
            other.c.kind == claim.c.kind,
            other.c.name == claim.c.name,
            or_(
                other.c.sequence > claim.c.sequence,
                and_(other.c.sequence == claim.c.sequence, other.c.id > claim.c.id),
            ),
            later.c.claim_id == other.c.id,
            later.c.image == mine.c.image,
            better.c.id == later.c.build_id,
            better.c.state == "succeeded",
        )
        .correlate(claim, mine)
    )
    return (
        exists()
        .where(
            mine.c.claim_id == claim.c.id,
            built.c.id == mine.c.build_id,
            built.c.state == "succeeded",
            ~surpassed,
        )
        .correlate(claim)
    )


_OLD_CLAIMS = (
    select(claim.c.id)
    .where(
        claim.c.created_at < bindparam("before", type_=Float()),
        ~exists().where(
            claim_image.c.claim_id == claim.c.id,
            claim_image.c.build_id == build.c.id,
            build.c.state.not_in(FINAL_STATES),
        ),
        ~exists().where(
            ref_state.c.repository_id == claim.c.repository_id,
            ref_state.c.sha == claim.c.sha,
        ),
        ~_newest_success(),
    )
    .order_by(claim.c.id)
    .limit(BATCH)
)
"""Nothing left to do, no head, no newest success."""


def _builds(tx: Connection, before: float) -> int:
    """Ended builds that no claim is left of and that no other build still names as needed."""
    claimed = exists().where(claim_image.c.build_id == build.c.id)
    needed = exists().where(build_need.c.needed_id == build.c.id)
    old = and_(build.c.state.in_(FINAL_STATES), build.c.ended_at < before)
    query = select(build.c.id).where(old, ~claimed, ~needed).limit(BATCH)
    ids = tx.execute(query).scalars().all()
    if not ids:
        return 0
    for table in (log_chunk, step, attempt, build_need):
        tx.execute(delete(table).where(table.c.build_id.in_(ids)))
    return tx.execute(delete(build).where(build.c.id.in_(ids))).rowcount


def _statuses(tx: Connection, before: float) -> int:
    claimed = exists().where(
        claim.c.repository_id == wanted_status.c.repository_id,
        claim.c.sha == wanted_status.c.sha,
    )
    return _remove(tx, wanted_status, and_(wanted_status.c.wanted_at < before, ~claimed))


def _reports(tx: Connection, before: float) -> int:
    claimed = exists().where(
        claim.c.repository_id == commit_report.c.repository_id,
        claim.c.sha == commit_report.c.sha,
    )
    told = commit_report.c.rendered == commit_report.c.wanted
    idle = commit_report.c.lease_until < before
    return _remove(tx, commit_report, and_(told, idle, ~claimed))


def _journal(tx: Connection, before: float) -> int:
    return _remove(tx, journal, journal.c.at < before)


def gauges(tx: Connection, now: float) -> Mapping[str, float]:
    """Numbers for the metrics page."""
    new = and_(inbox.c.state == "new")
    waiting, oldest = tx.execute(
        select(func.count(), func.min(inbox.c.received_at)).where(new)
    ).one()
    found = {
        "inbox_new": float(waiting),
        "inbox_age_seconds": 0.0 if oldest is None else max(0.0, now - oldest),
        "inbox_dead": _count(tx, inbox, inbox.c.state == "dead"),
        "inbox_ignored": _count(tx, inbox, inbox.c.state == "ignored"),
        "inbox_malformed": _count(tx, inbox, inbox.c.state == "malformed"),
        "statuses_late": _count(tx, wanted_status, _late(wanted_status, now)),
        "statuses_dead": _count(tx, wanted_status, wanted_status.c.dead.is_(True)),
        "comments_late": _count(tx, wanted_comment, _late(wanted_comment, now)),
    }
    for state in BuildState:
        if not state.final:
            found[f"builds_{state}"] = 0.0
    unfinished = build.c.state.not_in(FINAL_STATES)
    states = select(build.c.state, func.count().label("n")).where(unfinished)
    for row in tx.execute(states.group_by(build.c.state)):
        found[f"builds_{row.state}"] = float(row.n)
    return found


def _late(table: Table, now: float) -> ColumnElement[bool]:
    return and_(table.c.next_at <= now, table.c.applied_sequence < table.c.sequence)


def _count(tx: Connection, table: Table, condition: ColumnElement[bool]) -> float:
    return float(tx.execute(select(func.count()).select_from(table).where(condition)).scalar_one())
