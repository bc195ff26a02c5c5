"""Which tags a proven success writes, and when all tags of a claim's image are settled.

`bot.core.ownership` decides; this keeps its answers. An image of a claim is *wanted* when the rows
of its tags exist, and *settled* when each is applied, belongs to somebody else, or was refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, select, tuple_, update

from bot.core.builds import BuildState
from bot.core.ids import Digest
from bot.core.ownership import Owner, TagKey, Take, Yield, decide
from bot.core.plans import SequenceOrder, TagWish, VersionOrder
from bot.store import reports
from bot.store.rows import dump, load, plain, wishes_value
from bot.store.schema import build, claim, claim_image, claim_tag, wanted_tag

Reference = tuple[str, str]
"""(image name, tag)"""

_CLAIMED: Select[Any] = (
    select(
        claim_image.c.claim_id,
        claim_image.c.image,
        claim_image.c.build_id,
        claim_image.c.tags,
        claim.c.repository_id,
        claim.c.sequence,
        build.c.digest,
        build.c.check_only,
        build.c.plan,
    )
    .join(claim, claim.c.id == claim_image.c.claim_id)
    .join(build, build.c.id == claim_image.c.build_id)
)
_WAITING = (
    _CLAIMED.where(
        claim_image.c.build_id == bindparam("of_build"),
        claim_image.c.tagging == "waiting",
        claim.c.state == "live",
    )
    .order_by(claim.c.sequence, claim.c.id)
    .with_for_update()
)
_WANTED = select(claim_image.c.claim_id, claim_image.c.image).where(
    claim_image.c.tagging == "wanted"
)
_WANTED_OF_BUILDS = _WANTED.where(claim_image.c.build_id.in_(bindparam("builds", expanding=True)))
_WANTED_OF_TAGS = _WANTED.join(
    claim_tag,
    and_(claim_tag.c.claim_id == claim_image.c.claim_id, claim_tag.c.image == claim_image.c.image),
).where(tuple_(claim_tag.c.name, claim_tag.c.tag).in_(bindparam("references", expanding=True)))
_TAGS = (
    select(wanted_tag)
    .join(
        claim_tag, and_(wanted_tag.c.name == claim_tag.c.name, wanted_tag.c.tag == claim_tag.c.tag)
    )
    .where(
        claim_tag.c.claim_id == bindparam("of_claim"), claim_tag.c.image == bindparam("of_image")
    )
    .order_by(wanted_tag.c.name, wanted_tag.c.tag)
)
_PENDING = (
    select(claim_image.c.image)
    .join(claim, claim.c.id == claim_image.c.claim_id)
    .where(
        claim_image.c.build_id == bindparam("of_build"),
        claim_image.c.tagging.in_(["waiting", "wanted"]),
        claim.c.state == "live",
    )
    .limit(1)
)


def want(tx: Connection, build_id: str, now: float) -> None:
    """Write down the tags that the live claims of a proven success ask for, if not done yet."""
    touched: set[Reference] = set()
    for row in tx.execute(_WAITING, {"of_build": build_id}).all():
        touched |= _want(tx, row, now)
    settle(tx, [build_id], touched, now)


def _want(tx: Connection, row: Row[Any], now: float) -> set[Reference]:
    wishes = () if row.check_only or row.digest is None else wishes_value(row.tags)
    notes = [wish.withheld for wish in wishes if wish.withheld is not None]
    asked = sorted(
        (wish for wish in wishes if wish.withheld is None), key=lambda wish: wish.reference
    )
    for wish in asked:
        note = _ask(tx, row, wish, now)
        if note is not None:
            notes.append(note)
    of_this = and_(claim_image.c.claim_id == row.claim_id, claim_image.c.image == row.image)
    values = {"tagging": "wanted", "tag_notes": dump(list(dict.fromkeys(notes)))}
    tx.execute(update(claim_image).where(of_this).values(values))
    references = {(wish.name, wish.tag) for wish in asked}
    if references:
        key = {"claim_id": row.claim_id, "image": row.image}
        rows = [{**key, "name": name, "tag": tag} for name, tag in sorted(references)]
        tx.execute(claim_tag.insert(), rows)
    return references


def _key(wish: TagWish, sequence: int) -> TagKey:
    match wish.order:
        case VersionOrder(version, key):
            return TagKey("version", key, version, sequence)
        case SequenceOrder():
            return TagKey("sequence", "", "", sequence)
        case other:
            assert_never(other)


def _ask(tx: Connection, row: Row[Any], wish: TagWish, now: float) -> str | None:
    """Take the tag, or the note why not."""
    this = and_(wanted_tag.c.name == wish.name, wanted_tag.c.tag == wish.tag)
    held = tx.execute(select(wanted_tag).where(this).with_for_update()).first()
    owner = None
    if held is not None:
        key = TagKey(held.order_kind, held.order_key, held.version, held.claim_sequence)
        owner = Owner(key, Digest(held.digest))
    key = _key(wish, row.sequence)
    match decide(wish.tag, owner, key):
        case Yield(note):
            return note
        case Take():
            pass
        case other:
            assert_never(other)
    values: dict[str, object] = {
        "repository_id": row.repository_id,
        "digest": row.digest,
        "order_kind": key.kind,
        "order_key": key.key,
        "version": plain(key.version, 200),
        "claim_sequence": key.sequence,
        "claim_id": row.claim_id,
        "build_id": row.build_id,
        "from_name": load(row.plan)["names"][0],
    }
    if held is None:
        # A plain INSERT: if another transaction made the row meanwhile, all is decided again.
        start = {"name": wish.name, "tag": wish.tag, "sequence": 1, "next_at": now}
        tx.execute(wanted_tag.insert().values(**start, **values))
    else:
        if held.digest != row.digest or held.refused:
            fresh = {"sequence": held.sequence + 1, "next_at": now, "tries": 0}
            values |= {**fresh, "refused": "", "error": ""}
        tx.execute(update(wanted_tag).where(this).values(values))
    return None


def settle(tx: Connection, ids: Iterable[str], references: Iterable[Reference], now: float) -> None:
    """Look again at the images that wait for tags: of these builds, or for these references."""
    waiting = set(_waiting(tx, ids, references))
    builds: set[str] = set()
    for claim_id, image in sorted(waiting):
        this = and_(claim_image.c.claim_id == claim_id, claim_image.c.image == image)
        # Locked before its tags are read: of two tags that end at once, the later sees the earlier.
        row = tx.execute(_CLAIMED.where(this).with_for_update(of=claim_image)).one()
        errors = _settled(tx, row)
        if errors is None:
            continue
        values = {"tagging": "refused" if errors else "settled", "tag_errors": dump(errors)}
        tx.execute(update(claim_image).where(this).values(values))
        builds.add(row.build_id)
    for build_id in sorted(builds):
        if not pending(tx, build_id):
            this_build = and_(build.c.id == build_id, build.c.state == BuildState.TAGGING)
            tx.execute(update(build).where(this_build).values(next_at=now))
    if builds:
        reports.mark_builds(tx, builds, now)


def _waiting(
    tx: Connection, ids: Iterable[str], references: Iterable[Reference]
) -> Iterable[tuple[int, str]]:
    builds, tags = sorted(set(ids)), sorted(set(references))
    if builds:
        for row in tx.execute(_WANTED_OF_BUILDS, {"builds": builds}):
            yield row.claim_id, row.image
    if tags:
        for row in tx.execute(_WANTED_OF_TAGS, {"references": tags}):
            yield row.claim_id, row.image


def _settled(tx: Connection, row: Row[Any]) -> list[str] | None:
    """None while a tag is still to be written; else what was refused."""
    errors: list[str] = []
    for tag in tx.execute(_TAGS, {"of_claim": row.claim_id, "of_image": row.image}):
        if tag.digest != row.digest or tag.applied_sequence == tag.sequence:
            continue
        if not tag.refused:
            return None
        errors.append(f"tag {tag.tag} refused: {tag.refused}")
    return errors


def pending(tx: Connection, build_id: str) -> bool:
    """Whether a live claim of the build still waits for a tag."""
    return tx.execute(_PENDING, {"of_build": build_id}).first() is not None


def settled(tx: Connection, build_id: str) -> tuple[bool, tuple[str, ...]]:
    """Whether the tags of all live claims are settled, and what was refused."""
    query = (
        select(claim_image.c.tag_errors)
        .join(claim, claim.c.id == claim_image.c.claim_id)
        .where(claim_image.c.build_id == build_id, claim.c.state == "live")
        .order_by(claim.c.id)
    )
    errors = [error for text in tx.execute(query).scalars() for error in load(text)]
    return not pending(tx, build_id), tuple(dict.fromkeys(errors))


def forget(tx: Connection, claim_id: int, image: str) -> None:
    """Another build stands for the image: what the last one asked for is no longer waited for."""
    asked = and_(claim_tag.c.claim_id == claim_id, claim_tag.c.image == image)
    tx.execute(delete(claim_tag).where(asked))
