"""Commits whose statuses have something new to tell, and the statuses that are to be written."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from bot.core.plans import ClaimKind, family
from bot.store.schema import claim, claim_image, commit_report
from bot.store.upserts import insert_into

CommitFamily = tuple[str, str]
"""(sha, family)"""

_COMMITS = (
    select(claim.c.repository_id, claim.c.sha, claim.c.kind)
    .join(claim_image, claim_image.c.claim_id == claim.c.id)
    .where(claim_image.c.build_id.in_(bindparam("builds", expanding=True)))
    .distinct()
)


def mark(tx: Connection, row_id: int, commits: Iterable[CommitFamily], now: float) -> None:
    """These commits have something new to tell."""
    rows = [
        {"repository_id": row_id, "sha": sha, "family": name, "wanted": 1, "next_at": now}
        for sha, name in sorted(set(commits))
    ]
    if rows:
        tx.execute(_mark(tx.dialect.name), rows)


@cache
def _mark(dialect: str) -> sqlite.Insert | postgresql.Insert:
    insert = insert_into(commit_report, dialect)
    return insert.on_conflict_do_update(
        index_elements=["repository_id", "sha", "family"],
        set_={"wanted": commit_report.c.wanted + 1, "next_at": insert.excluded.next_at},
    )


def mark_builds(tx: Connection, ids: Iterable[str], now: float) -> None:
    """Whatever commits these builds are claimed for (withdrawn claims show their end too)."""
    commits: dict[int, set[CommitFamily]] = {}
    for row in tx.execute(_COMMITS, {"builds": sorted(set(ids))}):
        commits.setdefault(row.repository_id, set()).add((row.sha, family(ClaimKind(row.kind))))
    for row_id in sorted(commits):
        mark(tx, row_id, commits[row_id], now)
