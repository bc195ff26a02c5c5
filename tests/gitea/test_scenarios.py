"""The whole loop on the real Gitea: real pushes, webhooks, forks, comments and merges, and the bot
between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.reports_comment import MARKER
from tests.fakes.executor_memory import Hold, Succeed
from tests.fakes.githost import model
from tests.gitea.process import GiteaProcess, Refused
from tests.gitea.world import GiteaWorld, opened_gitea
from tests.scenarios.talk import Talk
from tests.scenarios.world import FILES, Said

pytestmark = pytest.mark.xdist_group("gitea")


@pytest.fixture
def world(gitea: GiteaProcess, tmp_path: Path) -> Iterator[GiteaWorld]:
    with opened_gitea(gitea, tmp_path) as made:
        made.executor.untrusted = True
        made.push(FILES)
        made.run(5)
        yield made


@pytest.fixture
def talk(world: GiteaWorld) -> Talk:
    return Talk(world).people()


def merge(world: GiteaWorld, request: model.Request) -> int:
    """HTTP's status of what a click on Merge gets."""
    try:
        world.api("POST", f"/pulls/{request.number}/merge", {"Do": "merge"}, by="ada")
    except Refused as refused:
        return refused.status
    return 200


def telling(world: GiteaWorld, request: model.Request) -> list[model.Comment]:
    """Comments that tell of the builds."""
    said = world.host.comments(world.repository, request.number)
    return [comment for comment in said if comment.body.startswith(MARKER)]


def history(world: GiteaWorld, sha: str, context: str = "") -> list[Said]:
    """All that was ever said of a context, oldest first."""
    rows = world.api("GET", f"/commits/{sha}/statuses?sort=oldest&limit=50")
    wanted = f"pushwright{context}"
    return [(row["status"], row["description"]) for row in rows if row["context"] == wanted]


def ran(world: GiteaWorld, sha: str) -> list[str]:
    return [run.image for run in world.runs() if run.sha == sha]


def test_a_push_becomes_images_and_a_green_status(world: GiteaWorld) -> None:
    world.executor.usual = Hold()
    sha = world.push("services/api/main.py")
    world.run(5)
    assert ran(world, sha) == ["api"]
    world.executor.end("api")
    world.run(5)
    for context in ("", "/api"):
        *before, last = history(world, sha, context)
        assert {state for state, _ in before} == {"pending"}
        assert last[0] == "success"
        assert "api:main" in last[1]
    assert world.tags("api")["main"] == world.built("api", sha)


def test_a_tag_names_what_is_built(world: GiteaWorld) -> None:
    sha = world.push("services/api/main.py")
    world.run(5)
    world.tag_commit("v1.2.0", sha)
    world.run(5)
    assert world.tags("api")["1.2.0"] == world.built("api", sha)
    assert world.state(sha, " (tag)") == "success"


def test_a_force_push_keeps_the_name_though_the_older_build_ends_last(world: GiteaWorld) -> None:
    world.executor.usual = Hold()
    first = world.push("services/api/main.py")
    world.run(5)
    assert world.state(first) == "pending"
    world.executor.usual = Succeed()
    base = world.repository.git.run("rev-parse", f"{first}^").decode().strip()
    second = world.repository.git.commit({"services/api/other.py": "x"}, "Other", [base])
    world.refs(**{"heads/main": second})
    world.run()
    assert world.state(second) == "success"
    world.executor.end("api", first)
    world.run()
    assert world.state(first) == "success"
    assert world.tags("api")["main"] == world.built("api", second)


def test_a_force_push_withdraws_the_build_of_what_it_removes(world: GiteaWorld) -> None:
    text = FILES[".pushwright.yaml"] + "concurrency: {cancel-in-progress: true}\n"
    base = world.push({".pushwright.yaml": text})
    world.run(5)
    world.executor.usual = Hold()
    first = world.push("services/api/main.py")
    world.run(5)
    assert ran(world, first) == ["api"]
    world.executor.usual = Succeed()
    second = world.repository.git.commit({"services/api/other.py": "x"}, "Other", [base])
    world.refs(**{"heads/main": second})
    world.run(30)
    assert all(run.cancelled for run in world.executor.of("api", first))
    assert world.status(first) == ("error", f"superseded by {second[:7]}")
    assert world.state(second) == "success"
    assert world.tags("api")["main"] == world.built("api", second)


def test_a_deleted_branch_ends_its_build(world: GiteaWorld) -> None:
    world.executor.usual = Hold()
    sha = world.push("services/api/main.py", "release/1")
    world.run(5)
    assert ran(world, sha) == ["api"]
    world.refs(**{"heads/release/1": None})
    world.run(30)
    assert all(run.cancelled for run in world.executor.of("api", sha))
    assert world.status(sha) == ("error", "cancelled: branch release/1 was deleted")
    assert "release-1" not in world.tags("api")


def test_a_request_of_the_repository_is_built_with_its_own_tag(
    talk: Talk, world: GiteaWorld
) -> None:
    sha = world.push("services/api/main.py", "topic")
    request = world.request("topic")
    world.run()
    assert request.head_sha == sha
    assert world.state(sha) == "success"
    assert world.tags("api")[f"pr-{request.number}"] == world.built("api", sha)


def test_a_strangers_fork_waits_for_a_maintainers_approval_of_that_commit(
    talk: Talk, world: GiteaWorld
) -> None:
    fork, request = talk.fork_request()
    first = request.head_sha
    world.run(30)
    assert world.status(first) == ("pending", f"waiting for /ok-to-test {first}")
    assert ran(world, first) == []
    refused = talk.say("/ok-to-test", request, by="mallory")
    world.run(5)
    assert talk.reaction(refused) == "refused"
    assert ran(world, first) == []
    approved = talk.say("/ok-to-test", request, by="ada")
    world.run()
    assert "eyes" in talk.reactions(approved)
    assert talk.reaction(approved) == "accepted"
    assert ran(world, first) == ["api"]
    assert world.state(first) == "success"
    assert f"pr-{request.number}" not in world.tags("api")
    again = talk.say("/retest api", request, by="mallory")
    world.run(5)
    assert talk.reaction(again) == "refused"
    assert "api succeeded; the author of a fork builds again what failed" in talk.replies()[-1]
    second = talk.fork_commit(fork)
    world.run(30)
    assert request.head_sha == second
    assert world.status(second) == ("pending", f"waiting for /ok-to-test {second}")
    assert ran(world, second) == []
    assert talk.reaction(talk.say(f"/ok-to-test {second}", request)) == "accepted"
    world.run()
    assert ran(world, second) == ["api"]
    assert ran(world, first) == ["api"], "once"


def test_a_push_right_before_the_comment_is_not_approved(talk: Talk, world: GiteaWorld) -> None:
    """Read the old head, comment: meanwhile there is a new one."""
    fork, request = talk.fork_request()
    read = request.head_sha
    world.run(30)
    evil = talk.fork_commit(fork)
    comment = talk.say("/ok-to-test", request)
    world.run(30)
    assert talk.reaction(comment) == "refused"
    assert f"paste: /ok-to-test {evil}" in talk.replies()[-1]
    assert ran(world, read) == ran(world, evil) == []


def test_comments_command_and_one_comment_tells(talk: Talk, world: GiteaWorld) -> None:
    world.executor.usual = Hold()
    sha = world.push("services/api/main.py", "topic")
    request = world.request("topic")
    world.run(5)
    assert world.state(sha) == "pending"
    cancelled = talk.say("/cancel", request)
    world.executor.usual = Succeed()
    world.run(30)
    assert talk.reaction(cancelled) == "accepted"
    assert world.state(sha) != "success"
    again = talk.say("/rebuild", request)
    world.run(30)
    assert talk.reaction(again) == "accepted"
    assert world.state(sha) == "success"
    built = ran(world, sha)
    withdrawn = talk.send("/rebuild", request)
    world.host.delete_comment(world.repository, withdrawn.id)
    world.run(30)
    assert ran(world, sha) == built, "what was deleted before it was handled asks nothing"
    asked = talk.say("/help", request)
    world.run(5)
    assert talk.reaction(asked) == "accepted"
    assert "/rebuild" in talk.replies()[-1]
    (told,) = telling(world, request)
    assert sha[:12] in told.body
    later = world.push("services/api/main.py", "topic")
    world.run(60)
    (edited,) = telling(world, request)
    assert edited.id == told.id, "edited in place"
    assert f"docker pull reg.test/acme/shop/api@{world.built('api', later)}" in edited.body


def test_a_protected_branch_merges_once_the_status_is_green(talk: Talk, world: GiteaWorld) -> None:
    rule = {
        "rule_name": "main",
        "enable_push": True,
        "enable_status_check": True,
        "status_check_contexts": ["pushwright"],
        "block_admin_merge_override": True,
    }
    world.api("POST", "/branch_protections", rule)
    world.executor.usual = Hold()
    sha = world.push("services/api/main.py", "topic")
    request = world.request("topic")
    world.run(5)
    assert world.state(sha) == "pending"
    assert merge(world, request) == 405
    world.executor.usual = Succeed()
    world.executor.end("api", sha)
    world.run()
    assert world.state(sha) == "success"
    assert merge(world, request) == 200
    world.run()
    merged = world.api("GET", "/branches/main")["commit"]["id"]
    assert world.state(merged) == "success"
    assert world.tags("api")["main"] == world.built("api", merged)
