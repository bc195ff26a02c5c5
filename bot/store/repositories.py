"""Repositories, and what their refs and requests pointed at when the host was last asked.

Order of heads: each sighting of a new head takes the repository's next *even* number. A commit that
the host never showed as head (it had moved on when we asked) stands one below the head of its ref,
so it never takes a tag from that head, and no other ref has the same number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import BindParameter, Connection, bindparam, exists, func, or_, select, update

from bot.core.builds import FINAL
from bot.core.events import Repository
from bot.core.facts import LiveClaim
from bot.core.ids import Digest, ImageKey, Sha, SourceName, Trust
from bot.core.plans import ClaimKind, ClaimWish, claim_key, ref_key
from bot.records import (
    LeasedRepository,
    LeaseLost,
    RefRow,
    RepositoryRow,
    RepositoryState,
    StaleFacts,
)
from bot.store import schema
from bot.store.leases import NOW, give_back, held, take, taking
from bot.store.rows import FULL_BUILD, load, plain, repository_value
from bot.store.schema import build, claim, claim_image, path_base, ref_state, repository
from bot.store.schema_talk import approval
from bot.store.upserts import upsert

STEP = 2
FINISHED_CLAIMS = 200
"""How many claims with nothing left to do a plan is shown, newest first."""


def find(tx: Connection, source: SourceName, host_id: int) -> RepositoryRow | None:
    query = select(repository).where(repository.c.source == source, repository.c.host_id == host_id)
    row = tx.execute(query).first()
    return None if row is None else repository_value(row)


def put(tx: Connection, source: SourceName, found: Repository) -> RepositoryRow:
    values = {
        "path": found.path,
        "default_branch": found.default_branch,
        "clone_url": found.clone_url,
        "web_url": found.web_url,
        "private": found.private,
    }
    insert = upsert(tx, repository).values(source=source, host_id=found.id, **values)
    query = insert.on_conflict_do_update(index_elements=["source", "host_id"], set_=values)
    return repository_value(tx.execute(query.returning(*repository.c)).one())


_FREE = taking(
    repository, (repository.c.id == bindparam("row_id"), repository.c.lease_until <= NOW)
)
_ALL = select(repository).order_by(repository.c.id)


def listing(tx: Connection, source: SourceName | None) -> Sequence[RepositoryRow]:
    query = _ALL
    if source is not None:
        query = query.where(repository.c.source == source)
    return [repository_value(row) for row in tx.execute(query)]


def lease(tx: Connection, row_id: int, now: float, lease_seconds: float) -> LeasedRepository | None:
    for row in take(tx, _FREE, now, lease_seconds, 1, row_id=row_id):
        return LeasedRepository(repository_value(row), row.fence)
    return None


def release(tx: Connection, leased: LeasedRepository) -> None:
    """A lease that somebody else took over by now is theirs to give back."""
    query = update(repository).where(
        repository.c.id == leased.row.id, held(repository, leased.fence)
    )
    tx.execute(query.values(give_back()))


_OWNER: BindParameter[int] = bindparam("row_id")
_VERSION = select(repository.c.refs_version).where(repository.c.id == _OWNER)
_REFS = select(ref_state).where(ref_state.c.repository_id == _OWNER)
_BASES = select(path_base).where(path_base.c.repository_id == _OWNER)
_APPROVALS = select(approval).where(approval.c.repository_id == _OWNER)


def state(tx: Connection, row_id: int) -> RepositoryState:
    this = {"row_id": row_id}
    bases = tx.execute(_BASES, this)
    return RepositoryState(
        version=tx.execute(_VERSION, this).scalar_one(),
        refs={row.key: RefRow(row.sha, row.sequence) for row in tx.execute(_REFS, this)},
        bases={(row.ref, ImageKey(row.image)): Sha(row.sha) for row in bases},
        claims=_live_claims(tx, row_id),
        approvals=_approvals(tx, row_id),
    )


def _approvals(tx: Connection, row_id: int) -> dict[tuple[str, Sha], float]:
    rows = tx.execute(_APPROVALS, {"row_id": row_id})
    return {(f"request/{row.number}", Sha(row.sha)): float(row.until) for row in rows}


_UNFINISHED = exists().where(
    claim_image.c.claim_id == claim.c.id,
    claim_image.c.build_id == build.c.id,
    build.c.state.not_in([str(final) for final in FINAL]),
)
_LIVE = select(claim.c.id, claim.c.kind, claim.c.name, claim.c.sha, claim.c.sequence).where(
    claim.c.repository_id == _OWNER, claim.c.state == "live"
)
_BUSY = _LIVE.where(_UNFINISHED)
_FINISHED = _LIVE.where(~_UNFINISHED).order_by(claim.c.id.desc()).limit(FINISHED_CLAIMS)


def _live_claims(tx: Connection, row_id: int) -> tuple[LiveClaim, ...]:
    """Oldest first: all that have something left to do, and the newest of the others."""
    rows = [(row, True) for row in tx.execute(_BUSY, {"row_id": row_id})]
    rows += [(row, False) for row in tx.execute(_FINISHED, {"row_id": row_id})]
    return tuple(
        LiveClaim(row.id, ClaimKind(row.kind), row.name, Sha(row.sha), row.sequence, is_busy)
        for row, is_busy in sorted(rows, key=lambda found: int(found[0].id))
    )


def lock(tx: Connection, leased: LeasedRepository, version: int | None = None) -> None:
    """Nobody else plans for this repository until the transaction ends.

    Raises LeaseLost, and StaleFacts where `version` is given and is not the current one.
    """
    query = select(repository.c.fence, repository.c.refs_version).where(
        repository.c.id == leased.row.id
    )
    row = tx.execute(query.with_for_update()).one()
    if row.fence != leased.fence:
        raise LeaseLost(leased.row.repository.path)
    if version is not None and row.refs_version != version:
        raise StaleFacts(leased.row.repository.path)


def touch(tx: Connection, row_id: int) -> None:
    """What plans depend on changed."""
    query = update(repository).where(repository.c.id == row_id)
    tx.execute(query.values(refs_version=repository.c.refs_version + 1))


def next_sequence(tx: Connection, row_id: int) -> int:
    query = update(repository).where(repository.c.id == row_id)
    values = {"sequence": repository.c.sequence + STEP}
    return int(tx.execute(query.values(values).returning(repository.c.sequence)).scalar_one())


def see(tx: Connection, row_id: int, refs: Mapping[str, Sha | None], now: float) -> bool:
    """Record what refs point at; whether any of it was new."""
    known = _known(tx, row_id, refs)
    changed = False
    for key, sha in refs.items():
        before = known.get(key)
        if (before.sha if before else None) == sha:
            continue
        changed = True
        # A ref that is gone keeps its number: its last head still owns what it was given.
        sequence = before.sequence if sha is None and before else next_sequence(tx, row_id)
        values = {"sha": sha, "sequence": sequence, "seen_at": now}
        insert = upsert(tx, ref_state).values(repository_id=row_id, key=key, **values)
        tx.execute(
            insert.on_conflict_do_update(index_elements=["repository_id", "key"], set_=values)
        )
    return changed


def _known(tx: Connection, row_id: int, refs: Mapping[str, Sha | None]) -> dict[str, RefRow]:
    known: dict[str, RefRow] = {}
    keys = list(refs)
    for start in range(0, len(keys), 500):  # SQLite and PostgreSQL limit the number of parameters
        query = select(ref_state).where(
            ref_state.c.repository_id == row_id, ref_state.c.key.in_(keys[start : start + 500])
        )
        known |= {row.key: RefRow(row.sha, row.sequence) for row in tx.execute(query)}
    return known


def sequence_of(tx: Connection, row_id: int, wish: ClaimWish) -> int:
    """Where a commit of a ref stands in the order of heads (see above). One of the past that was
    never seen as head stands before all of them."""
    kind, name, sha = wish.kind, wish.name, wish.sha
    head = _known(tx, row_id, {ref_key(kind, name): sha}).get(ref_key(kind, name))
    if head is not None and head.sha == sha:
        return head.sequence
    if head is None and not wish.past:
        return next_sequence(tx, row_id)
    earlier = select(func.max(claim.c.sequence)).where(
        claim.c.repository_id == row_id,
        claim.c.kind == kind,
        claim.c.name == name,
        claim.c.sha == sha,
    )
    recorded = tx.execute(earlier).scalar_one()
    if recorded is not None:
        return int(recorded)
    return 0 if head is None or wish.past else head.sequence - 1


def record_refs(
    tx: Connection, leased: LeasedRepository, refs: Mapping[str, Sha | None], now: float, note: str
) -> None:
    lock(tx, leased)
    if see(tx, leased.row.id, refs, now):
        touch(tx, leased.row.id)
        entry = {"at": now, "kind": "refs", "repository_id": leased.row.id, "text": plain(note)}
        tx.execute(schema.journal.insert().values(entry))


def swept(tx: Connection, leased: LeasedRepository, now: float) -> None:
    query = update(repository).where(
        repository.c.id == leased.row.id, held(repository, leased.fence)
    )
    heard_from = func.coalesce(repository.c.heard_from, now)
    if tx.execute(query.values(swept_at=now, heard_from=heard_from)).rowcount != 1:
        raise LeaseLost(leased.row.repository.path)


def move_base(
    tx: Connection, row_id: int, ref: str, image: ImageKey, sha: Sha, sequence: int
) -> None:
    """Forward only: an older head that ends later changes nothing."""
    insert = upsert(tx, path_base).values(
        repository_id=row_id, ref=ref, image=image, sha=sha, sequence=sequence
    )
    tx.execute(
        insert.on_conflict_do_update(
            index_elements=["repository_id", "ref", "image"],
            set_={"sha": sha, "sequence": sequence},
            where=path_base.c.sequence <= sequence,
        )
    )


_DIGESTS = (
    select(build.c.plan, build.c.digest)
    .join(claim_image, claim_image.c.build_id == build.c.id)
    .join(claim, claim.c.id == claim_image.c.claim_id)
    .where(
        claim.c.repository_id == _OWNER,
        claim_image.c.image == bindparam("image_key"),
        build.c.state.in_(["tagging", "succeeded"]),
        build.c.digest.is_not(None),
        or_(build.c.trust == Trust.TRUSTED, build.c.trust == bindparam("asker")),
    )
    .order_by(claim.c.sequence.desc(), build.c.queued_at.desc(), build.c.generation.desc())
    .limit(1)
)
_OF_REF = (claim.c.kind == bindparam("ref_kind"), claim.c.name == bindparam("ref_name"))
_FULL = build.c.outcome.contains(FULL_BUILD, autoescape=True)
_NEWEST_DIGEST = {
    # by (of one ref, full)
    (False, False): _DIGESTS,
    (False, True): _DIGESTS.where(_FULL),
    (True, False): _DIGESTS.where(*_OF_REF),
    (True, True): _DIGESTS.where(*_OF_REF, _FULL),
}


def last_digest(
    tx: Connection,
    row_id: int,
    image: ImageKey,
    trust: Trust,
    refs: Sequence[str],
    *,
    full: bool,
) -> tuple[str, Digest] | None:
    """Trusted code is given trusted results only; untrusted code may read both. No refs: any."""
    about: dict[str, object] = {"row_id": row_id, "image_key": image, "asker": trust}
    for ref in refs or (None,):
        if ref is not None:
            about["ref_kind"], about["ref_name"] = claim_key(ref)
        row = tx.execute(_NEWEST_DIGEST[ref is not None, full], about).first()
        if row is not None:
            return load(row.plan)["names"][0], Digest(row.digest)
    return None
