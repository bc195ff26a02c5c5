"""What reports show beside the rows themselves, read from the store: steps and last lines of builds
that ended, and what they are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.core.builds import BuildState
from bot.core.ids import BuildId, ImageKey
from bot.core.logtext import read_line
from bot.core.reports_comment import Comment, Material, comment, comment_mode, request_number
from bot.core.reports_details import LOG_LINES, Evidence, images_of, wants_evidence
from bot.core.reports_images import ImageState
from bot.core.steps import steps_shown
from bot.records import ClaimView, DueReport
from bot.storage import Store


class EvidenceReader:
    """Reads for one rendering; nothing is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of_checks(self, report: DueReport) -> dict[BuildId, Evidence]:
        """Steps of builds that ended, and what those that failed said last."""
        found: dict[BuildId, Evidence] = {}
        for view in images_of(report).values():
            build = view.build
            if wants_evidence(view):
                failed = build.state is not BuildState.SUCCEEDED
                found[build.id] = Evidence(
                    steps_shown(self._store.steps(build.id)),
                    self._last_lines(build.id) if failed else (),
                )
        return found

    def comments(
        self, report: DueReport, states: dict[ImageKey, ImageState], url: str, start: str
    ) -> Sequence[Comment]:
        """What the requests whose head the commit is are to be told. `start`: what commands begin
        with there."""
        newest: dict[int, ClaimView] = {}
        for claim in report.claims:
            number = request_number(claim)
            if number is not None:
                newest.setdefault(number, claim)
        found = (self._comment(claim, Material(states, url, start)) for claim in newest.values())
        return [one for one in found if one is not None]

    def _comment(self, claim: ClaimView, made: Material) -> Comment | None:
        mode = comment_mode(claim)
        if comment(claim, mode, made) is None:
            return None  # nothing has to be read for what is not said
        base = claim.wish.get("base_branch")
        ended = [view.build for view in claim.images if wants_evidence(view)]
        return comment(
            claim,
            mode,
            replace(
                made,
                measured={
                    build.id: self._store.measured(build, base if isinstance(base, str) else None)
                    for build in ended
                    if build.state is BuildState.SUCCEEDED
                },
                logs={
                    build.id: self._last_lines(build.id)
                    for build in ended
                    if build.state is not BuildState.SUCCEEDED
                },
            ),
        )

    def _last_lines(self, build: BuildId) -> tuple[str, ...]:
        records = self._store.tail_log(build, 2 * LOG_LINES)
        lines = (read_line(record.text) for record in records)
        return tuple(line.text for line in lines if line is not None and line.kind != "phase")
