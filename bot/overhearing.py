"""Comments with commands whose webhook was lost: one listing per repository and round finds them.

What is found becomes a delivery like any other find of the sweep. Only what was said since the
sweep's last round counts, and nothing from before its first one.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping, Sequence
from typing import Final

from bot.commanding import wants
from bot.core.commands_access import LATEST
from bot.core.conversation import Spot
from bot.core.events import CommentCreated
from bot.core.hints import COMMENT, SWEEP, Found, write_found
from bot.flow import Ports
from bot.ports import GitHost, Permanent
from bot.records import IncomingDelivery, LeasedRepository, RepositoryRow
from bot.telemetry import fields

LOG = logging.getLogger("pushwright.overhearing")

_AGAIN: Final = 600.0
"""Seconds before the last round that are listed again: so far may the host's clock be behind."""
_AWAITED: Final = 60.0
"""Seconds that a webhook may need, its handling included; until then nothing counts as lost."""
_STEP: Final = 0.001
"""Seconds between deliveries of one round, so that they have the order of their comments."""


def overheard(ports: Ports, leased: LeasedRepository, host: GitHost) -> int:
    """Puts what it finds into the inbox; how many comments that were. Raises Temporary."""
    row, now = leased.row, ports.clock.now()
    if row.swept_at is None or row.heard_from is None:
        return 0
    since = max(row.heard_from, row.swept_at - _AGAIN, now - LATEST)
    try:
        missed = _missed(ports, row, host, since)
    except Permanent as error:
        LOG.warning("comments are not looked for: %s", error, extra=_about(row))
        return 0
    # With the younger ones on the same request: what was taken back a moment later stays so.
    late = {one.number for one in missed if (one.created_at or now) <= now - _AWAITED}
    chosen = [one for one in missed if one.number in late]
    times = [now - _STEP * (len(chosen) - place) for place in range(len(chosen))]
    found = [_delivery(row, one, at) for one, at in zip(chosen, times, strict=True)]
    return ports.store.put_new_deliveries(found) if found else 0


def _missed(
    ports: Ports, row: RepositoryRow, host: GitHost, since: float
) -> Sequence[CommentCreated]:
    """Those that are for us and that nobody handled, in the order they were made."""
    listed = host.request_comments(row.repository, since)
    if not listed.complete:
        LOG.warning("more comments than are looked at in one round", extra=_about(row))
    return [
        one
        for one in listed.comments
        if not isinstance(wants(ports, row.source, one), str)
        and not ports.store.obeyed(row.id, Spot(one.comment_id, one.number))
    ]


def _delivery(row: RepositoryRow, comment: CommentCreated, at: float) -> IncomingDelivery:
    found = Found(
        row.source,
        row.repository.id,
        comment.comment_id,
        comment.number or 0,
        comment.body,
        comment.author.id or 0,
        comment.author.login,
        comment.author.bot,
        comment.created_at or at,
        comment.internal,
    )
    body = write_found(found)
    return IncomingDelivery(
        SWEEP,
        f"{row.source}:{row.repository.id}:comment/{comment.comment_id}",
        COMMENT,
        "application/json",
        zlib.compress(body, 1),
        len(body),
        at,
    )


def _about(row: RepositoryRow) -> Mapping[str, object]:
    return fields(source=row.source, repository=row.repository.path)
