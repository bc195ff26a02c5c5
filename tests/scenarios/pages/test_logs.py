"""The log of a build on its page and as a document."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.pages.visits import link, text
from tests.scenarios.world import FILES, World

pytestmark = ANY_HOST


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
