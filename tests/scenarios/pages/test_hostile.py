"""What comes from outside is shown on pages, and does nothing there."""

from __future__ import annotations

from flask.testing import FlaskClient

from bot.core.builds import OutcomeClass, Place
from tests.fakes.executor_memory import Fail
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.pages.visits import HOSTILE, document, link, text
from tests.scenarios.world import FILES, World

pytestmark = ANY_HOST


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
