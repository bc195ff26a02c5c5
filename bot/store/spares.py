"""Tags that nobody needs any more: immutable references whose digest another tag holds, names of
requests that closed a week ago. Digests themselves are never deleted."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, or_, select, update

from bot.core.builds import BuildState, Outcome
from bot.core.daemons import flaws
from bot.core.ids import BuildId, Sha
from bot.core.recipe import push_reference
from bot.records import SpareTag
from bot.store.rows import load, outcome_value
from bot.store.schema import build, ref_state, wanted_tag

_SETTLED = 600.0
"""Seconds after a success: its tags were read back once more by then."""
_CLOSED = 7 * 86400.0


def listing(tx: Connection, now: float, limit: int) -> Sequence[SpareTag]:
    return [*_references(tx, now, limit), *_request_tags(tx, now, limit)]


def removed(tx: Connection, spare: SpareTag) -> None:
    if spare.build_id is not None:
        tx.execute(update(build).where(build.c.id == spare.build_id).values(tidied=True))
        return
    match = (wanted_tag.c.name == spare.name, wanted_tag.c.tag == spare.tag)
    tx.execute(delete(wanted_tag).where(*match))


def _references(tx: Connection, now: float, limit: int) -> list[SpareTag]:
    query = (
        select(build)
        .where(
            build.c.state == BuildState.SUCCEEDED,
            build.c.tidied.is_(False),
            build.c.check_only.is_(False),
            build.c.ended_at < now - _SETTLED,
        )
        .order_by(build.c.ended_at)
        .limit(limit)
    )
    found = []
    for row in tx.execute(query):
        names = load(row.plan).get("names") or [""]
        holder = select(wanted_tag.c.tag).where(
            wanted_tag.c.name == names[0], wanted_tag.c.applied_digest == row.digest
        )
        only = tx.execute(holder.limit(1)).first() is None
        if only or _wanted_as_cache(outcome_value(row.outcome)):
            # Its only name, now or later: it stays, or the registry would collect the image.
            tx.execute(update(build).where(build.c.id == row.id).values(tidied=True))
            continue
        reference = push_reference(names[0], Sha(row.sha), row.recipe_hash, row.attempt)
        name, _, tag = reference.rpartition(":")
        found.append(SpareTag(name, tag, BuildId(row.id)))
    return found


def _wanted_as_cache(outcome: Outcome | None) -> bool:
    """Whether later builds miss without this image: see `bot.core.daemons`."""
    if outcome is None or not outcome.cache.full:
        return False
    return any(flaw.lived_with for flaw in flaws(outcome.daemon))


def _request_tags(tx: Connection, now: float, limit: int) -> list[SpareTag]:
    closed = (
        select(ref_state.c.repository_id, ref_state.c.key)
        .where(
            ref_state.c.key.like("request/%"),
            ref_state.c.sha.is_(None),
            ref_state.c.seen_at < now - _CLOSED,
        )
        .order_by(ref_state.c.seen_at.desc())
    )
    found: list[SpareTag] = []
    for row in tx.execute(closed.limit(50 * limit)):
        tag = f"pr-{row.key.removeprefix('request/')}"
        query = select(wanted_tag.c.name, wanted_tag.c.tag).where(
            wanted_tag.c.repository_id == row.repository_id,
            or_(wanted_tag.c.tag == tag, wanted_tag.c.tag.like(f"{tag}-%")),
        )
        found += [SpareTag(hit.name, hit.tag, None) for hit in tx.execute(query)]
        if len(found) >= limit:
            break
    return found
