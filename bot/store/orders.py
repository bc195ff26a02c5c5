"""What one comment comes to, in one transaction; what is known when `/ok-to-test` is decided."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, exists, func, or_, select, update

from bot.core.approvals import Approval, Revocation, Standing, Waiting
from bot.core.builds import BuildState
from bot.core.conversation import Spot
from bot.core.ids import BuildId, Digest, ImageKey, Sha, Trust
from bot.core.naming import status_context
from bot.core.plans import ClaimKind, family
from bot.records import BuildRow, ClaimView, Delivery, LeasedRepository, RepositoryRow
from bot.records_talk import Obeyed, SkipImage, StopBuilds
from bot.store import builds, inbox, journal, promotions, replies, reports, repositories, views
from bot.store.rows import build_value, plain, status_value
from bot.store.schema import NEVER, build, claim, claim_image, wanted_status, wanted_tag
from bot.store.schema import inbox as inbox_table
from bot.store.schema_talk import answered_comment, approval, head_sighting, image_skip
from bot.store.upserts import upsert

_READ_BACK = 30.0
"""Seconds: the longest that a worker which stalled can write an older value late."""
_PLANNED_AGAIN = 2.0
"""Seconds within which a plan usually says that a commit waits again; until then no "cancelled"."""
_NOBODY = 0
"""Whose number no person has."""
HANDLED_BEFORE = "this comment was handled before"


def obeyed(tx: Connection, row_id: int, spot: Spot) -> bool:
    query = select(answered_comment.c.comment_id).where(
        answered_comment.c.repository_id == row_id,
        answered_comment.c.place == place(spot),
        answered_comment.c.comment_id == spot.comment_id,
    )
    return tx.execute(query).first() is not None


def obeyed_since(tx: Connection, source: str, person_id: int, since: float) -> int:
    query = select(func.count()).where(
        answered_comment.c.source == source,
        answered_comment.c.person_id == person_id,
        answered_comment.c.handled_at >= since,
    )
    return int(tx.execute(query).scalar_one())


def place(spot: Spot) -> str:
    return "commit" if spot.number is None else "request"


def obey(
    tx: Connection, leased: LeasedRepository, told: Obeyed, delivery: Delivery, now: float
) -> bool:
    repositories.lock(tx, leased)
    row_id = leased.row.id
    inbox.belongs(tx, delivery, row_id)
    if not _first(tx, leased.row, told, now):
        inbox.finish(tx, delivery, "done", HANDLED_BEFORE, now)
        return False
    for approved in told.approvals:
        match approved:
            case Approval():
                _approve(tx, row_id, approved)
            case Revocation():
                _revoke(tx, row_id, approved, now)
    for stop in told.stops:
        _stop(tx, row_id, stop, now)
    for skip in told.skips:
        _skip(tx, row_id, skip, now)
    for tag in told.promoted:
        promotions.given(tx, row_id, tag, now + _READ_BACK)
    inbox.put(tx, told.hints)
    for reply in told.replies:
        replies.want(tx, leased.row, reply, now)
    if told.settles is not None:
        replies.want(tx, leased.row, told.settles, now, only_known=True)
    journal.add(tx, *told.entries)
    inbox.finish(tx, delivery, "done", told.note, now)
    return True


def overtaken(tx: Connection, row_id: int, spot: Spot) -> bool:
    query = select(answered_comment.c.comment_id).where(
        answered_comment.c.repository_id == row_id,
        answered_comment.c.place == place(spot),
        answered_comment.c.number == spot.number,
        answered_comment.c.comment_id > spot.comment_id,
    )
    return tx.execute(query.limit(1)).first() is not None


def pass_over(
    tx: Connection, owner: RepositoryRow, spot: Spot, delivery: Delivery, why: str, now: float
) -> None:
    _first(tx, owner, Obeyed(spot, person_id=_NOBODY, note=why), now)
    inbox.finish(tx, delivery, "ignored", why, now)


def _first(tx: Connection, owner: RepositoryRow, told: Obeyed, now: float) -> bool:
    """Whether nobody handled the comment before; from now on somebody did."""
    spot = told.spot
    insert = upsert(tx, answered_comment).values(
        repository_id=owner.id,
        place=place(spot),
        comment_id=spot.comment_id,
        source=owner.source,
        number=spot.number,
        sha=spot.sha,
        person_id=told.person_id,
        reaction=told.reaction or "",
        handled_at=now,
        next_at=NEVER if told.reaction is None else now,
    )
    # Not its row count: psycopg tells none of an INSERT that SQLAlchemy makes so.
    made = insert.on_conflict_do_nothing().returning(answered_comment.c.comment_id)
    return tx.execute(made).first() is not None


def _approve(tx: Connection, row_id: int, approved: Approval) -> None:
    values = {
        "person_id": approved.person_id,
        "login": plain(approved.login, 300),
        "role": approved.role,
        "at": approved.at,
        "until": approved.until,
    }
    insert = upsert(tx, approval).values(
        repository_id=row_id, number=approved.number, sha=approved.sha, **values
    )
    tx.execute(
        insert.on_conflict_do_update(index_elements=["repository_id", "number", "sha"], set_=values)
    )
    repositories.touch(tx, row_id)  # a plan that was made without it is made again


def _revoke(tx: Connection, row_id: int, taken: Revocation, now: float) -> None:
    """Where something is left to stop, the claims end with it: the plan that is made again then
    waits, as before. What ended stays as it ended."""
    tx.execute(
        delete(approval).where(
            approval.c.repository_id == row_id,
            approval.c.number == taken.number,
            approval.c.sha == taken.sha,
        )
    )
    repositories.touch(tx, row_id)  # a plan that was made with it is made again
    approved = (
        claim.c.repository_id == row_id,
        claim.c.kind == ClaimKind.REQUEST,
        claim.c.name == str(taken.number),
        claim.c.sha == taken.sha,
        claim.c.trust == Trust.UNTRUSTED,
        claim.c.state == "live",
    )
    wanted = select(claim_image.c.build_id).join(claim, claim.c.id == claim_image.c.claim_id)
    query = select(build.c.id).where(
        build.c.id.in_(wanted.where(*approved)), build.c.state.not_in(builds.FINAL_STATES)
    )
    unfinished = tx.execute(query).scalars().all()
    if not unfinished:
        return
    values = {"state": "cancelled", "text": plain(taken.text), "ended_at": now}
    tx.execute(update(claim).where(*approved).values(values))
    builds.stop_unclaimed(tx, unfinished, "cancelled", taken.text, now)
    reports.mark(tx, row_id, [(taken.sha, family(ClaimKind.REQUEST))], now + _PLANNED_AGAIN)


def _stop(tx: Connection, row_id: int, stop: StopBuilds, now: float) -> None:
    """Builds that another ref or request wants as well go on."""
    mine = [claim.c.repository_id == row_id, claim.c.kind == stop.kind, claim.c.name == stop.name]
    if stop.sha is not None:
        mine.append(claim.c.sha == stop.sha)
    ours = select(claim_image.c.build_id).join(claim, claim.c.id == claim_image.c.claim_id)
    ours = ours.where(*mine, claim.c.state == "live")
    if stop.images:
        ours = ours.where(claim_image.c.image.in_(stop.images))
    others = exists().where(
        claim_image.c.build_id == build.c.id,
        claim_image.c.claim_id == claim.c.id,
        claim.c.state == "live",
        or_(claim.c.kind != stop.kind, claim.c.name != stop.name),
    )
    query = select(build).where(
        build.c.id.in_(ours), build.c.state.not_in([*builds.FINAL_STATES, "tagging"]), ~others
    )
    rows = tx.execute(query.order_by(build.c.id).with_for_update()).all()
    ids = [builds.stop(tx, row, "cancelled", stop.text, now) for row in rows]
    reports.mark_builds(tx, ids, now)


def _skip(tx: Connection, row_id: int, skip: SkipImage, now: float) -> None:
    values = {"text": plain(skip.text, 500), "at": now}
    insert = upsert(tx, image_skip).values(
        repository_id=row_id, sha=skip.sha, family=skip.family, image=skip.image, **values
    )
    keys = ["repository_id", "sha", "family", "image"]
    tx.execute(insert.on_conflict_do_update(index_elements=keys, set_=values))
    reports.mark(tx, row_id, [(skip.sha, skip.family)], now)


# -- what is known ---------------------------------------------------------------------------


def claims_of(
    tx: Connection, row_id: int, kind: ClaimKind, name: str, sha: Sha
) -> Sequence[ClaimView]:
    query = select(claim).where(
        claim.c.repository_id == row_id,
        claim.c.kind == kind,
        claim.c.name == name,
        claim.c.sha == sha,
    )
    return views.claims(tx, query)


def claims_at(tx: Connection, row_id: int, sha: Sha) -> Sequence[ClaimView]:
    query = select(claim).where(claim.c.repository_id == row_id, claim.c.sha == sha)
    return views.claims(tx, query)


def explained(tx: Connection, row_id: int, kind: ClaimKind, name: str, sha: Sha) -> str | None:
    query = (
        select(inbox_table.c.plan)
        .join(claim, claim.c.inbox_id == inbox_table.c.id)
        .where(
            claim.c.repository_id == row_id,
            claim.c.kind == kind,
            claim.c.name == name,
            claim.c.sha == sha,
            inbox_table.c.plan.is_not(None),
        )
        .order_by(claim.c.id.desc())
        .limit(1)
    )
    found: str | None = tx.execute(query).scalar()
    return found


def successes(
    tx: Connection, row_id: int, image: ImageKey, sha: Sha | None, digest: Digest | None
) -> Sequence[BuildRow]:
    query = builds.BUILD_ROWS.where(
        build.c.repository_id == row_id,
        build.c.image == image,
        build.c.state == BuildState.SUCCEEDED,
        build.c.trust == Trust.TRUSTED,
        build.c.check_only.is_(False),
        build.c.digest.is_not(None),
    )
    if sha is not None:
        query = query.where(build.c.sha == sha)
    if digest is not None:
        query = query.where(build.c.digest == digest)
    newest = query.order_by(build.c.queued_at.desc(), build.c.generation.desc()).limit(1)
    return [build_value(row) for row in tx.execute(newest)]


def tag_known(tx: Connection, name: str, tag: str) -> bool:
    query = select(wanted_tag.c.tag).where(wanted_tag.c.name == name, wanted_tag.c.tag == tag)
    return tx.execute(query).first() is not None


def shared_builds(
    tx: Connection, row_id: int, kind: ClaimKind, name: str, sha: Sha
) -> frozenset[BuildId]:
    query = select(claim_image.c.build_id).join(claim, claim.c.id == claim_image.c.claim_id)
    query = query.where(
        claim.c.repository_id == row_id,
        claim.c.sha == sha,
        claim.c.state == "live",
        or_(claim.c.kind != kind, claim.c.name != name),
    )
    return frozenset(BuildId(row) for row in tx.execute(query).scalars())


def standing(tx: Connection, row_id: int, number: int, sha: Sha, now: float) -> Standing:
    approved = tx.execute(
        select(approval.c.at, approval.c.until).where(
            approval.c.repository_id == row_id,
            approval.c.number == number,
            approval.c.sha == sha,
            approval.c.until > now,
        )
    ).first()
    other = tx.execute(
        select(func.max(head_sighting.c.seen_at)).where(
            head_sighting.c.repository_id == row_id,
            head_sighting.c.number == number,
            head_sighting.c.sha != sha,
        )
    ).scalar()
    waiting = _waiting(tx, row_id, sha)
    if approved is None:
        return Standing(waiting, other)
    return Standing(waiting, other, approved.until, _built(tx, row_id, sha, approved.at))


def _built(tx: Connection, row_id: int, sha: Sha, since: float) -> dict[ImageKey, int]:
    query = select(build.c.image, func.count()).where(
        build.c.repository_id == row_id,
        build.c.sha == sha,
        build.c.trust == Trust.UNTRUSTED,
        build.c.queued_at >= since,
    )
    rows = tx.execute(query.group_by(build.c.image))
    return {ImageKey(image): int(count) for image, count in rows}


def _waiting(tx: Connection, row_id: int, sha: Sha) -> Waiting | None:
    """Our aggregate as it was written last, where it says that this commit waits."""
    context = f"{status_context(None)}{family(ClaimKind.REQUEST)}"
    row = tx.execute(
        select(wanted_status).where(
            wanted_status.c.repository_id == row_id,
            wanted_status.c.sha == sha,
            wanted_status.c.context == context,
        )
    ).first()
    if row is None or row.applied is None or row.applied_at is None:
        return None
    if row.applied_sequence != row.sequence or sha not in status_value(row.applied).description:
        return None
    return Waiting(sha, row.applied_at, row.accepted_at)


def undecided_before(tx: Connection, source: str, received_at: float, row_id: int) -> bool:
    # Unknown until somebody looked at it: it may be about this one.
    perhaps = or_(inbox_table.c.repository_id.is_(None), inbox_table.c.repository_id == row_id)
    query = select(inbox_table.c.id).where(
        inbox_table.c.source == source,
        inbox_table.c.state == "new",
        inbox_table.c.received_at < received_at,
        perhaps,
    )
    return tx.execute(query.limit(1)).first() is not None
