"""Check runs: one per (commit, name, build), found again instead of made twice.

https://docs.github.com/en/rest/checks/runs. Only the App that made a run may change it, and two
runs of one name stand side by side: hence `external_id`, by which a worker that knows nothing yet
finds the run that another one made.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from bot.core.ids import Sha
from bot.core.reports import Annotation, CommitStatus, Detail, StatusState
from bot.hosts.fields import Fields
from bot.hosts.github.client_access import Access, at, every
from bot.hosts.github.client_answers import Answer
from bot.hosts.statustext import described, web_address
from bot.ports import Forbidden, NotFound, Permanent

LOG = logging.getLogger("pushwright.hosts")

BATCH: Final = 50
"""Annotations of one request; each request appends to those that are there."""
_REMEMBERED: Final = 512

_STATUS: Final[Mapping[StatusState, str]] = {
    StatusState.PENDING: "queued",
    StatusState.RUNNING: "in_progress",
}
_CONCLUSION: Final[Mapping[StatusState, str]] = {
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failure",
    StatusState.ERROR: "failure",
    StatusState.CANCELLED: "cancelled",
}
_SHOWN: Final[Mapping[str, StatusState]] = {
    "queued": StatusState.PENDING,
    "in_progress": StatusState.RUNNING,
    "success": StatusState.SUCCESS,
    "failure": StatusState.FAILURE,
    "cancelled": StatusState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Run:
    """A check run as GitHub shows it. `state` None: no word of ours."""

    id: int
    key: str
    completed: bool
    annotations: int
    state: StatusState | None = None
    title: str = ""
    url: str | None = None


_Key = tuple[str, Sha, str]


class GitHubChecks:
    """Check runs of one App (its id or client id). `selector` is `/repositories/{id}`."""

    def __init__(self, access: Access, app: str) -> None:
        self._access = access
        self._app = app
        self._runs: OrderedDict[_Key, Run] = OrderedDict()

    def set(self, selector: str, sha: Sha, status: CommitStatus, detail: Detail) -> float | None:
        """Repeating is harmless: annotations that are there already are not sent again."""
        place = (selector, sha, status.context)
        try:
            answer = self._taken(place, status, detail)
        except NotFound:
            # Ours was removed (there are at most 1,000 of a name), or the commit is gone.
            if self._runs.pop(place, None) is None:
                raise
            answer = self._taken(place, status, detail)
        return answer.at

    def _taken(self, place: _Key, status: CommitStatus, detail: Detail) -> Answer:
        """Without annotations where GitHub refuses it with them: for one that it can't take it
        refuses the whole run, and the conclusion is what a merge waits for."""
        try:
            return self._written(place, status, detail)
        except (NotFound, Forbidden):
            raise
        except Permanent as error:
            if not detail.annotations:
                raise
            LOG.warning("%s of %s goes without annotations: %s", status.context, place[1], error)
            return self._written(place, status, replace(detail, annotations=()))

    def _written(self, place: _Key, status: CommitStatus, detail: Detail) -> Answer:
        selector, sha, name = place
        run = self._known(place, detail.key)
        there = run.annotations if run is not None else 0
        batches = _batches(detail.annotations[there:])
        body = _body(status, detail, batches[0])
        if run is None:
            made = self._access.ask(
                "POST", selector, "/check-runs", body={**body, "head_sha": sha, "name": name}
            )
        else:
            made = self._access.ask("PATCH", selector, f"/check-runs/{run.id}", body=body)
        run = self._remember(place, made.read(_run))
        for more in batches[1:]:
            body = {"output": _output(status, detail, more)}
            made = self._access.ask("PATCH", selector, f"/check-runs/{run.id}", body=body)
            run = self._remember(place, made.read(_run))
        return made

    def read(self, selector: str, sha: Sha, name: str) -> CommitStatus | None:
        """The newest run of that name."""
        runs = self._listed(selector, sha, name)
        newest = max(runs, key=lambda run: run.id, default=None)
        if newest is None or newest.state is None:
            return None
        return CommitStatus(name, newest.state, newest.title, newest.url)

    def _known(self, place: _Key, key: str) -> Run | None:
        """The run to be changed: the one of that key, else one that never came to an end."""
        run = self._runs.get(place)
        if run is not None and run.key == key:
            return run
        runs = sorted(self._listed(*place), key=lambda one: one.id, reverse=True)
        same = [one for one in runs if one.key == key]
        unfinished = [one for one in runs[:1] if not one.completed]
        return next(iter([*same, *unfinished]), None)

    def _listed(self, selector: str, sha: Sha, name: str) -> list[Run]:
        def page(number: int) -> list[Run | None]:
            query = at(number, check_name=name, filter="all")
            answer = self._access.ask("GET", selector, f"/commits/{sha}/check-runs", query)
            return answer.each(self._ours, "check_runs")

        return [run for run in every(page)[0] if run is not None]

    def _ours(self, row: Fields) -> Run | None:
        """Another App may use the name as well; its runs are not for us to change."""
        app = row.inner_or_none("app")
        if app is None or self._app not in (str(app.number("id")), app.text_or_none("client_id")):
            return None
        return _run(row)

    def _remember(self, place: _Key, run: Run) -> Run:
        self._runs[place] = run
        self._runs.move_to_end(place)
        while len(self._runs) > _REMEMBERED:
            self._runs.popitem(last=False)
        return run


def _run(row: Fields) -> Run:
    output = row.inner_or_none("output")
    there = output.values.get("annotations_count") if output else 0
    word = row.text("status")
    completed = word == "completed"
    return Run(
        id=row.number("id"),
        key=row.prose("external_id") or "",
        completed=completed,
        annotations=there if isinstance(there, int) else 0,
        state=_SHOWN.get((row.text_or_none("conclusion") or "") if completed else word),
        title=(output.prose("title") if output else None) or "",
        url=row.prose("details_url"),
    )


def _body(
    status: CommitStatus, detail: Detail, annotations: Sequence[Annotation]
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "external_id": detail.key,
        "output": _output(status, detail, annotations),
    }
    if (address := web_address(status.target_url)) is not None:
        body["details_url"] = address
    if detail.started_at is not None:
        body["started_at"] = _stamp(detail.started_at)
    conclusion = _CONCLUSION.get(status.state)
    if conclusion is None:
        return {**body, "status": _STATUS[status.state]}
    if detail.ended_at is not None:
        body["completed_at"] = _stamp(max(detail.ended_at, detail.started_at or 0.0))
    return {**body, "status": "completed", "conclusion": conclusion}


def _output(
    status: CommitStatus, detail: Detail, annotations: Sequence[Annotation]
) -> dict[str, Any]:
    output: dict[str, Any] = {
        "title": described(status.description),
        "summary": detail.summary,
    }
    if annotations:
        output["annotations"] = [_annotation(one) for one in annotations]
    return output


def _annotation(one: Annotation) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "path": one.path,
        "start_line": one.line,
        "end_line": one.line,
        "annotation_level": "failure",
        "message": one.message,
    }
    return {**shown, "title": one.title} if one.title else shown


def _batches(annotations: Sequence[Annotation]) -> list[Sequence[Annotation]]:
    """At least one, which may be empty."""
    starts = range(0, max(1, len(annotations)), BATCH)
    return [annotations[start : start + BATCH] for start in starts]


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
