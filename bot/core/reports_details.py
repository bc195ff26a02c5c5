"""What a check run shows beyond its one line: the steps, the last lines of the log, the places to
mend. Until the end nothing of it changes, so that it is no write more than a status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from bot.core.builds import BuildState, CacheUse, Outcome
from bot.core.ids import BuildId, ImageKey
from bot.core.logtext import plain
from bot.core.markdown import code, codes, fence, fitting, link, table, tail
from bot.core.naming import status_context
from bot.core.outcomes import sentence, span
from bot.core.reports import SUMMARY, Annotation, CommitStatus, Detail, StatusState
from bot.core.reports_rows import (
    ClaimLike,
    ImageLike,
    Rendered,
    ReportLike,
    by_word,
    live_claims,
)
from bot.core.reports_texts import megabytes
from bot.core.steps import StepView

ANNOTATIONS: Final = 200
STEPS: Final = 100
IMAGES: Final = 100
LOG_LINES: Final = 60
_LOG_BYTES: Final = 16_000
_MESSAGE: Final = 2000
_TITLE: Final = 255
"""Characters: https://docs.github.com/rest/checks/runs"""
_PATH: Final = 1000
"""Bytes."""
_LINES: Final = 1_000_000

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the store holds of one ended build: its steps, and the last lines of its log."""

    steps: tuple[StepView, ...] = ()
    log: tuple[str, ...] = ()


def images_of(report: ReportLike) -> dict[ImageKey, ImageLike]:
    """Each image once: as the newest live claim has it, else as the newest other one."""
    found: dict[ImageKey, ImageLike] = {}
    for claim in by_word(report.claims):
        for view in claim.images:
            found.setdefault(view.image, view)
    return found


def wants_evidence(view: ImageLike) -> bool:
    """A build that ended and was not taken back has something to show."""
    return view.build.state in (BuildState.SUCCEEDED, BuildState.FAILED, BuildState.ERROR)


def with_details(
    report: ReportLike, rendered: Rendered, evidence: Mapping[BuildId, Evidence], url: str
) -> Rendered:
    """The rendered statuses as check runs show them. `url`: the bot's public address."""
    views = {
        f"{status_context(image)}{report.family}": view for image, view in images_of(report).items()
    }
    everything = [status for status, _ in rendered.statuses]
    detailed = []
    for status, final in rendered.statuses:
        view = views.get(status.context)
        if status.context == f"{status_context()}{report.family}":
            detail = _aggregate(report, status, everything if final else (), url)
        elif view is None:
            detail = Detail(status.context, code(status.description))
        else:
            detail = _image(status, final, view, evidence.get(view.build.id, Evidence()))
        detailed.append((replace(status, detail=detail), final))
    return replace(rendered, statuses=tuple(detailed))


# -- one image -------------------------------------------------------------------------------


def _image(status: CommitStatus, final: bool, view: ImageLike, evidence: Evidence) -> Detail:
    build = view.build
    page = link("the build's page", status.target_url)
    if not final or not wants_evidence(view) or build.outcome is None:
        parts = [_wanted(view), page]
        started = None if status.state is StatusState.PENDING else build.started_at
        ended = build.ended_at if final else None
        return Detail(build.id, fitting(parts, SUMMARY, ""), (), started, ended)
    failed = build.state is not BuildState.SUCCEEDED
    parts = [
        code(sentence(build.outcome), _MESSAGE) if failed else "",
        result(view),
        _warnings(build.outcome),
        step_table(evidence.steps),
        log_tail(evidence.log) if failed else "",
        f"{page}, with the whole log",
    ]
    summary = fitting(parts, SUMMARY, page)
    return Detail(build.id, summary, _failing(build.outcome), build.started_at, build.ended_at)


def _wanted(view: ImageLike) -> str:
    tags = codes((tag.reference for tag in view.tags if tag.withheld is None), 10)
    return "\n".join(
        [
            f"- why: {code(view.why, _MESSAGE)}" if view.why else "",
            f"- tags: {tags}" if tags else "",
        ]
    ).strip()


def result(view: ImageLike) -> str:
    """Tags, digest, size and cache of a build, a line each."""
    build, outcome = view.build, view.build.outcome
    if outcome is None:
        return ""
    lines = []
    tags = [tag.reference for tag in view.tags if tag.withheld is None]
    if build.state is BuildState.SUCCEEDED and not build.check_only and tags:
        lines.append(f"- tags: {codes(tags, 20)}")
    if outcome.digest and not build.check_only:
        lines.append(f"- digest: {code(outcome.digest)}")
    if outcome.size_bytes is not None:
        lines.append(f"- size: {megabytes(outcome.size_bytes)}, compressed")
    if outcome.cache.hits is not None and outcome.cache.steps:
        lines.append(f"- cache: {_cache(outcome.cache)}")
    if outcome.phases:
        phases = ", ".join(f"{code(name)} {span(s)}" for name, s in sorted(outcome.phases.items()))
        lines.append(f"- time: {phases}")
    held = [tag.withheld for tag in view.tags if tag.withheld is not None]
    lines += [f"- {code(note)}" for note in [*held, *view.notes, *view.tag_errors]]
    return "\n".join(lines)


def _cache(use: CacheUse) -> str:
    first = f"; first miss: {code(use.first_miss)}" if use.first_miss else ""
    why = f" ({code(use.why)})" if use.first_miss and use.why else ""
    return f"{use.hits} of {use.steps} steps{first}{why}"


def _warnings(outcome: Outcome) -> str:
    return "\n".join(f"- warning: {code(one)}" for one in outcome.warnings[:20])


def step_table(steps: Sequence[StepView]) -> str:
    """One row a step; those that failed are kept where there are too many."""
    kept = [*steps[:STEPS], *(step for step in steps[STEPS:] if step.error)][: STEPS + 10]
    if not kept:
        return ""
    words = {"yes": "hit", "no": "built"}
    rows = [
        [
            str(step.line or ""),
            code(step.name, 120),
            "**failed**" if step.error else words.get(step.hit, "unknown"),
            "" if step.seconds is None else f"{step.seconds:.1f} s",
        ]
        for step in kept
    ]
    shown = table(("#line", "step", "cache", "#time"), rows)
    left = len(steps) - len(kept)
    return f"{shown}\n\n{left} more steps are on the build's page." if left > 0 else shown


def log_tail(lines: Sequence[str], most: int = LOG_LINES) -> str:
    """The last lines of a log as a block."""
    shown = tail(lines, most, _LOG_BYTES)
    return f"The last lines of the log:\n\n{fence(shown)}" if shown else ""


def _failing(outcome: Outcome) -> tuple[Annotation, ...]:
    place = outcome.place
    if place is None:
        return ()
    return _remark(
        place.file, place.line, sentence(outcome), f"{place.instruction or 'build'} failed"
    )


def _remark(file: str, line: int, message: str, title: str) -> tuple[Annotation, ...]:
    """None where a host could not take it for a line of a file of the repository: the builder is
    not to be trusted, and GitHub refuses all of a check run for one annotation."""
    path = PurePosixPath(file[: _PATH + 1])
    inside = path.parts and not path.is_absolute() and ".." not in path.parts
    if not inside or not str(path).isprintable() or len(str(path).encode()) > _PATH:
        return ()
    if not 1 <= line <= _LINES:
        return ()
    shown = "\n".join(plain(one) for one in message[:_MESSAGE].split("\n"))
    name = " ".join(plain(title[:_TITLE]).split())
    return (Annotation(str(path), line, shown[:_MESSAGE], name[:_TITLE]),)


# -- the aggregate ---------------------------------------------------------------------------


def _aggregate(
    report: ReportLike, status: CommitStatus, results: Sequence[CommitStatus], url: str
) -> Detail:
    """`results`: the statuses of all contexts at the end; before it, what is planned."""
    claims = live_claims(report.claims) or report.claims[:1]
    wrong = [row for claim in claims for row in rows_of(claim.wish.get("mistakes"))]
    skipped = [row for claim in claims for row in rows_of(claim.wish.get("skipped"))]
    parts = [
        _mistakes(wrong),
        _results(results) or _planned(report, url),
        _skipped(skipped),
        *(since_text(claim) for claim in claims),
        *(effect_text(claim) for claim in claims),
        link("the report's page", status.target_url),
    ]
    summary = fitting(parts, SUMMARY, link("the report's page holds the rest", status.target_url))
    return Detail(status.context, summary or code(status.description), _annotations(wrong))


def _results(statuses: Sequence[CommitStatus]) -> str:
    rows = [
        [link(code(one.context), one.target_url), str(one.state), code(one.description)]
        for one in statuses
        if "/" in one.context
    ]
    return _cut(table(("image", "result", ""), rows[:IMAGES]), len(rows)) if rows else ""


def _planned(report: ReportLike, url: str) -> str:
    rows = [
        [link(code(image), f"{url}/builds/{view.build.id}"), code(view.why)]
        for image, view in images_of(report).items()
    ]
    return _cut(table(("image", "why"), rows[:IMAGES]), len(rows)) if rows else ""


def _skipped(skipped: Sequence[Row]) -> str:
    unique = {str(row.get("image")): str(row.get("why")) for row in skipped}
    rows = [[code(image), code(why)] for image, why in unique.items()]
    return _cut(table(("not built", "why"), rows[:IMAGES]), len(rows)) if rows else ""


def _cut(shown: str, count: int) -> str:
    left = count - IMAGES
    return shown if left <= 0 else f"{shown}\n\n{left} more are on the report's page."


def _mistakes(wrong: Sequence[Row]) -> str:
    if not wrong:
        return ""
    lines = [f"- {code(_spot(row))} {code(str(row.get('message')), _MESSAGE)}" for row in wrong]
    left = len(lines) - ANNOTATIONS
    more = [f"- and {left} more"] if left > 0 else []
    return "\n".join(["Nothing was built:", "", *lines[:ANNOTATIONS], *more])


def _spot(row: Row) -> str:
    line, column = row.get("line"), row.get("column")
    return f"{row.get('file')}:{line}:{column}" if line else str(row.get("file"))


def _annotations(wrong: Iterable[Row]) -> tuple[Annotation, ...]:
    found: list[Annotation] = []
    for row in wrong:
        line = row.get("line")
        if isinstance(line, int):
            hint = f"\n{row.get('hint')}" if row.get("hint") else ""
            message = f"{row.get('message')}{hint}"
            title = "mistake in the configuration"
            found += _remark(str(row.get("file") or ""), line, message, title)
    return tuple(found[:ANNOTATIONS])


def effect_text(claim: ClaimLike) -> str:
    """What a request's own `.pushwright.yaml` would change, where the target branch's is in force.
    Empty where it changes nothing."""
    effect = claim.wish.get("effect")
    lines = [str(line)[:500] for line in effect][:40] if isinstance(effect, list | tuple) else []
    if not lines:
        return ""
    told = "This request changes `.pushwright.yaml`; until it is merged the target branch's holds."
    return f"{told} With this change:\n\n{fence(lines)}"


def since_text(claim: ClaimLike) -> str:
    """Where the host shows what changed since the approval before. Empty where there was none."""
    since = claim.wish.get("since")
    if not isinstance(since, Mapping):
        return ""
    told = f"{code(str(since.get('approved'))[:12])} of this request was approved before"
    return f"{told}: {link('what changed since', str(since.get('url')))}"


def rows_of(value: object) -> list[Row]:
    if not isinstance(value, list | tuple):
        return []
    return [row for row in value if isinstance(row, Mapping)]
