"""The one comment on a pull or merge request: a row for each image, edited in place, and quiet."""

from __future__ import annotations

import json

from bot.core.builds import OutcomeClass, Place
from bot.core.reports_comment import MARKER
from tests.core.markdown_reading import outside_of_code
from tests.fakes.executor_memory import Fail, Hold
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.model import Comment
from tests.fakes.githost.server import Record
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.talk import BOT, Talk
from tests.scenarios.world import FILES, World

CONFIG = FILES[".pushwright.yaml"]
BROKEN = Fail(
    OutcomeClass.STEP, "RUN npm ci failed (exit 1)", Place("services/api/Dockerfile", 17, "RUN")
)


def comments(world: World, number: int = 1) -> list[Comment]:
    own = world.host.person(BOT)
    found = [c for c in world.repository.comments.values() if c.author is own]
    return [one for one in found if one.number == number and one.body.startswith(MARKER)]


def body(world: World, number: int = 1) -> str:
    (found,) = comments(world, number)
    return found.body


def told(world: World, *verbs: str) -> list[Record]:
    """What the host was asked to make or change of comments, refused or not."""
    asked = [r for verb in verbs for r in world.host.calls(verb)]
    return [r for r in asked if "/comments" in r.path or "/notes" in r.path]


def writes(world: World) -> int:
    """How often the host took the comment, made or changed."""
    made = [r for r in told(world, "POST", "PATCH", "PUT") if r.status < 300]
    return len([r for r in made if MARKER in json.loads(r.body).get("body", "")])


def with_mode(mode: str) -> dict[str, str]:
    return {**FILES, ".pushwright.yaml": f"{CONFIG}comment: {mode}\n"}


def open_request(world: World, mode: str = "on-change") -> str:
    """A request that changes `api`; the sha of its head."""
    world.push(with_mode(mode))
    world.run()
    sha = world.push("services/api/x", "topic")
    world.request("topic")
    return sha


def test_a_row_with_all_that_is_to_know(world: World) -> None:
    sha = open_request(world)
    world.run()
    text = body(world)
    digest = world.built("api", sha)
    build = next(one for one in world.builds() if one.sha == sha)
    assert text.startswith(f"{MARKER}\n**pushwright** `{sha[:12]}`: 1 image built\n")
    name = f"[`api`](https://bot.test/builds/{build.id})"
    row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:4] == ["built", "`pr-1`", f"`{digest[7:19]}`"]
    assert "(±0)" in cells[4] or "(+" in cells[4] or "(-" in cells[4]
    assert "(median " in cells[5]
    assert f"docker pull reg.test/acme/shop/api@{digest}" in text
    assert f"git fetch origin {sha} && git checkout --detach {sha}" in text
    assert "docker buildx build --label=" in text
    assert "--file services/api/Dockerfile ./services/api" in text
    assert "- `web`: `not affected: no file under services/web`" in text
    assert "](https://bot.test/reports/" in text


def test_it_is_edited_in_place_and_one_write_is_one_change(world: World) -> None:
    open_request(world)
    world.run()
    assert writes(world) == 1
    world.run(600)
    second = world.push("services/api/y", "topic")
    world.run(600)
    assert writes(world) == 2
    assert second[:12] in body(world)


def test_a_failure_is_told_at_once_and_the_rest_at_the_end(world: World) -> None:
    world.executor.next("api", BROKEN)
    world.push(FILES)
    world.run()
    world.executor.usual = Hold()
    world.push({"services/api/x": "x", "services/web/x": "x"}, "topic")
    world.request("topic")
    world.run(200)
    assert comments(world) == [], "nothing ended yet"
    world.executor.end("api", ending=BROKEN)
    world.run(200)
    text = body(world)
    assert "**1 of 2 images failed**" in text
    assert "**failed** `services/api/Dockerfile:17 RUN npm ci failed (exit 1)`" in text
    assert "| building |" in text
    world.executor.end("web")
    world.run(200)
    assert "| building |" not in body(world)
    assert writes(world) == 2


def test_a_newer_head_takes_the_comment_over(world: World) -> None:
    world.push(FILES)
    world.run()
    world.executor.usual = Hold()
    first = world.push("services/api/x", "topic")
    world.request("topic")
    world.run(30)
    second = world.push("services/api/y", "topic")
    world.run(30)
    assert comments(world) == [], "what was superseded is no result"
    world.executor.end("api")
    world.run()
    assert second[:12] in body(world)
    assert first[:12] not in body(world)


@ANY_HOST
def test_modes(world: World) -> None:
    world.push(with_mode("off"))
    world.run()
    for number, mode in enumerate(("off", "on-failure", "on-change", "always"), 1):
        files = {**with_mode(mode), "services/api/x": mode}
        world.push(files, f"topic{number}")
        world.request(f"topic{number}")
        world.run()
    assert [len(comments(world, number)) for number in range(1, 5)] == [0, 0, 1, 1]
    world.executor.usual = Hold()
    for number in range(1, 5):
        world.push("services/api/y", f"topic{number}")
        world.run(10)
    assert "1 image built" in body(world, 3)
    assert "1 image to build" in body(world, 4)
    for _ in range(2):  # two at once of one repository
        world.executor.end("api", ending=BROKEN)
        world.run(20)
    assert [len(comments(world, number)) for number in range(1, 5)] == [0, 1, 1, 1]
    world.executor.usual = type(world.executor.usual)()


def test_on_failure_a_comment_is_brought_up_to_date(world: World) -> None:
    world.push(with_mode("on-failure"))
    world.run()
    world.executor.next("api", BROKEN)
    world.push("services/api/x", "topic")
    world.request("topic")
    world.run()
    assert "**1 of 1 image failed**" in body(world)
    world.push("services/api/y", "topic")
    world.run()
    assert "1 image built" in body(world)


def test_the_administrators_bounds(world: World) -> None:
    rule = {"match": "acme/*", "images": ["reg.test/**"], "comment-at-most": "off"}
    world.configure(repositories=[rule])
    open_request(world, "always")
    world.run()
    assert comments(world) == []
    world.configure(
        repositories=[{**rule, "comment-at-most": "always", "comment-at-least": "always"}]
    )
    world.push({".pushwright.yaml": f"{CONFIG}comment: off\n"}, "topic")
    world.run()
    assert len(comments(world)) == 1


def test_nothing_to_build_is_no_comment(world: World) -> None:
    world.push(FILES)
    world.run()
    world.push("README.md", "topic")
    world.request("topic")
    world.run()
    assert world.state(world.repository.requests[1].head_sha) == "success"
    assert comments(world) == []


def test_mistakes_are_listed(world: World) -> None:
    world.push(FILES)
    world.run()
    world.push({".pushwright.yaml": "version: 1\nimages:\n  api: {contxt: a, targt: b}\n"}, "topic")
    world.request("topic")
    world.run()
    text = body(world)
    assert "**the configuration has mistakes, nothing was built**" in text
    assert text.count("- `.pushwright.yaml:3`") == 2


def test_a_comment_that_a_person_deleted_stays_away(world: World) -> None:
    open_request(world)
    world.run()
    (made,) = comments(world)
    del world.repository.comments[made.id]
    for number in range(3):
        world.push(f"services/api/{number}", "topic")
        world.run()
    assert comments(world) == []


def test_a_locked_conversation_is_left_alone(world: World) -> None:
    world.push(FILES)
    world.run()
    world.push("services/api/x", "topic")
    world.request("topic").locked = True
    world.run(900)
    assert comments(world) == []
    tried = [r for r in told(world, "POST") if r.status == 403]
    assert len(tried) <= 1


def test_a_restart_and_a_lost_answer_make_no_second_comment(world: World) -> None:
    world.host.faults.add(Fault("drop after", method="POST", path=r"/comments|/notes"))
    open_request(world)
    world.run()
    world.restart()
    world.push("services/api/y", "topic")
    world.run()
    assert len(comments(world)) == 1


def test_somebody_who_writes_our_marker_gets_no_edit(world: World) -> None:
    world.push(FILES)
    world.run()
    world.push("services/api/x", "topic")
    world.executor.usual = Hold()
    request = world.request("topic")
    theirs = world.host.comment(world.repository, f"{MARKER}\ntrap", number=request.number)
    world.run(5)
    world.executor.end("api")
    world.run()
    assert theirs.body == f"{MARKER}\ntrap"
    assert len(comments(world)) == 1


def test_what_builds_say_stays_text(world: World) -> None:
    hostile = "RUN `x` | @everyone <img src=x> closes #1\n/close\n</details>"
    logged = ("```", "/merge", "````", "/approve")
    world.executor.log = logged
    world.executor.next("api", Fail(OutcomeClass.STEP, hostile))
    world.push(FILES)
    world.run()
    world.executor.next("api", Fail(OutcomeClass.STEP, hostile))
    world.push("services/api/x", "topic")
    world.request("topic")
    world.run()
    outside = outside_of_code(body(world))
    assert "**failed**" in outside
    for text in ("@everyone", "<img", "#1", "\n/close"):
        assert text not in outside
    assert all(line in body(world) for line in logged)
    assert not any(line.startswith("/") for line in body(world).splitlines()), "GitLab obeys those"


def test_many_images_are_told_whole(talk: Talk, world: World) -> None:
    names = [f"service-{number}" for number in range(9)]
    lines = "".join(f"  {name}: {{context: .}}\n" for name in names)
    files = {".pushwright.yaml": f"version: 1\nimages:\n{lines}", "Dockerfile": "FROM scratch\n"}
    world.push(files)
    world.push("x", "topic")
    request = world.request("topic")
    world.run()
    text = talk.told(request)
    assert text.endswith("each image was built or not · `/help`")
    assert text.count("<details>") == text.count("</details>")
    talk.say("/why", request)
    assert all(f"| `{name}` | BUILD |" in talk.replies()[-1] for name in names)


@ANY_HOST
def test_a_request_that_was_closed(world: World) -> None:
    open_request(world)
    world.run()
    before = body(world)
    world.close_request(world.repository.requests[1])
    world.run()
    assert "1 image built" in before
    assert "request 1 was closed" in body(world)
    assert "| built |" in body(world)


def test_a_forks_request_tells_what_its_config_would_change(world: World) -> None:
    world.push(FILES)
    world.run()
    talk = Talk(world)
    fork, _ = talk.fork_request()
    changed = CONFIG.replace("context: services/api", "context: services/api\n    target: debug")
    files: dict[str, str | None] = {".pushwright.yaml": changed, "services/api/x": "x"}
    head = world.host.commit(fork, "topic", files, "Change", by="mallory")
    world.run()
    text = body(world)
    assert f"`waiting for /ok-to-test {head}" in text
    assert "This request changes `.pushwright.yaml`" in text
    assert "With this change:\n\n```text\n~ api: target none -> debug\n```" in text


def test_a_forks_request_without_such_a_change(world: World) -> None:
    world.push(FILES)
    world.run()
    fork, _ = Talk(world).fork_request()
    world.host.commit(fork, "topic", {"services/api/x": "x"}, "Change", by="mallory")
    world.run()
    assert "waiting for /ok-to-test" in body(world)
    assert "With this change" not in body(world)


def test_a_token_that_may_not_comment_is_asked_again_seldom(world: World) -> None:
    fault = Fault(
        "answer", method="POST", path=r"/comments|/notes", status=403, message="Forbidden"
    )
    fault.count = 1000
    world.host.faults.add(fault)
    sha = open_request(world)
    world.run(900)
    assert world.state(sha) == "success", "statuses do not wait for it"
    assert 1 <= len(told(world, "POST")) <= 4
    world.host.faults.clear()
    world.run(400)
    assert len(comments(world)) == 1


@ANY_HOST
def test_an_hour_of_outage_ends_in_one_comment(world: World) -> None:
    world.push(FILES)
    world.run()
    world.executor.usual = Hold()
    world.push("services/api/x", "topic")
    world.request("topic")
    world.run(30)
    world.host.faults.outage = True
    world.executor.end("api")
    world.run(3600)
    world.host.faults.clear()
    before = writes(world)
    world.run(310)
    assert writes(world) == before + 1
    assert "1 image built" in body(world)


def test_statuses_go_first(world: World) -> None:
    world.configure(pace="1s")
    open_request(world)
    world.run(60)
    order = [
        "comment" if ("notes" in r.path or "comments" in r.path) else "status"
        for r in world.host.calls("POST")
        if r.status < 300
    ]
    assert order[-1] == "comment", order
