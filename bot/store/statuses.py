"""Statuses that commits are to carry: the latest wish per (repository, commit, context), serial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, or_, select, update

from bot.core.ids import Sha
from bot.core.reports import CommitStatus
from bot.records import (
    DueReport,
    LeaseLost,
    RepositoryRow,
    WantedStatus,
)
from bot.store import pacing
from bot.store.leases import NOW, Moment, give_back, held, question, take
from bot.store.pacing import FAR
from bot.store.rows import dump, load, plain, repository_value, status_text, status_value
from bot.store.schema import NEVER, commit_report, pace, repository, wanted_status
from bot.store.upserts import upsert

HISTORY = 20
"""Texts of our own that are remembered, newest last."""


def due_reports(
    tx: Connection, now: float, lease_seconds: float, limit: int
) -> Sequence[tuple[Row[Any], RepositoryRow]]:
    """Leased rows of commit_report with their repositories, longest due first."""
    query = (
        select(*commit_report.primary_key.columns)
        .where(*report_condition(now))
        .order_by(commit_report.c.next_at)
        .limit(limit)
    )
    rows = take(tx, commit_report, query, now + lease_seconds)
    owners = repositories(tx, {row.repository_id for row in rows})
    ordered = sorted(rows, key=lambda row: (float(row.next_at), str(row.sha), str(row.family)))
    return [(row, owners[row.repository_id]) for row in ordered]


def report_condition(now: Moment) -> tuple[ColumnElement[bool], ...]:
    return (commit_report.c.next_at <= now, commit_report.c.lease_until <= now)


REPORT_DUE = question(commit_report, report_condition(NOW))


def repositories(tx: Connection, ids: set[int]) -> dict[int, RepositoryRow]:
    query = select(repository).where(repository.c.id.in_(sorted(ids)))
    return {row.id: repository_value(row) for row in tx.execute(query)}


def want(
    tx: Connection,
    report: DueReport,
    statuses: Sequence[tuple[CommitStatus, bool]],
    now: float,
    next_at: float | None,
) -> None:
    newer = commit_report.c.wanted > report.wanted  # it changed again since it was read
    this = and_(
        commit_report.c.repository_id == report.repository.id,
        commit_report.c.sha == report.sha,
        commit_report.c.family == report.family,
        held(commit_report, report.fence),
    )
    later = NEVER if next_at is None else next_at
    values = {
        "rendered": report.wanted,
        "next_at": case((newer, now), else_=later),
        **give_back(),
    }
    if tx.execute(update(commit_report).where(this).values(values)).rowcount != 1:
        raise LeaseLost(f"report of {report.sha}")
    for status, final in sorted(statuses, key=lambda each: each[0].context):
        _want(tx, report, status, final, now)


def _want(tx: Connection, report: DueReport, status: CommitStatus, final: bool, now: float) -> None:
    aggregate = "/" not in status.context
    insert = upsert(tx, wanted_status).values(
        repository_id=report.repository.id,
        sha=report.sha,
        context=status.context,
        source=report.repository.source,
        desired=status_text(status),
        sequence=1,
        final=final,
        rank=(0 if final else 2) + (0 if aggregate else 1),
        wanted_at=now,
        next_at=now,
    )
    fresh = insert.excluded
    query = insert.on_conflict_do_update(
        index_elements=["repository_id", "sha", "context"],
        set_={
            "desired": fresh.desired,
            "sequence": wanted_status.c.sequence + 1,
            "final": fresh.final,
            "rank": fresh.rank,
            "wanted_at": now,
            "next_at": now,
            "tries": 0,
            "error": "",
            "dead": False,
        },
        where=wanted_status.c.desired != fresh.desired,
    )
    tx.execute(query)


def due_condition(now: Moment) -> tuple[ColumnElement[bool], ...]:
    """Those whose credential may not write yet are left where they are; reading back is free."""
    busy = select(pace.c.credential).where(pace.c.free_at > now, pace.c.free_at < now + FAR)
    return (
        wanted_status.c.next_at <= now,
        wanted_status.c.lease_until <= now,
        or_(
            wanted_status.c.applied_sequence == wanted_status.c.sequence,
            wanted_status.c.source.not_in(busy),
        ),
    )


DUE = question(wanted_status, due_condition(NOW))


def wanted_now(tx: Connection, row_id: int, sha: str) -> dict[str, tuple[CommitStatus, float]]:
    """By context: what a commit is to show by now, and since when."""
    query = select(wanted_status).where(
        wanted_status.c.repository_id == row_id, wanted_status.c.sha == sha
    )
    return {
        row.context: (status_value(row.desired), float(row.wanted_at)) for row in tx.execute(query)
    }


def due(
    tx: Connection, now: float, lease_seconds: float, limit: int, gap_seconds: float
) -> Sequence[WantedStatus]:
    """Final ones first, then aggregates, then the oldest wish."""
    query = (
        select(*wanted_status.primary_key.columns)
        .where(*due_condition(now))
        .order_by(wanted_status.c.rank, wanted_status.c.wanted_at)
        .limit(limit)
    )
    rows = take(tx, wanted_status, query, now + lease_seconds)
    owners = repositories(tx, {row.repository_id for row in rows})
    ordered = sorted(rows, key=lambda row: (int(row.rank), float(row.wanted_at), str(row.context)))
    return [_leased(tx, row, owners[row.repository_id], now, gap_seconds) for row in ordered]


def _turn(tx: Connection, row: Row[Any], now: float, gap_seconds: float) -> float:
    """Seconds until the credential may write; 0: the slot is taken."""
    if gap_seconds > 0 and not row.final and pacing.talk_due(tx, row.source, now):
        return gap_seconds
    return pacing.reserve(tx, row.source, now, gap_seconds)


def _leased(
    tx: Connection, row: Row[Any], owner: RepositoryRow, now: float, gap_seconds: float
) -> WantedStatus:
    status = status_value(row.desired)
    checking = row.applied_sequence == row.sequence
    ours: list[str] = load(row.history)
    if not checking and (not ours or ours[-1] != status.description):
        # Remembered before it is written: whoever dies in between has still written it.
        ours = [*(text for text in ours if text != status.description), status.description]
        ours = ours[-HISTORY:]
        query = update(wanted_status).where(_this(row.repository_id, row.sha, row.context))
        tx.execute(query.values(history=dump(ours)))
    return WantedStatus(
        repository=owner,
        sha=Sha(row.sha),
        status=status,
        sequence=row.sequence,
        final=row.final,
        applied=None if row.applied is None else status_value(row.applied),
        ours=tuple(ours),
        checking=checking,
        tries=row.tries,
        fence=row.fence,
        wait=0.0 if checking else _turn(tx, row, now, gap_seconds),
    )


def _this(row_id: int, sha: str, context: str) -> ColumnElement[bool]:
    return and_(
        wanted_status.c.repository_id == row_id,
        wanted_status.c.sha == sha,
        wanted_status.c.context == context,
    )


def applied(
    tx: Connection,
    wanted: WantedStatus,
    now: float,
    check_at: float | None,
    accepted_at: float | None,
) -> None:
    """What was only read back keeps the moment when the host took it."""
    written = not wanted.checking or accepted_at is not None
    newer = wanted_status.c.sequence > wanted.sequence
    later = NEVER if check_at is None else check_at
    _finish(
        tx,
        wanted,
        {
            "applied_sequence": wanted.sequence,
            "applied": status_text(wanted.status),
            "applied_at": now if written else wanted_status.c.applied_at,
            "accepted_at": accepted_at if written else wanted_status.c.accepted_at,
            "next_at": case((newer, now), else_=later),
            "tries": 0,
            "error": "",
        },
    )


def delayed(tx: Connection, wanted: WantedStatus, until: float, error: str, dead: bool) -> None:
    newer = wanted_status.c.sequence > wanted.sequence
    later = NEVER if dead else until
    _finish(
        tx,
        wanted,
        {
            # A newer wish does not lift the host's "not before then"; death is for this one alone.
            "next_at": case((newer, until), else_=later),
            "tries": case((newer, 0), else_=wanted_status.c.tries + (1 if error else 0)),
            "error": plain(error, 1000),
            "dead": case((newer, False), else_=dead),
        },
    )


def _finish(tx: Connection, wanted: WantedStatus, values: dict[str, Any]) -> None:
    this = _this(wanted.repository.id, wanted.sha, wanted.status.context)
    query = update(wanted_status).where(this, held(wanted_status, wanted.fence))
    if tx.execute(query.values(**values, **give_back())).rowcount != 1:
        raise LeaseLost(f"status {wanted.status.context} of {wanted.sha}")
