"""What the pages show, worked out of rows: plain values, so that templates decide nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from bot.core.builds import BuildState, Outcome
from bot.core.logtext import plain
from bot.core.outcomes import sentence
from bot.core.steps import StepView, steps_shown
from bot.records import (
    BuildRow,
    ClaimImageView,
    ClaimView,
    RepositoryRow,
)

T = TypeVar("T")

_TONES = {
    BuildState.SUCCEEDED: "good",
    BuildState.FAILED: "bad",
    BuildState.ERROR: "bad",
    BuildState.CANCELLED: "idle",
    BuildState.SUPERSEDED: "idle",
}


_PHASES = ("fetch", "preflight", "wait", "build", "verify")


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
    page: str
    """Id of the claim's own page, `/reports/<page>`."""
    delivery: str
    """Id of the page of the delivery that it came from, `/deliveries/<id>`; may be empty."""


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
    miss_why: str | None
    built_with: str
    phases: tuple[tuple[str, float], ...]
    warnings: tuple[str, ...]
    steps: tuple[StepView, ...]
    attempts: tuple[tuple[int, str], ...]
    wanted_by: tuple[WantedBy, ...]
    cache_hits: int | None
    cache_steps: int | None


@dataclass(frozen=True, slots=True)
class MistakeView:
    """`line` and `column` count from 1; None where the whole file is meant."""

    file: str
    line: int | None
    column: int | None
    message: str
    hint: str

    @property
    def place(self) -> str:
        numbers = (str(n) for n in (self.line, self.column) if n is not None)
        return ":".join((self.file, *numbers))


@dataclass(frozen=True, slots=True)
class PlannedView:
    """An image of a claim, with its build."""

    image: str
    build: str
    state: str
    tone: str
    why: str


@dataclass(frozen=True, slots=True)
class SkippedView:
    image: str
    why: str


@dataclass(frozen=True, slots=True)
class ReportView:
    """A claim as a page: what was planned for a commit, and every mistake of its config."""

    repository: str
    repository_url: str
    sha: str
    kind: str
    name: str
    event: str
    title: str
    state: str
    text: str
    mistakes: tuple[MistakeView, ...]
    images: tuple[PlannedView, ...]
    skipped: tuple[SkippedView, ...]
    delivery: str
    since: str = ""
    """The commit of the request that was approved before, and where the host shows what changed."""
    since_url: str = ""


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
        repository_url=_address(repository.repository.web_url),
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
        miss_why=outcome.cache.why if outcome else None,
        built_with=_built_with(outcome) if outcome else "",
        phases=_in_order(outcome.phases) if outcome else (),
        warnings=outcome.warnings if outcome else (),
        steps=steps_shown(steps),
        attempts=tuple(_attempt(attempt) for attempt in attempts),
        wanted_by=tuple(_wanted(claim, row) for claim in claims),
        cache_hits=outcome.cache.hits if outcome else None,
        cache_steps=outcome.cache.steps if outcome else None,
    )


def build_document(view: BuildView) -> dict[str, Any]:
    """The JSON of `GET /builds/<id>.json`; keys are only ever added."""
    return asdict(view)


def report_view(claim: ClaimView, repository: RepositoryRow) -> ReportView:
    wish, since = claim.wish, claim.wish.get("since")
    since = since if isinstance(since, Mapping) else {}
    return ReportView(
        repository=repository.repository.path,
        repository_url=_address(repository.repository.web_url),
        sha=claim.sha,
        kind=claim.kind.value,
        name=claim.name,
        event=claim.event,
        title=_title(claim),
        state=claim.state,
        text=claim.text or str(wish.get("waiting") or wish.get("nothing") or ""),
        mistakes=tuple(_mistake(each) for each in _rows(wish.get("mistakes"))),
        images=tuple(_planned(image) for image in claim.images),
        skipped=tuple(
            SkippedView(str(each.get("image") or ""), str(each.get("why") or ""))
            for each in _rows(wish.get("skipped"))
        ),
        delivery=claim.delivery,
        since=str(since.get("approved") or ""),
        since_url=_address(str(since.get("url") or "")),
    )


def report_document(view: ReportView) -> dict[str, Any]:
    """The JSON of `GET /reports/<id>.json`; keys are only ever added."""
    return asdict(view)


def visible(value: T) -> T:
    """The same view with every character to be seen: names of branches, images and files may hold
    controls and marks that turn the direction of text around."""
    shown: Any = value
    match value:
        case str():
            shown = plain(value)
        case tuple():
            shown = tuple(visible(each) for each in value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            changed = {f.name: visible(getattr(value, f.name)) for f in fields(value)}
            shown = replace(value, **changed)
    return shown  # type: ignore[no-any-return]  # what came in, rebuilt


def _rows(value: object) -> list[Mapping[str, object]]:
    """Of JSON that should be a list of objects: those that are."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _title(claim: ClaimView) -> str:
    """ "push of branch main", "tag v1.2.3"."""
    ref = f"{claim.kind.value} {claim.name}"
    return ref if claim.event == claim.kind.value else f"{claim.event} of {ref}"


def _address(url: str) -> str:
    """Fit for a link; else nothing. It came in a payload."""
    return url if url.startswith(("https://", "http://")) else ""


def _planned(image: ClaimImageView) -> PlannedView:
    state = image.build.state
    return PlannedView(
        image.image, image.build.id, state.value, _TONES.get(state, "busy"), image.why
    )


def _mistake(mistake: Mapping[str, object]) -> MistakeView:
    line, column = (mistake.get(key) for key in ("line", "column"))
    return MistakeView(
        file=str(mistake.get("file") or ""),
        line=line if isinstance(line, int) else None,
        column=column if isinstance(column, int) else None,
        message=str(mistake.get("message") or ""),
        hint=str(mistake.get("hint") or ""),
    )


def _cache(row: BuildRow) -> str:
    cache = row.outcome.cache if row.outcome else None
    if cache is None or cache.hits is None or cache.steps is None:
        return "unknown" if row.state.final else ""
    return f"{cache.hits} of {cache.steps} steps"


def _built_with(outcome: Outcome) -> str:
    daemon = f"dockerd {outcome.daemon}" if outcome.daemon else ""
    return ", ".join(part for part in (daemon, outcome.client) if part)


def _in_order(phases: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """As they came; what the builder may add later stands last."""
    known = [name for name in _PHASES if name in phases]
    return tuple((name, phases[name]) for name in [*known, *sorted(set(phases) - set(known))])


def _attempt(attempt: Mapping[str, object]) -> tuple[int, str]:
    number = attempt.get("number")
    outcome = attempt.get("outcome")
    text = str(outcome.get("message") or "") if isinstance(outcome, Mapping) else ""
    return (number if isinstance(number, int) else 0, text.partition("\n")[0])


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
        page=claim.page,
        delivery=claim.delivery,
    )


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
