"""The page of a delivery: what came, what it meant, and what each rule said of each image."""

from __future__ import annotations

import re

from flask.testing import FlaskClient

from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.pages.visits import document, link, text
from tests.scenarios.world import FILES, World

pytestmark = ANY_HOST


def delivery_of(world: World, browser: FlaskClient, sha: str, context: str) -> str:
    """The path of the page, by the links that people follow from a status."""
    html = text(browser, link(world, sha, context))
    found = re.search(r'href="(/deliveries/[0-9a-f]{32})"', html)
    assert found is not None, html
    return found[1]


def test_from_a_build_to_every_rule(world: World, browser: FlaskClient) -> None:
    world.push(FILES)
    world.run()
    sha = world.push("services/api/x")
    world.run()
    path = delivery_of(world, browser, sha, "pushwright/api")
    found = document(browser, path)
    assert (found["event"], found["state"], found["repository"]) == ("push", "done", "acme/shop")
    assert found["note"] == found["reason"] == "to build: api"
    assert ["fork", "no"] in found["about"]
    api, web = found["images"]
    assert (api["image"], api["verdict"], api["tags"]) == (
        "api",
        "build",
        ["reg.test/acme/shop/api:main"],
    )
    rules = {rule["rule"]: (rule["word"], rule["why"]) for rule in web["rules"]}
    assert web["verdict"] == "skip"
    assert rules["branches"] == ("yes", "branches main matched main")
    assert rules["paths"][0] == "no"
    html = text(browser, path)
    assert "<td>paths services/api/** matched services/api/x (1 file differs)</td>" in html
    assert f"pushwright replay {found['delivery']}" in html
    (claim,) = found["claims"]
    assert f'<a href="/reports/{claim["page"]}">branch main</a>' in html


def test_from_a_report_to_its_delivery(world: World, browser: FlaskClient) -> None:
    world.push(FILES)
    world.run()
    sha = world.push("README.md")
    world.run()
    found = document(browser, delivery_of(world, browser, sha, "pushwright"))
    assert [one["verdict"] for one in found["images"]] == ["skip", "skip"]


def test_a_delivery_that_asks_for_nothing(world: World, browser: FlaskClient) -> None:
    world.push({"README.md": "x"})
    world.run()
    rows = world.store.deliveries(100)
    for row in rows:
        found = document(browser, f"/deliveries/{row['page']}")
        assert found["reason"] == row["reason"]
    assert len({row["page"] for row in rows}) == len(rows) > 1


def test_the_body_is_never_shown(world: World, browser: FlaskClient) -> None:
    sha = world.push({**FILES, "README.md": "x"}, message="a secret of the payload")
    world.run()
    path = delivery_of(world, browser, sha, "pushwright/api")
    for shown in (text(browser, path), text(browser, f"{path}.json")):
        assert "a secret of the payload" not in shown


def test_nobody_finds_it_without_its_link(world: World, browser: FlaskClient) -> None:
    sha = world.push(FILES)
    world.run()
    path = delivery_of(world, browser, sha, "pushwright/api")
    found = document(browser, path)
    assert path not in text(browser, "/")
    for wrong in (found["delivery"], "1", "0" * 32, path.rpartition("/")[2][:-1], "..%2fbuilds"):
        for end in ("", ".json"):
            answer = browser.get(f"/deliveries/{wrong}{end}")
            assert answer.status_code == 404
            assert "deliveries for 90" in answer.text or answer.get_json() == {"error": "not found"}


def test_the_same_delivery_again_keeps_its_page(world: World, browser: FlaskClient) -> None:
    sha = world.push(FILES)
    world.run()
    path = delivery_of(world, browser, sha, "pushwright/api")
    world.store.replay(document(browser, path)["delivery"], world.clock.now())
    world.run()
    again = document(browser, path)
    assert again["seen"] == 2
    assert again["state"] == "done"


def test_markup_in_a_branch_is_shown_not_obeyed(world: World, browser: FlaskClient) -> None:
    world.push(FILES)
    world.run()
    config = FILES[".pushwright.yaml"].replace("release/*", "release/**")
    branch = "release/<b>&\u202ex"
    sha = world.push({".pushwright.yaml": config, "services/api/x": "x"}, branch)
    world.run()
    html = text(browser, delivery_of(world, browser, sha, "pushwright/api"))
    assert "release/&lt;b&gt;&amp;\\u202ex" in html
    assert "<b>&" not in html
    assert "<script" not in html
    assert not re.search(r"style\s*=", html)


def test_mistakes_are_on_it(world: World, browser: FlaskClient) -> None:
    sha = world.push({".pushwright.yaml": "version: 1\nimages:\n  api: {contxt: a}\n"})
    world.run()
    found = document(browser, delivery_of(world, browser, sha, "pushwright"))
    (mistake,) = found["mistakes"]
    assert mistake.startswith(".pushwright.yaml:3 ")
    assert found["images"] == []
