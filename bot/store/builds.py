"""Builds: found by identity or queued, moved forward, stopped when nobody claims them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import (
    Connection,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    case,
    exists,
    select,
    update,
)

from bot.core.builds import ACTIVE, FINAL, BuildState, Outcome, OutcomeClass
from bot.core.ids import BuildId
from bot.core.plans import ClaimWish, PlannedImage
from bot.core.recipe import recipe_hash
from bot.records import (
    BuildRow,
    JournalEntry,
    LeaseLost,
    Move,
)
from bot.store import journal
from bot.store.leases import NOW, UNTIL, give_back, held, question, take, taking
from bot.store.rows import build_value, dump, outcome_text, outcome_value, plain, plan_text
from bot.store.rows import load as from_text
from bot.store.schema import NEVER, attempt, build, build_need, claim, claim_image

FINAL_STATES = [str(state) for state in FINAL]
ACTIVE_STATES = [str(state) for state in ACTIVE]
Withdrawn = Literal["cancelled", "superseded"]


_CURRENT = and_(attempt.c.build_id == build.c.id, attempt.c.number == build.c.attempt)
BUILD_ROWS: Select[Any] = select(*build.c, attempt.c.log_n).select_from(
    build.outerjoin(attempt, _CURRENT)
)
"""What `rows.build_value` reads."""
_BY_ID = BUILD_ROWS.where(build.c.id.in_(bindparam("ids", expanding=True)))


def load(tx: Connection, ids: Iterable[str]) -> dict[str, BuildRow]:
    wanted = sorted(set(ids))
    found: dict[str, BuildRow] = {}
    for start in range(0, len(wanted), 500):
        rows = tx.execute(_BY_ID, {"ids": wanted[start : start + 500]})
        found |= {row.id: build_value(row) for row in rows}
    return found


def lock_newest(tx: Connection, identities: Iterable[str]) -> Mapping[str, Row[*tuple[Any, ...]]]:
    """The build with the highest generation of each identity. Locked: so that one that is about to
    end does not end between our look at it and our claim on it."""
    columns = (
        build.c.id,
        build.c.identity,
        build.c.generation,
        build.c.state,
        build.c.withdrawn,
        build.c.digest,
        build.c.check_only,
    )
    query = select(*columns).where(build.c.identity.in_(sorted(set(identities))))
    ordered = query.order_by(build.c.identity, build.c.generation)
    return {row.identity: row for row in tx.execute(ordered.with_for_update())}


def insert(
    tx: Connection, row_id: int, wish: ClaimWish, image: PlannedImage, generation: int, now: float
) -> BuildId:
    """Queued, not yet due: `set_needs` decides when it is."""
    build_id = BuildId(secrets.token_hex(16))
    tx.execute(
        build.insert().values(
            id=build_id,
            identity=image.identity,
            generation=generation,
            repository_id=row_id,
            image=image.image,
            sha=wish.sha,
            trust=wish.trust,
            check_only=image.check_only,
            recipe=dump(dict(image.recipe)),
            recipe_hash=recipe_hash(image.recipe),
            plan=plan_text(image),
            group=wish.group,
            group_limit=wish.group_limit,
            state=BuildState.QUEUED,
            queued_at=now,
            next_at=NEVER,
        )
    )
    return build_id


def set_needs(tx: Connection, build_id: BuildId, needed: Iterable[str], now: float) -> None:
    """`needed` are rows that this transaction holds locked (see `lock_newest`) or made itself."""
    ids = sorted(set(needed))
    if ids:
        tx.execute(build_need.insert(), [{"build_id": build_id, "needed_id": each} for each in ids])
    due = NEVER if _unfinished(tx, ids) else now
    tx.execute(update(build).where(build.c.id == build_id).values(next_at=due))


def _unfinished(tx: Connection, ids: Sequence[str]) -> bool:
    query = select(build.c.id).where(build.c.id.in_(ids), build.c.state.not_in(FINAL_STATES))
    return bool(ids) and tx.execute(query.limit(1)).first() is not None


def needed(tx: Connection, build_id: BuildId) -> Sequence[BuildRow]:
    ids = tx.execute(select(build_need.c.needed_id).where(build_need.c.build_id == build_id))
    return list(load(tx, ids.scalars()).values())


def success_before(tx: Connection, row: BuildRow) -> Outcome | None:
    query = (
        select(build.c.outcome)
        .where(
            build.c.repository_id == row.repository_id,
            build.c.image == row.image,
            build.c.state.in_([BuildState.TAGGING, BuildState.SUCCEEDED]),
            build.c.id != row.id,
            build.c.queued_at <= row.queued_at,
        )
        .order_by(build.c.queued_at.desc(), build.c.generation.desc())
        .limit(1)
    )
    return outcome_value(tx.execute(query).scalar())


def wake_dependents(tx: Connection, build_id: str, now: float) -> None:
    """Admission looks at them again: it knows whether all that they need has ended, and how."""
    dependents = select(build_need.c.build_id).where(build_need.c.needed_id == build_id)
    query = update(build).where(build.c.id.in_(dependents), build.c.state == BuildState.QUEUED)
    tx.execute(query.where(build.c.next_at > now).values(next_at=now))


def stop_unclaimed(
    tx: Connection, ids: Iterable[str], state: Withdrawn, text: str, now: float
) -> tuple[BuildId, ...]:
    """Stop those of these builds that no live claim wants any more."""
    claimed = exists().where(
        claim_image.c.build_id == build.c.id,
        claim_image.c.claim_id == claim.c.id,
        claim.c.state == "live",
    )
    query = select(build).where(
        build.c.id.in_(sorted(set(ids))), build.c.state.not_in(FINAL_STATES), ~claimed
    )
    rows = tx.execute(query.order_by(build.c.id).with_for_update()).all()
    return tuple(stop(tx, row, state, text, now) for row in rows)


def stop(tx: Connection, row: Row[Any], state: Withdrawn, text: str, now: float) -> BuildId:
    """End a queued build; ask for the end of an active one. `row` is locked and not final."""
    match BuildState(row.state):
        case BuildState.WAITING | BuildState.QUEUED:
            end = BuildState(state)
            outcome = Outcome(state=end, kind=OutcomeClass(state), message=plain(text, 500))
            values: dict[str, object] = {
                "state": end,
                "reason": plain(text, 500),
                "outcome": outcome_text(outcome),
                "ended_at": now,
                "fence": build.c.fence + 1,  # whoever holds it is too late
                "next_at": NEVER,
                **give_back(),
            }
        case BuildState.TAGGING:
            values = {"next_at": now}  # built and proven: without claims nothing is left to tag
        case _:
            values = {"withdrawn": state, "reason": plain(text, 500), "next_at": now}
    tx.execute(update(build).where(build.c.id == row.id).values(values))
    if "ended_at" in values:
        wake_dependents(tx, row.id, now)
    entry = JournalEntry(now, state, text, row.repository_id, BuildId(row.id))
    journal.add(tx, entry)
    return BuildId(row.id)


def due(
    tx: Connection, now: float, lease_seconds: float, limit: int, woken: Sequence[BuildId]
) -> Sequence[BuildRow]:
    _wake(tx, woken, now)
    rows = take(tx, _RUNNING, now, lease_seconds, limit)
    found = load(tx, [row.id for row in rows])
    return sorted(found.values(), key=lambda row: row.queued_at)


_DUE = (
    build.c.state.in_([*ACTIVE_STATES, str(BuildState.TAGGING)]),
    build.c.next_at <= NOW,
    build.c.lease_until <= NOW,
)
DUE = question(build, _DUE)
_RUNNING = taking(build, _DUE, [build.c.next_at], extra={"next_at": UNTIL})


def _wake(tx: Connection, ids: Sequence[BuildId], now: float) -> None:
    """Those that run are due now; one that is leased, once its holder gives it back."""
    for start in range(0, len(ids), 500):
        query = update(build).where(build.c.id.in_(ids[start : start + 500]))
        active = (build.c.state.in_(ACTIVE_STATES), build.c.next_at > now)
        tx.execute(query.where(*active).values(next_at=now))


def release(tx: Connection, row: BuildRow, next_at: float) -> None:
    """Look again at `next_at`, or earlier where somebody woke it while it was leased (a lease sets
    `next_at` to its own end). Nothing to do for a build that ended or is queued again."""
    woken = case((build.c.next_at < next_at, build.c.next_at), else_=next_at)
    values = {
        "next_at": case((build.c.next_at < build.c.lease_until, woken), else_=next_at),
        **give_back(),
    }
    query = update(build).where(build.c.id == row.id, held(build, row.fence))
    running = build.c.state.in_([*ACTIVE_STATES, str(BuildState.TAGGING)])
    if tx.execute(query.where(running).values(values)).rowcount == 1:
        return
    fence = tx.execute(select(build.c.fence).where(build.c.id == row.id)).scalar()
    if fence != row.fence:
        raise LeaseLost(f"build {row.id}")


def locked(tx: Connection, row: BuildRow) -> Row[Any]:
    """The build as it is now, locked. Raises LeaseLost."""
    query = select(build).where(build.c.id == row.id).with_for_update()
    found = tx.execute(query).first()
    if found is None or found.fence != row.fence or BuildState(found.state).final:
        raise LeaseLost(f"build {row.id}")
    return found


def target(row: Row[Any], move: Move, *, claimed: bool) -> tuple[BuildState, Outcome | None]:
    """Where the move leads. A withdrawn build is not tried again; nor does it succeed while a claim
    waits for its tags (`claimed`): somebody was told that it is stopped."""
    state, outcome = move.state, move.outcome
    won = state in (BuildState.TAGGING, BuildState.SUCCEEDED)
    if row.withdrawn and (state is BuildState.QUEUED or (won and claimed)):
        state = BuildState(row.withdrawn)
        outcome = Outcome(state=state, kind=OutcomeClass(row.withdrawn), message=row.reason)
    order = list(BuildState)
    if state is not BuildState.QUEUED and order.index(state) < order.index(BuildState(row.state)):
        raise ValueError(f"build {row.id} can't go back from {row.state} to {state}")
    return state, outcome


def changes(
    row: Row[Any], state: BuildState, outcome: Outcome | None, move: Move, now: float
) -> dict[str, Any]:
    """The columns that a move sets."""
    values: dict[str, Any] = {"state": state, **_when(row, state, move, now)}
    if state.final or not row.withdrawn:
        values["reason"] = plain(move.reason, 500)
    if move.started_at is not None and row.started_at is None:
        values["started_at"] = move.started_at
    if move.recipe_hash is not None:
        values["recipe_hash"] = move.recipe_hash
    if outcome is not None:
        values["outcome"] = outcome_text(outcome)
        if outcome.digest is not None:
            values |= {"digest": outcome.digest, "size_bytes": outcome.size_bytes}
    if state.final:
        values["ended_at"] = now
    return values


def _when(row: Row[Any], state: BuildState, move: Move, now: float) -> dict[str, Any]:
    """The lease is given back with the end, with another turn in the queue, and with a `next_at` to
    come; else its holder goes on, and only a wake-up makes `next_at` less than the lease's end."""
    if state.final:
        return {"next_at": NEVER, **give_back()}
    if state is BuildState.QUEUED:
        return {"next_at": move.next_at if move.next_at is not None else now, **give_back()}
    if move.next_at is None:
        return {}
    woken = row.next_at < row.lease_until
    if move.next_at > now:
        return {"next_at": min(move.next_at, row.next_at) if woken else move.next_at, **give_back()}
    return {} if woken else {"next_at": max(row.lease_until, now)}


def end_attempt(tx: Connection, row: Row[Any], outcome: Outcome | None, now: float) -> None:
    query = update(attempt).where(
        attempt.c.build_id == row.id,
        attempt.c.number == row.attempt,
        attempt.c.ended_at.is_(None),
    )
    text = None if outcome is None else outcome_text(outcome)
    tx.execute(query.values(ended_at=now, outcome=text))


def attempts(tx: Connection, build_id: BuildId) -> Sequence[Mapping[str, object]]:
    """In their order; `outcome` is None of the one that runs."""
    query = select(attempt).where(attempt.c.build_id == build_id).order_by(attempt.c.number)
    found = tx.execute(query).mappings()
    return [{**row, "outcome": from_text(row["outcome"])} for row in found]


_UNFORGOTTEN = (
    select(attempt.c.build_id, attempt.c.name)
    .where(attempt.c.ended_at.is_not(None), attempt.c.forgotten.is_(False))
    .order_by(attempt.c.ended_at)
    .limit(bindparam("most", type_=Integer()))
)


def unforgotten(tx: Connection, limit: int) -> Sequence[tuple[BuildId, str]]:
    rows = tx.execute(_UNFORGOTTEN, {"most": limit})
    return [(BuildId(row.build_id), row.name) for row in rows]


def forget(tx: Connection, name: str) -> None:
    tx.execute(update(attempt).where(attempt.c.name == name).values(forgotten=True))


def forgotten(tx: Connection, names: Sequence[str]) -> Sequence[str]:
    query = select(attempt.c.name).where(attempt.c.name.in_(names), attempt.c.forgotten.is_(True))
    return list(tx.execute(query).scalars())
