"""One step of a build, with everything that follows from it in the same transaction."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from bot.core.builds import BuildState
from bot.core.ids import BuildId
from bot.records import (
    BuildRow,
    JournalEntry,
    Move,
)
from bot.store import builds, claims, journal, reports, tagging
from bot.store.schema import build


def move(tx: Connection, held: BuildRow, asked: Move, now: float) -> BuildRow:
    row = builds.locked(tx, held)
    waited_for = bool(row.withdrawn) and tagging.pending(tx, held.id)
    state, outcome = builds.target(row, asked, claimed=waited_for)
    values = builds.changes(row, state, outcome, asked, now)
    tx.execute(update(build).where(build.c.id == held.id).values(values))
    if state.final or state in (BuildState.TAGGING, BuildState.QUEUED):
        builds.end_attempt(tx, row, outcome, now)
    if state in (BuildState.TAGGING, BuildState.SUCCEEDED):
        tagging.want(tx, held.id, now)
    if state is BuildState.SUCCEEDED:
        claims.succeeded(tx, held.id)
    if state.final:
        builds.wake_dependents(tx, held.id, now)
    if state.value != row.state or values.get("reason", row.reason) != row.reason:
        reports.mark_builds(tx, [held.id], now)
    if state.value != row.state:
        text = outcome.message if outcome is not None else asked.reason
        journal.add(tx, JournalEntry(now, state.value, text, row.repository_id, held.id))
    return builds.load(tx, [held.id])[held.id]


def withdraw(tx: Connection, build_id: BuildId, state: str, text: str, now: float) -> bool:
    """By command, claimed or not."""
    end: builds.Withdrawn = "superseded" if state == "superseded" else "cancelled"
    query = select(build).where(build.c.id == build_id, build.c.state.not_in(builds.FINAL_STATES))
    row = tx.execute(query.with_for_update()).first()
    if row is None or row.state == BuildState.TAGGING:
        return False
    builds.stop(tx, row, end, text, now)
    reports.mark_builds(tx, [build_id], now)
    return True
