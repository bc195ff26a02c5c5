"""Results of images as rows: what was built, how large, how long, against what was before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from bot.core.ids import BuildId, ImageKey
from bot.core.markdown import code, codes, link, table
from bot.core.outcomes import span
from bot.core.reports import StatusState
from bot.core.reports_images import ImageState
from bot.core.reports_rows import ImageLike
from bot.core.reports_texts import megabytes

IMAGES: Final = 50
BAD: Final = (StatusState.FAILURE, StatusState.ERROR)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one build is compared with. `median_seconds`: of the successes before it; `base_bytes`:
    the compressed size that the target branch had."""

    median_seconds: float | None = None
    base_bytes: int | None = None


def result_table(
    states: Sequence[ImageState],
    views: Mapping[ImageKey, ImageLike],
    compared: Mapping[BuildId, Measured],
    url: str,
) -> str:
    rows = [_row(state, views[state.image], compared, url) for state in states[:IMAGES]]
    if not rows:
        return ""
    shown = table(("image", "result", "tags", "digest", "#size", "#time", "#cache"), rows)
    left = len(states) - IMAGES
    return shown if left <= 0 else f"{shown}\n\n{left} more images are on the report's page."


def notes(states: Sequence[ImageState], views: Mapping[ImageKey, ImageLike]) -> str:
    """What a success has to tell besides, of its cache above all."""
    lines = [
        f"- {code(state.image)}: {code(note)}"
        for state in states[:IMAGES]
        if state.final and (outcome := views[state.image].build.outcome)
        for note in outcome.notes
    ]
    return "\n".join(lines)


def _row(
    state: ImageState, view: ImageLike, compared: Mapping[BuildId, Measured], url: str
) -> list[str]:
    page = f"{url}/builds/{state.build}" if state.build else None
    name = link(code(state.image), page)
    outcome = view.build.outcome
    if not state.final or outcome is None or state.state is not StatusState.SUCCESS:
        return [name, _result(state), "", "", "", "", ""]
    measured = compared.get(view.build.id, Measured())
    pushed = not view.build.check_only
    tags = [tag.tag for tag in view.tags if tag.withheld is None]
    cache = outcome.cache
    return [
        name,
        _result(state) if pushed else "built, not pushed",
        codes(dict.fromkeys(tags), 3) if pushed else "",
        code(outcome.digest.removeprefix("sha256:")[:12]) if pushed and outcome.digest else "",
        _size(outcome.size_bytes, measured.base_bytes) if pushed else "",
        _time(view, measured.median_seconds),
        "" if cache.hits is None or not cache.steps else f"{cache.hits}/{cache.steps}",
    ]


def _result(state: ImageState) -> str:
    match state.state:
        case StatusState.PENDING:
            return "queued"
        case StatusState.RUNNING:
            return "building"
        case StatusState.SUCCESS:
            # Of a success without a build (`/skip`) the text is all there is.
            return "built" if state.build and (state.text or "").startswith("ok") else _said(state)
        case StatusState.FAILURE | StatusState.ERROR:
            return f"**failed** {_said(state)}"
        case StatusState.CANCELLED:
            return _said(state)
    assert_never(state.state)


def _said(state: ImageState) -> str:
    return code(state.text or str(state.state), 200)


def _size(size: int | None, base: int | None) -> str:
    if size is None:
        return ""
    if base is None:
        return megabytes(size)
    if size == base:
        return f"{megabytes(size)} (±0)"
    sign = "+" if size > base else "-"
    return f"{megabytes(size)} ({sign}{megabytes(abs(size - base))})"


def _time(view: ImageLike, median: float | None) -> str:
    build = view.build
    if build.started_at is None or build.ended_at is None:
        return ""
    took = span(max(0.0, build.ended_at - build.started_at))
    return took if median is None else f"{took} (median {span(median)})"
