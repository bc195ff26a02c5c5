"""Claims with their builds, as reports and pages tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, func, select

from bot.core.builds import BuildState
from bot.core.ids import BuildId, ImageKey, Sha, Trust
from bot.core.plans import ClaimKind
from bot.records import (
    BuildRow,
    ClaimImageView,
    ClaimView,
    DueReport,
    RepositoryRow,
)
from bot.store import builds, statuses
from bot.store.rows import build_value, load, wishes_value
from bot.store.schema import build, claim, claim_image, inbox
from bot.store.schema_talk import image_skip

MOST_CLAIMS = 50
"""Of one commit or build that a report or page tells of: trusted ones that live, then the newest.
Whoever has forks may open any number of requests for somebody else's commit."""
MOST_AHEAD = 1000
"""Builds before another one are counted up to here."""


def reports(tx: Connection, now: float, lease_seconds: float, limit: int) -> Sequence[DueReport]:
    found: list[DueReport] = []
    for row, owner in statuses.due_reports(tx, now, lease_seconds, limit):
        query = select(claim).where(
            claim.c.repository_id == row.repository_id,
            claim.c.sha == row.sha,
            claim.c.family == row.family,
        )
        views = claims(tx, query)
        shown = statuses.wanted_now(tx, row.repository_id, row.sha)
        skips = _skips(tx, row.repository_id, row.sha, row.family)
        found.append(
            DueReport(owner, Sha(row.sha), row.family, row.wanted, row.fence, views, shown, skips)
        )
    return found


def _skips(tx: Connection, row_id: int, sha: str, family: str) -> dict[ImageKey, str]:
    query = select(image_skip.c.image, image_skip.c.text).where(
        image_skip.c.repository_id == row_id,
        image_skip.c.sha == sha,
        image_skip.c.family == family,
    )
    return {ImageKey(row.image): row.text for row in tx.execute(query)}


def claims(tx: Connection, query: Select[Any]) -> tuple[ClaimView, ...]:
    """Newest first."""
    ours = case((and_(claim.c.state == "live", claim.c.trust == Trust.TRUSTED), 0), else_=1)
    found = tx.execute(query.order_by(ours, claim.c.id.desc()).limit(MOST_CLAIMS)).all()
    rows = sorted(found, key=lambda row: int(row.id), reverse=True)
    images = _images(tx, [row.id for row in rows])
    deliveries = _deliveries(tx, {row.inbox_id for row in rows})
    return tuple(
        ClaimView(
            id=row.id,
            kind=ClaimKind(row.kind),
            name=row.name,
            sha=Sha(row.sha),
            state=row.state,
            text=row.text,
            event=row.event,
            trust=Trust(row.trust),
            wish=load(row.wish),
            created_at=row.created_at,
            page=row.page,
            delivery=deliveries.get(row.inbox_id, ""),
            images=tuple(images.get(row.id, ())),
        )
        for row in rows
    )


def _deliveries(tx: Connection, ids: set[int | None]) -> dict[int | None, str]:
    """The pages of the deliveries that claims came from."""
    query = select(inbox.c.id, inbox.c.page).where(
        inbox.c.id.in_(sorted(one for one in ids if one is not None)), inbox.c.page.is_not(None)
    )
    return {row.id: row.page for row in tx.execute(query)}


def _images(tx: Connection, claims: Sequence[int]) -> dict[int, list[ClaimImageView]]:
    query = select(claim_image).where(claim_image.c.claim_id.in_(claims))
    rows = tx.execute(query.order_by(claim_image.c.image)).all()
    found = builds.load(tx, [row.build_id for row in rows])
    ahead = {row.id: _ahead(tx, row) for row in found.values()}
    views: dict[int, list[ClaimImageView]] = {}
    for row in rows:
        views.setdefault(row.claim_id, []).append(
            _image(row, found[row.build_id], ahead[BuildId(row.build_id)])
        )
    return views


def _image(row: Row[Any], built: BuildRow, ahead: int | None) -> ClaimImageView:
    return ClaimImageView(
        image=ImageKey(row.image),
        build=built,
        tags=wishes_value(row.tags),
        why=row.why,
        required=row.required,
        tagging=row.tagging,
        notes=tuple(load(row.tag_notes)),
        tag_errors=tuple(load(row.tag_errors)),
        ahead=ahead,
    )


def _ahead(tx: Connection, row: BuildRow) -> int | None:
    """Of its own repository only: others take turns with it, however long their queues are."""
    if row.state is not BuildState.QUEUED:
        return None
    before = (
        select(build.c.id)
        .where(
            build.c.repository_id == row.repository_id,
            build.c.state == BuildState.QUEUED,
            build.c.queued_at < row.queued_at,
        )
        .limit(MOST_AHEAD)
    )
    return tx.execute(select(func.count()).select_from(before.subquery())).scalar_one()


def page(
    tx: Connection, build_id: BuildId
) -> tuple[BuildRow, RepositoryRow, tuple[ClaimView, ...]] | None:
    found = builds.load(tx, [build_id]).get(build_id)
    if found is None:
        return None
    owner = statuses.repositories(tx, {found.repository_id})[found.repository_id]
    ids = select(claim_image.c.claim_id).where(claim_image.c.build_id == build_id)
    return found, owner, claims(tx, select(claim).where(claim.c.id.in_(ids)))


def by_page(tx: Connection, page: str) -> tuple[ClaimView, RepositoryRow] | None:
    query = select(claim).where(claim.c.page == page)
    row_id = tx.execute(query.with_only_columns(claim.c.repository_id)).scalar()
    if row_id is None:
        return None
    (view,) = claims(tx, query)
    return view, statuses.repositories(tx, {row_id})[row_id]


def find(
    tx: Connection, prefix: str, repository_id: int | None, limit: int
) -> Sequence[tuple[BuildRow, RepositoryRow]]:
    query = builds.BUILD_ROWS.order_by(build.c.queued_at.desc(), build.c.id).limit(limit)
    if prefix:
        query = query.where(func.substr(build.c.id, 1, len(prefix)) == prefix)
    if repository_id is not None:
        query = query.where(build.c.repository_id == repository_id)
    rows = [build_value(row) for row in tx.execute(query)]
    owners = statuses.repositories(tx, {row.repository_id for row in rows})
    return [(row, owners[row.repository_id]) for row in rows]
