"""What a rendering of a commit wants written: its statuses, and the comment on a request."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from bot.core.plans import ClaimKind
from bot.core.reports_comment import MARKER, Comment
from bot.core.reports_rows import Rendered
from bot.records import DueReport
from bot.records_talk import Reply
from bot.store import replies, statuses
from bot.store.schema import claim


def want(
    tx: Connection,
    report: DueReport,
    rendered: Rendered,
    comments: Sequence[Comment],
    now: float,
) -> None:
    statuses.want(tx, report, rendered.statuses, now, rendered.next_at)
    for comment in comments:
        if _newest(tx, report.repository.id, comment.number) == comment.claim_id:
            reply = Reply(MARKER, comment.body, comment.number)
            replies.want(tx, report.repository, reply, now, only_known=comment.only_known)


def _newest(tx: Connection, row_id: int, number: int) -> int | None:
    """The claim whose word counts: an older head's report may be rendered after a newer one's."""
    query = select(func.max(claim.c.id)).where(
        claim.c.repository_id == row_id,
        claim.c.kind == ClaimKind.REQUEST,
        claim.c.name == str(number),
    )
    return tx.execute(query).scalar()
