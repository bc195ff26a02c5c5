"""Pages for people: a build with its steps and its live log, found by its 128-bit id.

Rendered on the server and readable without scripts: a page of a build that goes on asks the browser
to load it again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from typing import Final

from flask import Blueprint, Response, abort, jsonify, make_response, render_template, request

from bot.core.centralconfig import CentralConfig
from bot.core.ids import BuildId
from bot.core.logtext import Line, read_line
from bot.ports import Clock, Temporary
from bot.storage import Store
from bot.web.deliveryviews import DeliveryShown, delivery_document, delivery_view
from bot.web.views import (
    BuildView,
    ReportView,
    build_document,
    build_view,
    report_document,
    report_view,
    visible,
)

_CSP: Final = (
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
_ID: Final = re.compile(r"[0-9a-f]{32}")
_NUMBER: Final = re.compile(r"[0-9]{1,11}")
_FOR_PEOPLE: Final = {"pages.front", "pages.build", "pages.report", "pages.delivery"}
_TAIL: Final = 300
_PAGE_LINES: Final = 5000
_WATCHED: Final = 60.0
_LOG = logging.getLogger(__name__)


def blueprint(store: Store, clock: Clock, central: Callable[[], CentralConfig]) -> Blueprint:
    pages = Blueprint("pages", "bot.web", static_folder="static", static_url_path="/static")

    @pages.get("/")
    def front() -> Response:
        builds = []
        if central().anonymous_list:
            builds = [build_view(b, r, (), (), (), clock.now()) for b, r in store.find_builds()]
        return _page("front.html", builds=[visible(view) for view in builds])

    @pages.get("/builds/<build_id>")
    def build(build_id: str) -> Response:
        view = _view(store, clock, build_id)
        said = visible(tuple(view.text.splitlines()))
        lines = _tail(store, BuildId(build_id))
        return _page("build.html", build=visible(view), said=said, lines=lines)

    @pages.get("/builds/<build_id>.json")
    def build_json(build_id: str) -> Response:
        return jsonify(build_document(_view(store, clock, build_id)))

    @pages.get("/builds/<build_id>/log")
    def log(build_id: str) -> Response:
        """Plain text, whole. `?after=N` gives at most 5,000 records behind number N and says in
        `X-Last-Line` where the next request goes on."""
        _view(store, clock, build_id)
        after = request.args.get("after", "")
        if after:
            start = int(after) if _NUMBER.fullmatch(after) else 0
            last, text = _log_page(store, BuildId(build_id), start)
            response = make_response(text)
            response.headers["X-Last-Line"] = str(last)
        else:
            response = Response(_whole_log(store, BuildId(build_id)))
        response.content_type = "text/plain; charset=utf-8"
        return response

    @pages.get("/reports/<page_id>")
    def report(page_id: str) -> Response:
        return _page("report.html", report=visible(_report(store, page_id)))

    @pages.get("/reports/<page_id>.json")
    def report_json(page_id: str) -> Response:
        return jsonify(report_document(_report(store, page_id)))

    _deliveries(pages, store)
    _notices(pages, central)
    pages.add_app_template_filter(_seconds, "seconds")
    pages.add_app_template_filter(_bytes, "bytes")
    return pages


def _deliveries(pages: Blueprint, store: Store) -> None:
    @pages.get("/deliveries/<page_id>")
    def delivery(page_id: str) -> Response:
        return _page("delivery.html", delivery=visible(_delivery(store, page_id)))

    @pages.get("/deliveries/<page_id>.json")
    def delivery_json(page_id: str) -> Response:
        return jsonify(delivery_document(_delivery(store, page_id)))


def _notices(pages: Blueprint, central: Callable[[], CentralConfig]) -> None:
    """What people read where a page is not there; programs get a word of JSON."""

    @pages.errorhandler(404)
    def missing(_error: Exception) -> Response:
        kept = central().retention
        text = (
            f"Builds and reports are kept for {kept.builds} days, deliveries for "
            f"{kept.deliveries}. A newer build is behind the status of a newer commit."
        )
        return _notice(404, "Not found", text)

    @pages.errorhandler(Temporary)
    def away(error: Temporary) -> Response:
        _LOG.warning("%s: nothing is shown: %s", request.endpoint, error)
        text = "The database can't be asked just now. Nothing is lost: look again in a minute."
        return _notice(503, "Not available", text)


def _notice(code: int, title: str, text: str) -> Response:
    if request.endpoint in _FOR_PEOPLE:
        response = _page("notice.html", title=title, text=text)
    else:
        response = jsonify(error=title.lower())
    response.status_code = code
    return response


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


def _delivery(store: Store, page_id: str) -> DeliveryShown:
    if not _ID.fullmatch(page_id):
        abort(404)
    found = store.delivery_by_page(page_id)
    if found is None:
        abort(404)
    return delivery_view(found)


def _tail(store: Store, build_id: BuildId) -> list[Line]:
    records = store.tail_log(build_id, _TAIL)
    return [line for record in records if (line := read_line(record.text))]


def _log_page(store: Store, build_id: BuildId, after: int) -> tuple[int, str]:
    """The number of the last record, and the text of those that are for people."""
    records = store.read_log(build_id, None, after, _PAGE_LINES)
    lines = [line for record in records if (line := read_line(record.text))]
    return records[-1].n if records else after, "".join(f"{_marked(line)}\n" for line in lines)


def _whole_log(store: Store, build_id: BuildId) -> Iterator[str]:
    """Page by page: a log may hold 8 MiB, and a process that serves many must stay small."""
    last = -1
    here = 0
    while here != last:
        last = here
        here, text = _log_page(store, build_id, here)
        if text:
            yield text


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
