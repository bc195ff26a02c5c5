"""The pages that statuses lead to, read over HTTP as a browser gets them."""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import pytest
from flask.testing import FlaskClient

from bot.core.builds import CacheUse, LogLine, OutcomeClass, Place
from bot.core.ids import HostKind
from bot.ports import Temporary
from bot.storage import Store
from bot.web import pages
from bot.web.app import SECURITY_HEADERS, create_app
from bot.web.sources import ConfiguredSources
from tests.fakes.executor_memory import Fail, Hold, MemoryExecutor, Succeed
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.talk import Talk
from tests.scenarios.world import FILES, World

pytestmark = ANY_HOST


HOSTILE = "<script>alert(1)</script>\x1b[31m\u202egnp.exe\x00"


@dataclass(slots=True)
class Talkative(MemoryExecutor):
    """An executor whose attempts print what a test says: (kind, text) for each line. A step is one
    that failed."""

    said: list[tuple[str, str]] = field(default_factory=list)

    def read_log(self, name: str, after: int, limit: int) -> Sequence[LogLine]:
        lines = [LogLine(n, _record(n, *one)) for n, one in enumerate(self.said, start=1)]
        return [line for line in lines if line.n > after][:limit]


def _record(n: int, kind: str, text: str) -> str:
    if kind == "phase":
        return json.dumps({"n": n, "t": 1.0, "k": kind, "name": text, "state": "start"})
    if kind == "step":
        step = {"id": "s", "line": 17, "name": text, "hit": False, "error": "exit 1"}
        return json.dumps({"n": n, "t": 1.0, "k": kind, **step})
    return json.dumps({"n": n, "t": 1.0, "k": kind, "x": text})


@pytest.fixture
def kind() -> HostKind:
    """Pages know no host: one is enough."""
    return HostKind.GITHUB


@pytest.fixture
def talk(world: World) -> list[tuple[str, str]]:
    """What the next builds print."""
    executor = Talkative(world.clock, world.images.push)
    world.executor = executor
    world.restart()
    return executor.said


@pytest.fixture
def browser(world: World) -> FlaskClient:
    sources = ConfiguredSources(lambda: world.central, world.clock.monotonic)
    blueprint = pages.blueprint(world.store, world.clock, lambda: world.central)
    return create_app(sources, world.store, world.clock, [blueprint]).test_client()


def link(world: World, sha: str, context: str = "pushwright/api") -> str:
    """The path that a status leads to."""
    url = world.shown(sha)[context].target_url
    assert url is not None
    return url.removeprefix("https://bot.test")


def text(browser: FlaskClient, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def document(browser: FlaskClient, path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(browser, f"{path}.json"))
    return found


# -- who sees what ---------------------------------------------------------------------------------


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


# -- a build ---------------------------------------------------------------------------------------


def test_a_page_loads_itself_again_only_while_the_build_goes_on(
    world: World, browser: FlaskClient
) -> None:
    world.executor.usual = Hold()
    sha = world.push(FILES)
    world.run(30)
    page = link(world, sha)
    assert 'http-equiv="refresh"' in text(browser, page)
    world.executor.end("api")
    world.executor.end("web")
    world.run()
    assert 'http-equiv="refresh"' not in text(browser, page)


def test_the_document_of_a_build(world: World, browser: FlaskClient) -> None:
    sha = world.push(FILES)
    world.run()
    found = document(browser, link(world, sha))
    assert found["image"] == "api"
    assert found["repository"] == "acme/shop"
    assert found["sha"] == sha
    assert found["state"] == "succeeded"
    assert found["digest"] == world.built("api", sha)
    assert f"/builds/{found['id']}" == link(world, sha)
    (claim,) = found["wanted_by"]
    assert (claim["kind"], claim["name"]) == ("branch", "main")
    assert claim["tags"] == ["reg.test/acme/shop/api:main"]


def test_a_page_says_what_its_cache_gave_and_what_it_was_built_with(
    world: World, browser: FlaskClient
) -> None:
    first, why = (
        "[2/3] COPY . . (Dockerfile:2)",
        "its files, their modes or the instruction changed",
    )
    use = CacheUse(1, 3, 2048, first_miss=first, found=1, why=why)
    world.executor.usual = Succeed(cache=use, daemon="20.10.24")
    sha = world.push(FILES)
    world.run()
    page = link(world, sha)
    html = text(browser, page)
    assert "1 of 3 steps" in html
    assert f"first miss: <code>{first}</code> ({why})" in html
    assert "dockerd 20.10.24" in html
    assert "every second build misses" in html
    found = document(browser, page)
    assert (found["first_miss"], found["miss_why"]) == (first, why)
    assert found["built_with"] == "dockerd 20.10.24"


def test_the_document_of_a_plan_says_what_is_built_and_what_is_not(
    world: World, browser: FlaskClient
) -> None:
    world.push(FILES)
    world.run()
    sha = world.push("services/api/app.txt")
    world.run()
    (claim,) = document(browser, link(world, sha))["wanted_by"]
    found = document(browser, f"/reports/{claim['page']}")
    (planned,) = found["images"]
    assert (planned["image"], planned["state"]) == ("api", "succeeded")
    assert planned["why"]
    (skipped,) = found["skipped"]
    assert skipped["image"] == "web"
    assert "services/web" in skipped["why"]
    html = text(browser, f"/reports/{claim['page']}")
    assert f"/builds/{planned['build']}" in html
    assert "Not built" in html


def test_a_report_leads_to_what_changed_since_the_approval_before(
    world: World, browser: FlaskClient
) -> None:
    world.executor.untrusted = True
    world.push(FILES)
    people = Talk(world).people()
    fork, request = people.fork_request()
    world.run(30)
    first = request.head_sha
    people.say(f"/ok-to-test {first}", request)
    second = people.fork_commit(fork)
    world.run(30)
    page = link(world, second, "pushwright")
    address = f"{world.host.url}/acme/shop/compare/{first}..{second}"
    found = document(browser, page)
    assert (found["since"], found["since_url"]) == (first, address)
    assert f'<a href="{address}">what changed since</a>' in text(browser, page)


def test_a_failure_shows_its_place(world: World, browser: FlaskClient) -> None:
    place = Place("services/api/Dockerfile", 17)
    said = "RUN npm ci failed (exit 1)\nnpm ERR! E401\nnpm ERR! no login"
    world.executor.next("api", Fail(OutcomeClass.STEP, said, place))
    sha = world.push(FILES)
    world.run()
    html = text(browser, link(world, sha))
    assert "services/api/Dockerfile:17 RUN npm ci failed (exit 1). What to do: read the log" in html
    assert '<pre class="log">npm ERR! E401\nnpm ERR! no login</pre>' in html


def test_every_attempt_says_how_it_ended(world: World, browser: FlaskClient) -> None:
    evicted = Fail(OutcomeClass.EVICTED, "the pod was evicted")
    world.executor.next("api", evicted, Hold())
    sha = world.push(FILES)
    world.run(60)
    page = link(world, sha)
    assert document(browser, page)["attempts"] == [[1, "the pod was evicted"], [2, ""]]
    shown = text(browser, page)
    assert '<li value="1">the pod was evicted</li><li value="2">runs</li>' in shown


def test_a_step_that_failed_is_not_called_built(
    world: World, talk: list[tuple[str, str]], browser: FlaskClient
) -> None:
    talk += [("step", "RUN npm ci")]
    place = Place("services/api/Dockerfile", 17)
    world.executor.next("api", Fail(OutcomeClass.STEP, "RUN npm ci failed (exit 1)", place))
    sha = world.push(FILES)
    world.run()
    html = text(browser, link(world, sha))
    assert "<code>RUN npm ci</code></td><td>failed</td>" in html


# -- mistakes --------------------------------------------------------------------------------------


def test_the_page_of_a_config_shows_every_mistake(world: World, browser: FlaskClient) -> None:
    config = (
        "version: 1\nimages:\n  api:\n    contxt: a\n    tags: [type=semvr]\n  web:\n    on: 7\n"
    )
    sha = world.push({".pushwright.yaml": config, "Dockerfile": "FROM scratch\n"})
    world.run()
    path = link(world, sha, "pushwright")
    assert path.startswith("/reports/")
    html = text(browser, path)
    found = document(browser, path)["mistakes"]
    assert [mistake["line"] for mistake in found] == [4, 5, 7]
    for mistake in found:
        place = f".pushwright.yaml:{mistake['line']}:{mistake['column']}"
        assert f"<code>{place}</code>" in html


# -- hostile input ---------------------------------------------------------------------------------


def test_markup_controls_and_turned_text_are_shown_not_obeyed(
    world: World, browser: FlaskClient, talk: list[tuple[str, str]]
) -> None:
    talk += [("phase", f"fetch {HOSTILE}"), ("log", HOSTILE), ("note", HOSTILE)]
    world.executor.next("api", Fail(OutcomeClass.STEP, HOSTILE, Place(HOSTILE, 3)))
    sha = world.push(FILES)
    world.run()
    page = link(world, sha)
    html = text(browser, page)
    log = text(browser, f"{page}/log")
    assert html.count("&lt;script&gt;alert(1)") >= 4
    assert "<script" not in html
    for shown in (html, log):
        assert "\\u202egnp.exe" in shown
        assert not set(shown) & set("\x00\x1b\u202e")


def test_a_branch_with_markup_in_its_name(world: World, browser: FlaskClient) -> None:
    branch = "release/<b>&\u202ex"
    world.push(FILES)
    world.run()
    config = FILES[".pushwright.yaml"].replace("release/*", "release/**")
    sha = world.push({".pushwright.yaml": config, "services/api/x": "x"}, branch)
    world.run()
    page = link(world, sha)
    (claim,) = document(browser, page)["wanted_by"]
    assert claim["name"] == branch, "the document holds what is; it is the page that shows"
    for path in (page, f"/reports/{claim['page']}"):
        html = text(browser, path)
        assert "release/&lt;b&gt;&amp;\\u202ex" in html
        assert "<b>&" not in html
        assert "\u202e" not in html


def test_a_mistake_with_markup(world: World, browser: FlaskClient) -> None:
    config = 'version: 1\nimages:\n  api:\n    "<img src=x>": 1\n'
    sha = world.push({".pushwright.yaml": config, "Dockerfile": "FROM scratch\n"})
    world.run()
    html = text(browser, link(world, sha, "pushwright"))
    assert "&lt;img src=x&gt;" in html
    assert "<img" not in html


# -- logs ------------------------------------------------------------------------------------------


def test_a_long_log_is_shown_by_its_end_and_read_by_pages(
    world: World, browser: FlaskClient, talk: list[tuple[str, str]]
) -> None:
    talk += [("log", f"line {n}") for n in range(1, 10_001)]
    sha = world.push(FILES)
    world.run()
    page = link(world, sha)
    html = text(browser, page)
    assert "line 10000" in html
    assert "line 9000\n" not in html
    whole = text(browser, f"{page}/log").splitlines()
    assert whole == [f"line {n}" for n in range(1, 10_001)]
    read: list[str] = []
    after = 0
    for _ in range(4):
        answer = browser.get(f"{page}/log?after={after}")
        read += answer.get_data(as_text=True).splitlines()
        after = int(answer.headers["X-Last-Line"])
    assert read == whole
    assert after == 10_000


def test_a_wrong_place_in_a_log_is_its_beginning(
    world: World, browser: FlaskClient, talk: list[tuple[str, str]]
) -> None:
    talk += [("log", "first"), ("log", "second")]
    sha = world.push(FILES)
    world.run()
    for after in ("-1", "x", "1" * 40, "\u0661", "1e3", "0x1"):
        assert text(browser, f"{link(world, sha)}/log?after={after}") == "first\nsecond\n"


def test_a_log_is_plain_text_and_never_anything_else(
    world: World, browser: FlaskClient, talk: list[tuple[str, str]]
) -> None:
    talk.append(("log", "<html><script>alert(1)</script>"))
    sha = world.push(FILES)
    world.run()
    answer = browser.get(f"{link(world, sha)}/log")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
