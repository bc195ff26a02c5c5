"""Applying a plan: what the refs show, who wants which commit, and which builds that takes.

Replaying an event changes nothing: a live claim of the same ref and commit is found again, and so
are its builds. An ended build that did not succeed is built anew (the next generation) only for a
claim that was not there before, or when the plan says `again`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select, update

from bot.core.builds import BuildState
from bot.core.ids import BuildId, ImageKey, Sha
from bot.core.plans import (
    ClaimKind,
    ClaimWish,
    Plan,
    PlannedImage,
    Withdrawal,
    family,
    ref_key,
)
from bot.records import (
    Applied,
    Decided,
    Delivery,
    JournalEntry,
    LeasedRepository,
)
from bot.store import builds, inbox, journal, reports, repositories, tagging
from bot.store.builds import Withdrawn
from bot.store.rows import buildable, claim_wish, dump, load, plain, wishes_text
from bot.store.schema import build, claim, claim_image, ref_state
from bot.store.schema_talk import head_sighting
from bot.store.upserts import upsert

Decision = tuple[ImageKey, BuildId, str]


@dataclass(slots=True)
class Change:
    """What one plan changes, gathered while it is applied."""

    tx: Connection
    row_id: int
    now: float
    again: bool = False
    delivery: int | None = None
    commits: set[tuple[str, str]] = field(default_factory=set)
    builds: list[Decision] = field(default_factory=list)
    unclaimed: dict[str, tuple[Withdrawn, str]] = field(default_factory=dict)
    made: dict[str, BuildId] = field(default_factory=dict)
    """Builds of this plan by identity."""


def apply(
    tx: Connection,
    leased: LeasedRepository,
    version: int,
    decided: Decided,
    delivery: Delivery | None,
    now: float,
) -> Applied:
    repositories.lock(tx, leased, version)
    plan = decided.plan
    if decided.named is not None:
        _named(tx, leased.row.id, *decided.named, now)
    change = Change(tx, leased.row.id, now, decided.again, _id(delivery))
    moved = repositories.see(tx, change.row_id, {seen.key: seen.sha for seen in plan.seen}, now)
    for withdrawal in plan.withdraw:
        _withdraw(change, withdrawal)
    for wish in plan.claims:
        _claim(change, wish)
    _move_bases(change, plan)
    cancelled = _stop(change)
    reports.mark(tx, change.row_id, change.commits, now)
    if moved or change.commits:
        repositories.touch(tx, change.row_id)
        _note(change, plan)
    if delivery is not None:
        inbox.finish(tx, delivery, "done", plan.note, now, decided.explained)
        inbox.belongs(tx, delivery, change.row_id)
    return Applied(tuple(change.builds), cancelled)


def _named(tx: Connection, row_id: int, request: str, sha: Sha, now: float) -> None:
    """An event named this commit as the request's head, whatever the head is by now."""
    values = {"seen_at": now}
    insert = upsert(tx, head_sighting).values(
        repository_id=row_id, number=int(request), sha=sha, **values
    )
    keys = ["repository_id", "number", "sha"]
    tx.execute(insert.on_conflict_do_update(index_elements=keys, set_=values))


def _id(delivery: Delivery | None) -> int | None:
    return None if delivery is None else delivery.id


def _note(change: Change, plan: Plan) -> None:
    told = [[image, build_id, how] for image, build_id, how in change.builds]
    entry = JournalEntry(change.now, "plan", plan.note, change.row_id, data={"builds": told})
    journal.add(change.tx, entry)


def _withdraw(change: Change, withdrawal: Withdrawal) -> None:
    query = select(claim.c.id, claim.c.sha).where(
        claim.c.repository_id == change.row_id,
        claim.c.kind == withdrawal.kind,
        claim.c.name == withdrawal.name,
        claim.c.state == "live",
    )
    rows = [row for row in change.tx.execute(query) if row.sha != withdrawal.keep]
    if not rows:
        return
    ids = [row.id for row in rows]
    values = {"state": withdrawal.state, "text": plain(withdrawal.text), "ended_at": change.now}
    change.tx.execute(update(claim).where(claim.c.id.in_(ids)).values(values))
    used = select(claim_image.c.build_id).where(claim_image.c.claim_id.in_(ids))
    for build_id in change.tx.execute(used).scalars():
        change.unclaimed[build_id] = (withdrawal.state, withdrawal.text)
    change.commits |= {(row.sha, family(withdrawal.kind)) for row in rows}


def _stop(change: Change) -> tuple[BuildId, ...]:
    stopped: list[BuildId] = []
    for reason in dict.fromkeys(change.unclaimed.values()):
        ids = [build_id for build_id, why in change.unclaimed.items() if why == reason]
        stopped += builds.stop_unclaimed(change.tx, ids, *reason, change.now)
    return tuple(stopped)


def _move_bases(change: Change, plan: Plan) -> None:
    heads = select(ref_state.c.sequence).where(ref_state.c.repository_id == change.row_id)
    for base in plan.bases:
        sequence = change.tx.execute(heads.where(ref_state.c.key == base.ref)).scalar()
        repositories.move_base(
            change.tx, change.row_id, base.ref, base.image, base.sha, sequence or 0
        )


def _claim(change: Change, wish: ClaimWish) -> None:
    found = _find(change, wish)
    told = claim_wish(wish)
    had: Mapping[str, Row[Any]] = {}
    if found is None:
        claim_id = _insert(change, wish, told)
        changed = True
    else:
        claim_id = found.id
        images = select(claim_image).where(claim_image.c.claim_id == claim_id)
        had = {row.image: row for row in change.tx.execute(images)}
        changed = _update(change, found, wish, told, had)
    if buildable(wish) and wish.images:
        changed |= _want_images(change, claim_id, wish, had)
    if changed:
        change.commits.add((wish.sha, family(wish.kind)))


def _find(change: Change, wish: ClaimWish) -> Row[Any] | None:
    """The live claim of that ref and commit. None also where the ref moved away and came back
    since: that is a new sighting, with a later place in the order."""
    query = select(claim).where(
        claim.c.repository_id == change.row_id,
        claim.c.kind == wish.kind,
        claim.c.name == wish.name,
        claim.c.sha == wish.sha,
        claim.c.state == "live",
    )
    row = change.tx.execute(query.order_by(claim.c.id.desc()).limit(1)).first()
    if row is None:
        return None
    head = change.tx.execute(
        select(ref_state.c.sha, ref_state.c.sequence).where(
            ref_state.c.repository_id == change.row_id,
            ref_state.c.key == ref_key(wish.kind, wish.name),
        )
    ).first()
    came_back = head is not None and head.sha == wish.sha and head.sequence != row.sequence
    return None if came_back else row


def _insert(change: Change, wish: ClaimWish, told: Mapping[str, Any]) -> int:
    sequence = repositories.sequence_of(change.tx, change.row_id, wish)
    query = claim.insert().values(
        repository_id=change.row_id,
        kind=wish.kind,
        name=wish.name,
        sha=wish.sha,
        family=family(wish.kind),
        sequence=sequence,
        event=plain(wish.event, 50),
        trust=wish.trust,
        wish=dump(told),
        page=secrets.token_hex(16),
        created_at=change.now,
        inbox_id=change.delivery,
    )
    return int(change.tx.execute(query.returning(claim.c.id)).scalar_one())


def _update(
    change: Change,
    found: Row[Any],
    wish: ClaimWish,
    told: dict[str, Any],
    had: Mapping[str, Row[Any]],
) -> bool:
    """Bring the claim up to date. What it builds it keeps: seen again after its success, nothing
    differs from the new base and the plan has no images, but the claim still stands for them."""
    if had:
        if not wish.mistakes and not (buildable(wish) and wish.images):
            return False
        told["nothing"] = None
        told["skipped"] = [each for each in told["skipped"] if each["image"] not in had]
    if load(found.wish) == told and found.trust == wish.trust:
        return False
    values = {"wish": dump(told), "trust": wish.trust}
    change.tx.execute(update(claim).where(claim.c.id == found.id).values(values))
    return True


def _want_images(
    change: Change, claim_id: int, wish: ClaimWish, had: Mapping[str, Row[Any]]
) -> bool:
    newest = builds.lock_newest(
        change.tx,
        {image.identity for image in wish.images}
        | {need.identity for image in wish.images for need in image.needs if need.identity},
    )
    ids = {identity: BuildId(row.id) for identity, row in newest.items()} | change.made
    fresh: list[tuple[PlannedImage, BuildId]] = []
    changed = False
    for image in wish.images:
        old = had.get(image.image)
        how, build_id = _choose(change, wish, image, newest.get(image.identity), old)
        ids[image.identity] = build_id
        if how == "new":
            fresh.append((image, build_id))
        change.builds.append((image.image, build_id, how))
        changed |= _link(change, claim_id, image, build_id, old)
    for image, build_id in fresh:
        needed = [ids[need.identity] for need in image.needs if need.identity in ids]
        builds.set_needs(change.tx, build_id, needed, change.now)
    _take_up_ended(change, claim_id)
    return changed


def _choose(
    change: Change,
    wish: ClaimWish,
    image: PlannedImage,
    found: Row[Any] | None,
    old: Row[Any] | None,
) -> tuple[str, BuildId]:
    """Which build stands for the image: "new", "joined" or "reused"."""
    if image.identity in change.made:
        return "joined", change.made[image.identity]
    generation = 0
    if found is not None:
        generation = found.generation + 1
        state = BuildState(found.state)
        if not state.final and not found.withdrawn:
            return "joined", BuildId(found.id)
        mine = old is not None and old.build_id == found.id
        if state.final and not change.again and (state is BuildState.SUCCEEDED or mine):
            return "reused", BuildId(found.id)
    build_id = builds.insert(change.tx, change.row_id, wish, image, generation, change.now)
    change.made[image.identity] = build_id
    return "new", build_id


def _link(
    change: Change, claim_id: int, image: PlannedImage, build_id: BuildId, old: Row[Any] | None
) -> bool:
    tags = wishes_text(() if image.check_only else (*image.tags, *image.left_out))
    if old is not None and old.build_id == build_id and old.tags == tags:
        return False
    if old is not None and old.build_id != build_id:
        change.unclaimed[old.build_id] = ("superseded", "another build took its place")
    values = {
        "build_id": build_id,
        "tags": tags,
        "why": plain(image.why),
        "required": image.required,
        "tagging": "waiting",
        "tag_notes": "[]",
        "tag_errors": "[]",
    }
    tagging.forget(change.tx, claim_id, image.image)
    insert = upsert(change.tx, claim_image).values(claim_id=claim_id, image=image.image, **values)
    change.tx.execute(
        insert.on_conflict_do_update(index_elements=["claim_id", "image"], set_=values)
    )
    return True


def _take_up_ended(change: Change, claim_id: int) -> None:
    """Builds that had their proof before this claim came: their tags and bases are due now."""
    query = (
        select(claim_image.c.image, build.c.id, build.c.state)
        .join(build, build.c.id == claim_image.c.build_id)
        .where(
            claim_image.c.claim_id == claim_id,
            build.c.state.in_([BuildState.TAGGING, BuildState.SUCCEEDED]),
        )
    )
    for row in change.tx.execute(query.order_by(build.c.id)).all():
        tagging.want(change.tx, row.id, change.now)
        if row.state == BuildState.SUCCEEDED:
            succeeded(change.tx, row.id)


def succeeded(tx: Connection, build_id: str) -> None:
    """The branches whose heads this build was for are built up to there."""
    query = (
        select(claim.c.repository_id, claim.c.name, claim.c.sha, claim.c.sequence)
        .add_columns(claim_image.c.image)
        .join(claim_image, claim_image.c.claim_id == claim.c.id)
        .where(claim_image.c.build_id == build_id, claim.c.kind == ClaimKind.BRANCH)
    )
    for row in tx.execute(query.order_by(claim.c.id)).all():
        ref = ref_key(ClaimKind.BRANCH, row.name)
        repositories.move_base(tx, row.repository_id, ref, row.image, row.sha, row.sequence)
