"""`/promote`: a built image gets more tags by its digest, where the default branch allows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.ids import HostKind
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.talk import Talk
from tests.scenarios.world import FILES, World, opened

ALLOWING = FILES | {
    ".pushwright.yaml": FILES[".pushwright.yaml"] + 'promote: {allow: [prod, "stable-*"]}\n'
}


@pytest.fixture
def talk(kind: HostKind, tmp_path: Path) -> Iterator[Talk]:
    with opened(kind, tmp_path) as world:
        found = Talk(world).people()
        world.push(ALLOWING)
        world.run()
        yield found


@pytest.fixture
def world(talk: Talk) -> World:
    return talk.world


def test_the_build_of_a_requests_head_gets_the_tag(talk: Talk, world: World) -> None:
    sha = world.push("services/api/main.py", "topic")
    request = world.request("topic")
    world.run()
    before = len(world.runs())
    comment = talk.say("/promote api to prod stable-1", request, by="olga")
    assert talk.reaction(comment) == "accepted"
    built = world.built("api", sha)
    assert world.tags("api")["prod"] == world.tags("api")["stable-1"] == built
    (answer,) = talk.replies()
    assert f"api@{built} (built from {sha[:12]}) is now also" in answer
    assert "reg.test/acme/shop/api:prod  (new)" in answer
    world.run()
    assert len(world.runs()) == before, "nothing was built"
    (entry,) = world.journal("command")
    assert entry.endswith(f"promoted {built} to prod, stable-1")


def test_the_answer_takes_it_back(talk: Talk, world: World) -> None:
    first = world.push("services/api/one.py")
    world.run()
    talk.say("/promote api to prod", sha=first, by="olga")
    old = world.tags("api")["prod"]
    second = world.push("services/api/two.py")
    world.run()
    talk.say("/promote api to prod", sha=second, by="olga")
    assert world.tags("api")["prod"] == world.built("api", second) != old
    undo = f"/promote api@{old} to prod"
    assert undo in talk.replies()[-1]
    talk.say(undo, sha=second, by="olga")
    assert world.tags("api")["prod"] == old


def test_what_is_named_is_promoted(talk: Talk, world: World) -> None:
    first = world.push("services/api/one.py")
    world.run()
    second = world.push("services/api/two.py")
    world.run()
    talk.say(f"/promote api@{first} to stable-1", sha=second, by="olga")
    assert world.tags("api")["stable-1"] == world.built("api", first)
    talk.say("/promote api:main to stable-2", sha=first, by="olga")
    assert world.tags("api")["stable-2"] == world.built("api", second)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("/promote api to latest", "does not allow latest; it allows prod, stable-*"),
        ("/promote api to pr-7", "pr-7 is a name that builds write themselves"),
        ("/promote api to cache-trusted-api", "is a name that builds write themselves"),
        ("/promote web to prod", "no build of web there succeeded"),
        (f"/promote api@{'e' * 40} to prod", "no build of api there succeeded"),
        (f"/promote api@sha256:{'e' * 64} to prod", "no build of api there succeeded"),
        ("/promote api:nightly to prod", "no build of api there succeeded"),
    ],
)
@ANY_HOST
def test_refusals(talk: Talk, world: World, body: str, why: str) -> None:
    sha = world.push("services/api/main.py")
    world.run()
    written = list(world.images.writes)
    talk.say(body, sha=sha, by="olga")
    assert why in talk.replies()[0]
    assert world.images.writes == written


def test_a_tag_that_builds_write_is_theirs(talk: Talk, world: World) -> None:
    text = ALLOWING[".pushwright.yaml"].replace("[prod,", "[main, prod,")
    sha = world.push({".pushwright.yaml": text, "services/api/main.py": "x"})
    world.run()
    talk.say("/promote api to main", sha=sha, by="olga")
    assert "api:main is written by builds" in talk.replies()[0]


def test_the_file_of_the_request_allows_nothing(talk: Talk, world: World) -> None:
    text = ALLOWING[".pushwright.yaml"].replace("[prod,", "[latest, prod,")
    world.push({".pushwright.yaml": text, "services/api/main.py": "x"}, "topic")
    request = world.request("topic")
    world.run()
    assert talk.reaction(talk.say("/promote api to latest", request, by="olga")) == "refused"
    assert "latest" not in world.tags("api")


def test_a_forks_build_is_never_promoted(talk: Talk, world: World) -> None:
    world.executor.untrusted = True
    _, request = talk.fork_request()
    world.run(30)
    talk.say(f"/ok-to-test {request.head_sha}", request)
    world.run()
    assert world.state(request.head_sha) == "success"
    assert talk.reaction(talk.say("/promote api to prod", request, by="olga")) == "refused"
    assert "came from trusted code" in talk.replies()[0]
    assert "prod" not in world.tags("api")


def test_a_promoted_tag_is_read_back(talk: Talk, world: World) -> None:
    """What a worker that stalled wrote late, and what the registry lost, is put right a lease
    later; what somebody else wrote is theirs."""
    shas = [world.push("services/api/one.py")]
    world.run()
    shas.append(world.push("services/api/two.py"))
    world.run()
    shop = "reg.test/acme/shop/api"
    for sha in shas:
        talk.say("/promote api to prod stable-1 stable-2", sha=sha, by="olga")
    old, new = (world.built("api", sha) for sha in shas)
    theirs = world.images.push(shop, "theirs", "by hand")
    world.images.overwrite(shop, "prod", old)
    world.images.delete_tag(shop, "stable-1")
    world.images.overwrite(shop, "stable-2", theirs)
    world.images.down = True
    world.run(31)
    world.images.down = False
    world.run(300)
    tags = world.tags("api")
    assert (tags["prod"], tags["stable-1"], tags["stable-2"]) == (new, new, theirs)
    told = world.journal("promoted-tag")
    assert len(told) == 3
    assert sum("was moved by somebody else" in text for text in told) == 1


def test_a_registry_that_refuses_or_is_down(talk: Talk, world: World) -> None:
    sha = world.push("services/api/main.py")
    world.run()
    world.images.refuses = {"reg.test/acme/shop/api:prod"}
    talk.say("/promote api to prod", sha=sha, by="olga")
    assert "the registry did not take it: it exists and the registry forbids" in talk.replies()[0]
    world.images.down = True
    talk.say("/promote api to stable-1", sha=sha, by="olga")
    world.run(30)
    assert len(talk.replies()) == 1
    world.images.down = False
    world.run(60)
    assert world.tags("api")["stable-1"] == world.built("api", sha)
    assert len(talk.replies()) == 2
