"""What the pages show, worked out of rows: plain values, so that templates decide nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from bot.core.builds import BuildState
from bot.core.outcomes import sentence
from bot.storage import BuildRow, ClaimView, RepositoryRow

_TONES = {
    BuildState.SUCCEEDED: "good",
    BuildState.FAILED: "bad",
    BuildState.ERROR: "bad",
    BuildState.CANCELLED: "idle",
    BuildState.SUPERSEDED: "idle",
}


@dataclass(frozen=True, slots=True)
class StepView:
    """`hit`: yes, no, unknown."""

    name: str
    line: int | None
    hit: str
    pulled_bytes: int | None
    seconds: float | None
    error: str


@dataclass(frozen=True, slots=True)
class WantedBy:
    """A claim of the build: what asked for it, and the tags that it gets there."""

    kind: str
    name: str
    why: str
    state: str
    tags: tuple[str, ...]
    notes: tuple[str, ...]
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildView:
    id: str
    image: str
    repository: str
    repository_url: str
    sha: str
    state: str
    tone: str
    final: bool
    text: str
    place: str
    digest: str | None
    size_bytes: int | None
    name: str
    check_only: bool
    queued_at: str
    seconds: float | None
    cache: str
    pulled_bytes: int | None
    first_miss: str | None
    phases: tuple[tuple[str, float], ...]
    warnings: tuple[str, ...]
    steps: tuple[StepView, ...]
    attempts: tuple[tuple[int, str], ...]
    wanted_by: tuple[WantedBy, ...]


@dataclass(frozen=True, slots=True)
class ReportView:
    """A claim as a page: what was planned for a commit, and every mistake of its config."""

    repository: str
    repository_url: str
    sha: str
    kind: str
    name: str
    event: str
    state: str
    text: str
    mistakes: tuple[str, ...]
    images: tuple[tuple[str, str, str, str], ...]
    skipped: tuple[tuple[str, str], ...]


def build_view(
    row: BuildRow,
    repository: RepositoryRow,
    claims: Sequence[ClaimView],
    steps: Sequence[Mapping[str, object]],
    attempts: Sequence[Mapping[str, object]],
    now: float,
) -> BuildView:
    outcome = row.outcome
    names = row.plan.get("names")
    began = row.started_at
    ended = row.ended_at if row.state.final else now
    return BuildView(
        id=row.id,
        image=row.image,
        repository=repository.repository.path,
        repository_url=repository.repository.web_url,
        sha=row.sha,
        state=row.state.value,
        tone=_TONES.get(row.state, "busy"),
        final=row.state.final,
        text=sentence(outcome) if outcome and row.state.final else row.reason,
        place=f"{outcome.place.file}:{outcome.place.line}" if outcome and outcome.place else "",
        digest=row.digest,
        size_bytes=row.size_bytes,
        name=str(names[0]) if isinstance(names, list | tuple) and names else "",
        check_only=row.check_only,
        queued_at=_stamp(row.queued_at),
        seconds=max(0.0, ended - began) if began and ended else None,
        cache=_cache(row),
        pulled_bytes=outcome.cache.pulled_bytes if outcome else None,
        first_miss=outcome.cache.first_miss if outcome else None,
        phases=tuple(outcome.phases.items()) if outcome else (),
        warnings=outcome.warnings if outcome else (),
        steps=_steps(steps),
        attempts=tuple(_attempt(attempt) for attempt in attempts),
        wanted_by=tuple(_wanted(claim, row) for claim in claims),
    )


def build_document(view: BuildView) -> dict[str, Any]:
    """The JSON of `GET /builds/<id>.json`; keys are only ever added."""
    return asdict(view)


def report_view(claim: ClaimView, repository: RepositoryRow) -> ReportView:
    mistakes = claim.wish.get("mistakes")
    skipped = claim.wish.get("skipped")
    return ReportView(
        repository=repository.repository.path,
        repository_url=repository.repository.web_url,
        sha=claim.sha,
        kind=claim.kind.value,
        name=claim.name,
        event=claim.event,
        state=claim.state,
        text=claim.text or str(claim.wish.get("waiting") or claim.wish.get("nothing") or ""),
        mistakes=tuple(_mistake(m) for m in mistakes) if isinstance(mistakes, list) else (),
        images=tuple((i.image, i.build.id, i.build.state.value, i.why) for i in claim.images),
        skipped=tuple((str(s.get("image")), str(s.get("why"))) for s in skipped)
        if isinstance(skipped, list)
        else (),
    )


def _mistake(mistake: Mapping[str, object]) -> str:
    place = str(mistake.get("file") or "")
    if mistake.get("line"):
        place += f":{mistake.get('line')}:{mistake.get('column')}"
    hint = f" ({mistake.get('hint')})" if mistake.get("hint") else ""
    return f"{place}: {mistake.get('message')}{hint}"


def _cache(row: BuildRow) -> str:
    cache = row.outcome.cache if row.outcome else None
    if cache is None or cache.hits is None or cache.steps is None:
        return "unknown" if row.state.final else ""
    return f"{cache.hits} of {cache.steps} steps"


def _steps(records: Sequence[Mapping[str, object]]) -> tuple[StepView, ...]:
    """BuildKit tells of a step again and again: the last word on each counts. What has no line in
    the Dockerfile is shown only where it failed or took its time."""
    last = {record.get("id"): record for record in records}
    shown = [
        step
        for step in (_step(record) for record in last.values())
        if step.line is not None or step.error or (step.seconds or 0.0) >= 1.0
    ]
    return tuple(sorted(shown, key=lambda step: step.line or 0))


def _step(step: Mapping[str, object]) -> StepView:
    hit, line, pulled, seconds = (
        step.get(key) for key in ("hit", "line", "pulled_bytes", "seconds")
    )
    return StepView(
        name=str(step.get("name") or ""),
        line=line if isinstance(line, int) else None,
        hit="yes" if hit is True else "no" if hit is False else "unknown",
        pulled_bytes=pulled if isinstance(pulled, int) else None,
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        error=str(step.get("error") or ""),
    )


def _attempt(attempt: Mapping[str, object]) -> tuple[int, str]:
    number = attempt.get("number")
    outcome = attempt.get("outcome")
    text = str(outcome.get("message") or "") if isinstance(outcome, Mapping) else ""
    return (number if isinstance(number, int) else 0, text)


def _wanted(claim: ClaimView, row: BuildRow) -> WantedBy:
    mine = [image for image in claim.images if image.build.id == row.id]
    return WantedBy(
        kind=claim.kind.value,
        name=claim.name,
        why="; ".join(image.why for image in mine),
        state=claim.state,
        tags=tuple(tag.reference for image in mine for tag in image.tags if not tag.withheld),
        notes=tuple(note for image in mine for note in image.notes),
        errors=tuple(error for image in mine for error in image.tag_errors),
    )


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
