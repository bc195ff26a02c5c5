"""Pages for people: a build with its steps and its live log, found by its 128-bit id.

Rendered on the server and readable without scripts: a page of a build that goes on asks the browser
to load it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from flask import Blueprint, Response, abort, jsonify, make_response, render_template, request

from bot.core.centralconfig import CentralConfig
from bot.core.ids import BuildId
from bot.core.logtext import Line, read_line
from bot.ports import Clock
from bot.storage import Store
from bot.web.views import BuildView, ReportView, build_document, build_view, report_view

_CSP: Final = (
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
_ID: Final = re.compile(r"[0-9a-f]{32}")
_TAIL: Final = 300
_PAGE_LINES: Final = 5000
_WATCHED: Final = 60.0


def blueprint(store: Store, clock: Clock, central: Callable[[], CentralConfig]) -> Blueprint:
    pages = Blueprint("pages", "bot.web", static_folder="static", static_url_path="/static")

    @pages.get("/")
    def front() -> Response:
        builds = []
        if central().anonymous_list:
            builds = [(b, r) for b, r in store.find_builds(limit=50)]
        return _page("front.html", builds=builds, now=clock.now())

    @pages.get("/builds/<build_id>")
    def build(build_id: str) -> Response:
        view = _view(store, clock, build_id)
        lines = _tail(store, BuildId(build_id))
        return _page("build.html", build=view, lines=lines, now=clock.now())

    @pages.get("/builds/<build_id>.json")
    def build_json(build_id: str) -> Response:
        view = _view(store, clock, build_id)
        return jsonify(build_document(view))

    @pages.get("/builds/<build_id>/log")
    def log(build_id: str) -> Response:
        """Plain text. `?after=N` continues behind line N; the last one is in `X-Last-Line`."""
        _view(store, clock, build_id)
        after = request.args.get("after", "0")
        start = int(after) if after.isdecimal() and len(after) < 12 else 0
        records = store.read_log(BuildId(build_id), None, start, _PAGE_LINES)
        lines = [line for record in records if (line := read_line(record.text))]
        response = make_response("".join(f"{_marked(line)}\n" for line in lines))
        response.content_type = "text/plain; charset=utf-8"
        response.headers["X-Last-Line"] = str(records[-1].n if records else start)
        return response

    @pages.get("/reports/<page_id>")
    def report(page_id: str) -> Response:
        return _page("report.html", report=_report(store, page_id), now=clock.now())

    pages.add_app_template_filter(_seconds, "seconds")
    pages.add_app_template_filter(_bytes, "bytes")
    return pages


def _view(store: Store, clock: Clock, build_id: str) -> BuildView:
    if not _ID.fullmatch(build_id):
        abort(404)
    found = store.build(BuildId(build_id))
    if found is None:
        abort(404)
    row, repository, claims = found
    if not row.state.final and row.watched_until < clock.now() + _WATCHED / 2:
        store.watch_log(row.id, clock.now() + _WATCHED)
    return build_view(
        row, repository, claims, store.steps(row.id), store.attempts(row.id), clock.now()
    )


def _report(store: Store, page_id: str) -> ReportView:
    if not _ID.fullmatch(page_id):
        abort(404)
    found = store.claim_by_page(page_id)
    if found is None:
        abort(404)
    return report_view(*found)


def _tail(store: Store, build_id: BuildId) -> list[Line]:
    records = store.tail_log(build_id, _TAIL)
    return [line for record in records if (line := read_line(record.text))]


def _marked(line: Line) -> str:
    return f"== {line.text}" if line.kind == "phase" else line.text


def _page(template: str, **values: object) -> Response:
    response = make_response(render_template(template, **values))
    response.headers["Content-Security-Policy"] = _CSP
    return response


def _seconds(value: object) -> str:
    """3.2 → "3.2 s", 75 → "1 min 15 s"; nothing for what is unknown."""
    if not isinstance(value, int | float):
        return ""
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _bytes(value: object) -> str:
    if not isinstance(value, int | float):
        return ""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} B"
