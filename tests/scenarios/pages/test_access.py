"""Who sees what of the pages that statuses lead to, and what every answer carries."""

from __future__ import annotations

import html
import itertools
import re
from typing import NoReturn, cast

import pytest
from flask.testing import FlaskClient

from bot.ports import Temporary
from bot.storage import Store
from bot.web import pages
from bot.web.app import SECURITY_HEADERS, create_app
from bot.web.sources import ConfiguredSources
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.pages.visits import document, link, text
from tests.scenarios.world import FILES, World

pytestmark = ANY_HOST


def test_no_list_for_anonymous_visitors_unless_the_config_says_so(
    world: World, browser: FlaskClient
) -> None:
    sha = world.push(FILES)
    world.run()
    path = link(world, sha)
    front = text(browser, "/")
    assert path not in front
    assert "acme" not in front
    world.configure(**{"anonymous-list": True})
    assert path in text(browser, "/")


def test_a_wrong_id_is_not_found_and_not_repeated(browser: FlaskClient) -> None:
    zeros = "0" * 32
    wrong = [zeros, "1", zeros[1:], f"{zeros}0", "G" * 32, "%00", f"{zeros}%0a", "..%2fbuilds"]
    for path, end in itertools.product(("/builds/", "/reports/"), ("", ".json", "/log")):
        for each in wrong:
            answer = browser.get(f"{path}{each}{end}")
            assert answer.status_code == 404, (path, each, end)
            if end or "%2f" in each:
                assert answer.get_json() == {"error": "not found"}
            else:
                assert "are kept for 180 days" in answer.text
                assert f"{path}{each}" not in answer.text


class Away:
    """A store whose database is not there."""

    def __getattr__(self, name: str) -> NoReturn:
        raise Temporary("no connection to db.internal")

    def gauges(self) -> NoReturn:
        raise Temporary("no connection to db.internal")


def test_while_the_database_is_away_pages_say_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    sources = ConfiguredSources(lambda: world.central, world.clock.monotonic)
    away = pages.blueprint(cast("Store", Away()), world.clock, lambda: world.central)
    app = create_app(sources, world.store, world.clock, [away], gauges=Away().gauges)
    client = app.test_client()
    page, as_json = (client.get(f"/builds/{'0' * 32}{end}") for end in ("", ".json"))
    assert (page.status_code, as_json.status_code) == (503, 503)
    assert "can't be asked just now" in html.unescape(page.text)
    assert as_json.get_json() == {"error": "not available"}
    assert "db.internal" not in page.text, "visitors need not know where it is"
    assert "db.internal" in caplog.text
    metrics = client.get("/metrics")
    assert (metrics.status_code, "pushwright_webhooks_waiting 0.0" in metrics.text) == (200, True)


def test_every_answer_carries_the_security_headers(world: World, browser: FlaskClient) -> None:
    sha = world.push(FILES)
    world.run()
    page = link(world, sha)
    report = f"/reports/{document(browser, page)['wanted_by'][0]['page']}"
    paths = ["/", page, f"{page}.json", f"{page}/log", report, f"{report}.json"]
    for path in [*paths, "/static/pushwright.css", "/nothing", "/healthz", "/builds/" + "0" * 32]:
        with browser.get(path) as answer:
            headers = answer.headers
        for name in SECURITY_HEADERS:
            assert name in headers, (path, name)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy


def test_pages_hold_no_script_and_nothing_from_elsewhere(
    world: World, browser: FlaskClient
) -> None:
    sha = world.push(FILES)
    world.run()
    page = link(world, sha)
    for path in ("/", page, f"/reports/{document(browser, page)['wanted_by'][0]['page']}"):
        html = text(browser, path)
        assert "<script" not in html
        assert "<img" not in html
        assert not re.search(r"\son[a-z]+\s*=", html)
        assert not re.search(r"style\s*=", html)
        assert re.findall(r'<link[^>]* href="([^"]*)"', html) == ["/static/pushwright.css"]
