"""The inbox: webhook requests as they were received, until they are planned."""

from __future__ import annotations

import hashlib
import secrets
import zlib
from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import Connection, case, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bot.core.ids import SourceName
from bot.records import (
    Delivery,
    DeliveryView,
    IncomingDelivery,
    LeaseLost,
)
from bot.store.leases import NOW, give_back, held, question, take, taking
from bot.store.rows import plain
from bot.store.schema import claim as claims
from bot.store.schema import inbox, repository
from bot.store.upserts import insert_into, upsert

LONGEST_ID = 200
"""Characters of a delivery id that are kept as they are."""


def bounded(text: str, limit: int) -> str:
    """`text`, or its beginning and its hash where it is longer: equal texts stay equal."""
    text = plain(text, len(text) + 1)
    if len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f"{text[: limit - 33]}~{digest}"


def put(tx: Connection, deliveries: Sequence[IncomingDelivery]) -> None:
    # In the order of their keys: two web processes with the same ones do not lock each other out.
    rows = sorted(map(_row, deliveries), key=lambda row: (str(row["source"]), str(row["delivery"])))
    if rows:
        tx.execute(_insert(tx.dialect.name), rows)


def put_new(tx: Connection, deliveries: Sequence[IncomingDelivery]) -> int:
    insert = upsert(tx, inbox).on_conflict_do_nothing().returning(inbox.c.id)
    return sum(tx.execute(insert.values(_row(one))).first() is not None for one in deliveries)


@cache
def _insert(dialect: str) -> sqlite.Insert | postgresql.Insert:
    """Made once for each dialect: that costs a millisecond, more than a commit's other work."""
    insert = insert_into(inbox, dialect)
    again = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=["source", "delivery"],
        set_={
            # Who handles it now sees at its end that `seen` went up, and leaves it new.
            "seen": inbox.c.seen + 1,
            "state": "new",
            "tries": 0,
            "next_at": again.received_at,
            "received_at": again.received_at,
            "event": again.event,
            "content_type": again.content_type,
            "body": again.body,
            "size": again.size,
            # Of before there were pages.
            "page": func.coalesce(inbox.c.page, again.page),
        },
    )


def _row(delivery: IncomingDelivery) -> dict[str, object]:
    return {
        "source": bounded(delivery.source, 200),
        "delivery": bounded(delivery.delivery, LONGEST_ID),
        "event": plain(delivery.event, 100),
        "content_type": plain(delivery.content_type, 100),
        "body": delivery.body,
        "size": delivery.size,
        "received_at": delivery.received_at,
        "next_at": delivery.received_at,
        "page": secrets.token_hex(16),
    }


_DUE = (inbox.c.state == "new", inbox.c.next_at <= NOW, inbox.c.lease_until <= NOW)
DUE = question(inbox, _DUE)
# A lease that nobody gave back: its holder died, maybe of this very delivery.
_DIED = case((inbox.c.lease_until > 0, 1), else_=0)
_OLDEST = taking(inbox, _DUE, [inbox.c.next_at, inbox.c.id], extra={"tries": inbox.c.tries + _DIED})


def claim(tx: Connection, now: float, lease_seconds: float) -> Delivery | None:
    for row in take(tx, _OLDEST, now, lease_seconds, 1):
        return Delivery(
            id=row.id,
            source=SourceName(row.source),
            delivery=row.delivery,
            event=row.event,
            content_type=row.content_type,
            body=None if row.body is None else unpacked(row.body, row.size),
            received_at=row.received_at,
            tries=row.tries,
            seen=row.seen,
            fence=row.fence,
        )
    return None


def unpacked(body: bytes, size: int) -> bytes:
    """At most `size` bytes, which were counted when it was packed."""
    return zlib.decompressobj().decompress(body, max(size, 1))


def finish(
    tx: Connection,
    delivery: Delivery,
    state: str,
    reason: str,
    now: float,
    explained: str | None = None,
) -> None:
    """Handled. Where it came again meanwhile it stays new, to be handled once more."""
    again = inbox.c.seen > delivery.seen
    values = {
        "state": case((again, "new"), else_=state),
        "next_at": case((again, now), else_=inbox.c.next_at),
        "reason": plain(reason),
        "handled_at": now,
        **give_back(),
    }
    if explained is not None:
        values["plan"] = explained
    query = update(inbox).where(inbox.c.id == delivery.id, held(inbox, delivery.fence))
    if tx.execute(query.values(values)).rowcount != 1:
        raise LeaseLost(f"delivery {delivery.delivery}")


def delay(tx: Connection, delivery: Delivery, until: float, reason: str, counted: bool) -> None:
    again = inbox.c.seen > delivery.seen
    values = {
        "next_at": case((again, inbox.c.next_at), else_=until),
        "reason": plain(reason),
        "tries": inbox.c.tries + (1 if counted else 0),
        **give_back(),
    }
    query = update(inbox).where(inbox.c.id == delivery.id, held(inbox, delivery.fence))
    if tx.execute(query.values(values)).rowcount != 1:
        raise LeaseLost(f"delivery {delivery.delivery}")


def listing(tx: Connection, limit: int, state: str | None) -> Sequence[Mapping[str, object]]:
    columns = [column for column in inbox.c if column.name not in ("body", "fence")]
    query = select(*columns).order_by(inbox.c.received_at.desc(), inbox.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(inbox.c.state == state)
    return [dict(row) for row in tx.execute(query).mappings()]


def replay(tx: Connection, delivery: str, now: float) -> int:
    """Queue again what starts with this id. 0 for an empty id: that would be all of them."""
    if not delivery:
        return 0
    starts = func.substr(inbox.c.delivery, 1, len(delivery)) == delivery
    query = update(inbox).where(starts, inbox.c.body.is_not(None))
    values = {"state": "new", "next_at": now, "tries": 0, "seen": inbox.c.seen + 1}
    return tx.execute(query.values(values)).rowcount


def belongs(tx: Connection, delivery: Delivery, row_id: int) -> None:
    query = update(inbox).where(inbox.c.id == delivery.id)
    tx.execute(query.values(repository_id=row_id))


def by_page(tx: Connection, page: str) -> DeliveryView | None:
    """What its page shows; never the body."""
    query = select(
        inbox.c.id,
        inbox.c.source,
        inbox.c.delivery,
        inbox.c.event,
        inbox.c.received_at,
        inbox.c.handled_at,
        inbox.c.seen,
        inbox.c.state,
        inbox.c.reason,
        inbox.c.plan,
        inbox.c.body.is_not(None).label("has_body"),
        repository.c.path,
    ).select_from(inbox.outerjoin(repository, repository.c.id == inbox.c.repository_id))
    row = tx.execute(query.where(inbox.c.page == page)).first()
    if row is None:
        return None
    made = select(claims.c.kind, claims.c.name, claims.c.page).where(claims.c.inbox_id == row.id)
    return DeliveryView(
        delivery=row.delivery,
        source=row.source,
        event=row.event,
        repository=row.path or "",
        received_at=row.received_at,
        handled_at=row.handled_at,
        seen=row.seen,
        state=row.state,
        reason=row.reason,
        plan=row.plan,
        has_body=bool(row.has_body),
        claims=tuple((f"{one.kind} {one.name}", one.page) for one in tx.execute(made.limit(50))),
    )
