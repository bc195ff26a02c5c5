"""Values of the core as JSON text in columns, and rows as values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from typing import Any

from sqlalchemy import Row

from bot.core.builds import BuildState, CacheUse, Outcome, OutcomeClass, Place
from bot.core.events import Repository
from bot.core.ids import BuildId, Digest, ImageKey, RepositoryId, Sha, SourceName, Trust
from bot.core.plans import ClaimWish, PlannedImage, SequenceOrder, TagWish, VersionOrder
from bot.core.reports import Annotation, CommitStatus, Detail, Fork, StatusState
from bot.records import BuildRow, RepositoryRow


def dump(value: object) -> str:
    """Canonical and plain ASCII: no database has to hold a NUL or half a surrogate pair."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def load(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def plain(text: str, limit: int = 4000) -> str:
    """`text` as both databases hold it: no NUL, no lone surrogate, not over `limit` characters."""
    whole = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return whole if len(whole) <= limit else whole[: limit - 1] + "…"


def outcome_text(outcome: Outcome) -> str:
    place = outcome.place
    cache = outcome.cache
    return dump(
        {
            "state": outcome.state,
            "kind": outcome.kind,
            "message": outcome.message,
            "digest": outcome.digest,
            "size_bytes": outcome.size_bytes,
            "place": place and [place.file, place.line, place.instruction],
            "phases": dict(outcome.phases),
            "cache": list(astuple(cache)),
            "full": cache.full,
            "warnings": list(outcome.warnings),
            "notes": list(outcome.notes),
            "client": outcome.client,
            "daemon": outcome.daemon,
        }
    )


FULL_BUILD = '"full":true'
"""What stands in the text of an outcome that took no step from a cache. No text within it can look
like this: quotes in there are escaped."""


def outcome_value(text: str | None) -> Outcome | None:
    if text is None:
        return None
    data = load(text)
    return Outcome(
        state=BuildState(data["state"]),
        kind=OutcomeClass(data["kind"]),
        message=data["message"],
        digest=data["digest"],
        size_bytes=data["size_bytes"],
        place=Place(*data["place"]) if data["place"] else None,
        phases=data["phases"],
        cache=CacheUse(*data["cache"]),
        warnings=tuple(data["warnings"]),
        notes=tuple(data.get("notes", ())),
        client=data.get("client", ""),
        daemon=data.get("daemon", ""),
    )


def status_text(status: CommitStatus) -> str:
    told: dict[str, Any] = {
        "context": status.context,
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "ref": status.ref,
    }
    if status.fork is not None:
        told["fork"] = [status.fork.repository, status.fork.number]
    if status.detail is not None:
        told["detail"] = asdict(status.detail)
    return dump(told)


def status_value(text: str) -> CommitStatus:
    data = load(text)
    return CommitStatus(
        data["context"],
        StatusState(data["state"]),
        data["description"],
        data["target_url"],
        data["ref"],
        _detail(data.get("detail")),
        _fork(data.get("fork")),
    )


def _fork(data: Sequence[int] | None) -> Fork | None:
    return None if data is None else Fork(RepositoryId(data[0]), data[1])


def _detail(data: Mapping[str, Any] | None) -> Detail | None:
    if data is None:
        return None
    remarks = tuple(Annotation(**one) for one in data["annotations"])
    return Detail(**{**data, "annotations": remarks})


def wishes_text(tags: Sequence[TagWish]) -> str:
    return dump([_wish(tag) for tag in tags])


def _wish(tag: TagWish) -> dict[str, object]:
    match tag.order:
        case VersionOrder(version, key):
            order: list[str] | None = [version, key]
        case SequenceOrder():
            order = None
    return {"name": tag.name, "tag": tag.tag, "order": order, "withheld": tag.withheld}


def wishes_value(text: str) -> tuple[TagWish, ...]:
    return tuple(
        TagWish(
            tag["name"],
            tag["tag"],
            VersionOrder(*tag["order"]) if tag["order"] else SequenceOrder(),
            tag["withheld"],
        )
        for tag in load(text)
    )


def plan_text(image: PlannedImage) -> str:
    """What a build needs besides its recipe."""
    return dump(
        {
            "names": list(image.names),
            "cache_mode": image.cache_mode,
            "cache_from": list(image.cache_from),
            "refs": list(image.refs),
            "secrets": [list(secret) for secret in image.secrets],
            "needs": [
                {
                    "image": need.image,
                    "arg": need.arg,
                    "name": need.name,
                    "identity": need.identity,
                    "digest": need.digest,
                }
                for need in image.needs
            ],
            "timeout_seconds": image.timeout_seconds,
            "labels": dict(image.labels),
            "version": image.version,
            "renamed": dict(image.renamed),
        }
    )


def claim_wish(wish: ClaimWish) -> dict[str, Any]:
    """What a claim tells of itself beyond its builds. `images` only where none of them is built."""
    told: dict[str, Any] = {
        "mistakes": [
            {
                "file": mistake.file,
                "line": mistake.line,
                "column": mistake.column,
                "message": mistake.message,
                "hint": mistake.hint,
            }
            for mistake in wish.mistakes
        ],
        "waiting": wish.waiting,
        "nothing": wish.nothing,
        "skipped": [
            {"image": skipped.image, "why": skipped.why, "required": skipped.required}
            for skipped in wish.skipped
        ],
        "base_branch": wish.base_branch,
        "ref": wish.ref,
        "observe": wish.observe,
        "comment": wish.comment,
        "effect": list(wish.effect),
        "since": None if wish.since is None else asdict(wish.since),
        "fork": wish.fork,
    }
    if not buildable(wish):
        told["images"] = [
            {
                "image": image.image,
                "why": image.why,
                "required": image.required,
                "check_only": image.check_only,
                "tags": [_wish(tag) for tag in image.tags],
            }
            for image in wish.images
        ]
    return told


def buildable(wish: ClaimWish) -> bool:
    """Whether its images are built now: it neither waits for an approval nor only looks on."""
    return wish.waiting is None and not wish.observe


def repository_value(row: Row[Any]) -> RepositoryRow:
    return RepositoryRow(
        id=row.id,
        source=SourceName(row.source),
        repository=Repository(
            id=RepositoryId(row.host_id),
            path=row.path,
            default_branch=row.default_branch,
            clone_url=row.clone_url,
            web_url=row.web_url,
            private=row.private,
        ),
        swept_at=row.swept_at,
        heard_from=row.heard_from,
    )


def build_value(row: Row[Any]) -> BuildRow:
    """A row of `bot.store.builds.BUILD_ROWS`."""
    recipe: Mapping[str, object] = load(row.recipe)
    plan: Mapping[str, object] = load(row.plan)
    return BuildRow(
        id=BuildId(row.id),
        repository_id=row.repository_id,
        image=ImageKey(row.image),
        sha=Sha(row.sha),
        trust=Trust(row.trust),
        check_only=row.check_only,
        recipe=recipe,
        recipe_hash=row.recipe_hash,
        plan=plan,
        state=BuildState(row.state),
        attempt=row.attempt,
        reason=row.reason,
        withdrawn=row.withdrawn,
        outcome=outcome_value(row.outcome),
        digest=None if row.digest is None else Digest(row.digest),
        size_bytes=row.size_bytes,
        queued_at=row.queued_at,
        admitted_at=row.admitted_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        watched_until=row.watched_until,
        log_n=row.log_n or 0,
        fence=row.fence,
        generation=row.generation,
    )
