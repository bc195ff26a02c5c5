"""What the page of a delivery shows: what came, what it meant, and why, image by image."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from bot.core.rulings import read_rulings, word
from bot.records import DeliveryView
from bot.web.views import SkippedView

_BUILDS = 200


@dataclass(frozen=True, slots=True)
class RuleShown:
    """`word`: yes, no, or - where the rule does not decide."""

    rule: str
    word: str
    why: str


@dataclass(frozen=True, slots=True)
class ImageShown:
    """`verdict`: build or skip."""

    image: str
    verdict: str
    why: str
    tags: tuple[str, ...]
    rules: tuple[RuleShown, ...]


@dataclass(frozen=True, slots=True)
class ClaimShown:
    """What the delivery asked for, and the page of its report."""

    title: str
    page: str


@dataclass(frozen=True, slots=True)
class DeliveryShown:
    delivery: str
    source: str
    event: str
    repository: str
    received_at: str
    handled_at: str
    seen: int
    state: str
    reason: str
    about: tuple[tuple[str, str], ...]
    note: str
    images: tuple[ImageShown, ...]
    mistakes: tuple[str, ...]
    withdrawn: tuple[SkippedView, ...]
    claims: tuple[ClaimShown, ...]
    replayable: bool


def delivery_view(row: DeliveryView) -> DeliveryShown:
    plan = _document(row.plan)
    return DeliveryShown(
        delivery=row.delivery,
        source=row.source,
        event=row.event,
        repository=row.repository,
        received_at=_stamp(row.received_at),
        handled_at=_stamp(row.handled_at) if row.handled_at is not None else "",
        seen=row.seen,
        state=row.state,
        reason=row.reason,
        about=tuple((k, _text(v)) for k, v in _mapping(plan.get("event")).items() if v is not None),
        note=str(plan.get("note") or ""),
        images=_images(plan),
        mistakes=tuple(_mistake(one) for one in _rows(plan.get("mistakes"))),
        withdrawn=tuple(
            SkippedView(str(one.get("ref") or ""), str(one.get("text") or ""))
            for one in _rows(plan.get("withdrawn"))
        ),
        claims=tuple(ClaimShown(title, page) for title, page in row.claims),
        replayable=row.has_body,
    )


def delivery_document(view: DeliveryShown) -> dict[str, Any]:
    """The JSON of `GET /deliveries/<id>.json`; keys are only ever added."""
    return asdict(view)


def _images(plan: Mapping[str, Any]) -> tuple[ImageShown, ...]:
    rules = {
        image: tuple(RuleShown(one.rule, word(one), one.why) for one in found)
        for image, found in read_rulings(plan.get("rules")).items()
    }
    shown = []
    for verdict, key in (("build", "builds"), ("skip", "skipped")):
        for one in _rows(plan.get(key))[:_BUILDS]:
            image, tags = str(one.get("image") or ""), one.get("tags")
            shown.append(
                ImageShown(
                    image,
                    verdict,
                    str(one.get("why") or ""),
                    tuple(map(str, tags)) if isinstance(tags, list) else (),
                    rules.get(image, ()),
                )
            )
    return tuple(shown)


def _text(value: object) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _mistake(one: Mapping[str, Any]) -> str:
    place = f"{one.get('file')}:{one.get('line')}" if one.get("line") else str(one.get("file"))
    return f"{place} {one.get('message')}"


def _document(text: str | None) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(text or "{}"))
    except ValueError:
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: object) -> Sequence[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
