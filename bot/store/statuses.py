"""Statuses that commits are to carry: the latest wish per (repository, commit, context), serial."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    Float,
    Integer,
    Row,
    Update,
    bindparam,
    case,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from bot.core.ids import Sha
from bot.core.reports import CommitStatus
from bot.records import (
    DueReport,
    LeaseLost,
    RepositoryRow,
    WantedStatus,
)
from bot.store import pacing
from bot.store.leases import NOW, give_back, question, take, taking
from bot.store.pacing import FAR
from bot.store.rows import dump, load, plain, repository_value, status_text, status_value
from bot.store.schema import NEVER, commit_report, pace, repository, wanted_status
from bot.store.upserts import insert_into

HISTORY = 20
"""Texts of our own that are remembered, newest last."""

_REPORT_DUE = (commit_report.c.next_at <= NOW, commit_report.c.lease_until <= NOW)
REPORT_DUE = question(commit_report, _REPORT_DUE)
_REPORTS = taking(commit_report, _REPORT_DUE, [commit_report.c.next_at])
_REPOSITORIES = select(repository).where(repository.c.id.in_(bindparam("ids", expanding=True)))

_BUSY = select(pace.c.credential).where(pace.c.free_at > NOW, pace.c.free_at < NOW + FAR)
_STATUS_DUE = (
    wanted_status.c.next_at <= NOW,
    wanted_status.c.lease_until <= NOW,
    # Those whose credential may not write yet are left where they are; reading back is free.
    or_(
        wanted_status.c.applied_sequence == wanted_status.c.sequence,
        wanted_status.c.source.not_in(_BUSY),
    ),
)
DUE = question(wanted_status, _STATUS_DUE)
_STATUSES = taking(wanted_status, _STATUS_DUE, [wanted_status.c.rank, wanted_status.c.wanted_at])


def due_reports(
    tx: Connection, now: float, lease_seconds: float, limit: int
) -> Sequence[tuple[Row[Any], RepositoryRow]]:
    """Leased rows of commit_report with their repositories, longest due first."""
    rows = take(tx, _REPORTS, now, lease_seconds, limit)
    owners = repositories(tx, {row.repository_id for row in rows})
    ordered = sorted(rows, key=lambda row: (float(row.next_at), str(row.sha), str(row.family)))
    return [(row, owners[row.repository_id]) for row in ordered]


def repositories(tx: Connection, ids: set[int]) -> dict[int, RepositoryRow]:
    rows = tx.execute(_REPOSITORIES, {"ids": sorted(ids)})
    return {row.id: repository_value(row) for row in rows}


_LATER = bindparam("later", type_=Float())
_CHANGED = commit_report.c.wanted > bindparam("of_wanted")
"""Again, since it was read."""
_RENDERED = (
    update(commit_report)
    .where(
        commit_report.c.repository_id == bindparam("of_repository"),
        commit_report.c.sha == bindparam("of_commit"),
        commit_report.c.family == bindparam("of_family"),
        commit_report.c.fence == bindparam("of_fence"),
    )
    .values(
        rendered=bindparam("of_wanted"),
        next_at=case((_CHANGED, NOW), else_=_LATER),
        **give_back(),
    )
)


def want(
    tx: Connection,
    report: DueReport,
    statuses: Sequence[tuple[CommitStatus, bool]],
    now: float,
    next_at: float | None,
) -> None:
    values = {
        "of_repository": report.repository.id,
        "of_commit": report.sha,
        "of_family": report.family,
        "of_fence": report.fence,
        "of_wanted": report.wanted,
        "now": now,
        "later": NEVER if next_at is None else next_at,
    }
    if tx.execute(_RENDERED, values).rowcount != 1:
        raise LeaseLost(f"report of {report.sha}")
    rows = [_row(report, status, final, now) for status, final in statuses]
    if rows:
        tx.execute(_wish(tx.dialect.name), sorted(rows, key=lambda row: str(row["context"])))


def _row(report: DueReport, status: CommitStatus, final: bool, now: float) -> dict[str, object]:
    aggregate = "/" not in status.context
    return {
        "repository_id": report.repository.id,
        "sha": report.sha,
        "context": status.context,
        "source": report.repository.source,
        "desired": status_text(status),
        "sequence": 1,
        "final": final,
        "rank": (0 if final else 2) + (0 if aggregate else 1),
        "wanted_at": now,
        "next_at": now,
    }


@cache
def _wish(dialect: str) -> sqlite.Insert | postgresql.Insert:
    insert = insert_into(wanted_status, dialect)
    fresh = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=["repository_id", "sha", "context"],
        set_={
            "desired": fresh.desired,
            "sequence": wanted_status.c.sequence + 1,
            "final": fresh.final,
            "rank": fresh.rank,
            "wanted_at": fresh.wanted_at,
            "next_at": fresh.next_at,
            "tries": 0,
            "error": "",
            "dead": False,
        },
        where=wanted_status.c.desired != fresh.desired,
    )


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
    rows = take(tx, _STATUSES, now, lease_seconds, limit)
    owners = repositories(tx, {row.repository_id for row in rows})
    ordered = sorted(rows, key=lambda row: (int(row.rank), float(row.wanted_at), str(row.context)))
    return [_leased(tx, row, owners[row.repository_id], now, gap_seconds) for row in ordered]


def _turn(tx: Connection, row: Row[Any], now: float, gap_seconds: float) -> float:
    """Seconds until the credential may write; 0: the slot is taken."""
    if gap_seconds > 0 and not row.final and pacing.talk_due(tx, row.source, now):
        return gap_seconds
    return pacing.reserve(tx, row.source, now, gap_seconds)


_THIS = (
    wanted_status.c.repository_id == bindparam("of_repository"),
    wanted_status.c.sha == bindparam("of_commit"),
    wanted_status.c.context == bindparam("of_context"),
)
_REMEMBER = update(wanted_status).where(*_THIS).values(history=bindparam("ours"))


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
        this = _this(row.repository_id, row.sha, row.context)
        tx.execute(_REMEMBER, {**this, "ours": dump(ours)})
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


def _this(row_id: int, sha: str, context: str) -> dict[str, object]:
    """The parameters of `_THIS`."""
    return {"of_repository": row_id, "of_commit": sha, "of_context": context}


_LEASED = update(wanted_status).where(*_THIS, wanted_status.c.fence == bindparam("of_fence"))
_NEWER = wanted_status.c.sequence > bindparam("of_sequence")
_READ_BACK = _LEASED.values(
    applied_sequence=bindparam("of_sequence"),
    applied=bindparam("text"),
    next_at=case((_NEWER, NOW), else_=_LATER),
    tries=0,
    error="",
    **give_back(),
)
_WRITTEN = _READ_BACK.values(applied_at=NOW, accepted_at=bindparam("taken_at"))
_DELAYED = _LEASED.values(
    # A newer wish does not lift the host's "not before then"; death is for this one alone.
    next_at=case((_NEWER, bindparam("until", type_=Float())), else_=_LATER),
    tries=case((_NEWER, 0), else_=wanted_status.c.tries + bindparam("counted", type_=Integer())),
    error=bindparam("text"),
    dead=case((_NEWER, False), else_=bindparam("died", type_=Boolean())),
    **give_back(),
)


def applied(
    tx: Connection,
    wanted: WantedStatus,
    now: float,
    check_at: float | None,
    accepted_at: float | None,
) -> None:
    """What was only read back keeps the moment when the host took it."""
    values: dict[str, object] = {
        "of_sequence": wanted.sequence,
        "text": status_text(wanted.status),
        "now": now,
        "later": NEVER if check_at is None else check_at,
    }
    if wanted.checking and accepted_at is None:
        _finish(tx, wanted, _READ_BACK, values)
    else:
        _finish(tx, wanted, _WRITTEN, {**values, "taken_at": accepted_at})


def delayed(tx: Connection, wanted: WantedStatus, until: float, error: str, dead: bool) -> None:
    values: dict[str, object] = {
        "of_sequence": wanted.sequence,
        "until": until,
        "later": NEVER if dead else until,
        "counted": 1 if error else 0,
        "text": plain(error, 1000),
        "died": dead,
    }
    _finish(tx, wanted, _DELAYED, values)


def _finish(tx: Connection, wanted: WantedStatus, asked: Update, values: dict[str, object]) -> None:
    this = _this(wanted.repository.id, wanted.sha, wanted.status.context)
    if tx.execute(asked, {**this, "of_fence": wanted.fence, **values}).rowcount != 1:
        raise LeaseLost(f"status {wanted.status.context} of {wanted.sha}")
