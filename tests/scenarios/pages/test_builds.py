"""The pages of a build, a plan and a report, read over HTTP as a browser gets them."""

from __future__ import annotations

from flask.testing import FlaskClient

from bot.core.builds import CacheUse, OutcomeClass, Place
from tests.fakes.executor_memory import Fail, Hold, Succeed
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.pages.visits import document, link, text
from tests.scenarios.talk import Talk
from tests.scenarios.world import FILES, World

pytestmark = ANY_HOST


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
