"""What a build is compared with: how long the image took before, how large it is elsewhere."""

from __future__ import annotations

from statistics import median

from sqlalchemy import Connection, select

from bot.core.builds import BuildState
from bot.core.plans import ClaimKind
from bot.core.reports_results import Measured
from bot.records import BuildRow
from bot.store.schema import build, claim, claim_image

PAST = 20
"""Successes that the median is of; the newest that ended before the build was queued."""


def measured(tx: Connection, row: BuildRow, base_branch: str | None) -> Measured:
    """Of the past alone, so that it stays what it is however often it is asked for."""
    return Measured(_median_seconds(tx, row), _base_bytes(tx, row, base_branch))


def _median_seconds(tx: Connection, row: BuildRow) -> float | None:
    query = (
        select(build.c.started_at, build.c.ended_at)
        .where(
            build.c.repository_id == row.repository_id,
            build.c.image == row.image,
            build.c.state == BuildState.SUCCEEDED,
            build.c.started_at.is_not(None),
            build.c.ended_at <= row.queued_at,
        )
        .order_by(build.c.ended_at.desc())
        .limit(PAST)
    )
    seconds = [max(0.0, one.ended_at - one.started_at) for one in tx.execute(query)]
    return median(seconds) if seconds else None


def _base_bytes(tx: Connection, row: BuildRow, base_branch: str | None) -> int | None:
    if base_branch is None:
        return None
    query = (
        select(build.c.size_bytes)
        .join(claim_image, claim_image.c.build_id == build.c.id)
        .join(claim, claim.c.id == claim_image.c.claim_id)
        .where(
            claim.c.repository_id == row.repository_id,
            claim.c.kind == ClaimKind.BRANCH,
            claim.c.name == base_branch,
            claim_image.c.image == row.image,
            build.c.state == BuildState.SUCCEEDED,
            build.c.size_bytes.is_not(None),
            build.c.ended_at <= row.queued_at,
            build.c.id != row.id,
        )
        .order_by(claim.c.sequence.desc(), build.c.ended_at.desc())
        .limit(1)
    )
    found = tx.execute(query).scalar()
    return None if found is None else int(found)
