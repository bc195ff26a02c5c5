"""Mutable tags: who owns them, who is told, and what happens when the registry says no."""

from __future__ import annotations

from tests.fakes.executor_memory import Hold, Succeed
from tests.scenarios.world import ONE_IMAGE, World, name

CONFIG = """\
version: 1
images:
  shop:
    tags: ["type=ref,event=branch", "type=ref,event=tag", "type=semver,pattern={{version}}"]
"""
SHOP = ONE_IMAGE | {".pushwright.yaml": CONFIG}
API = "services/api/app.txt"


def test_an_older_build_that_ends_last_moves_nothing(world: World) -> None:
    world.executor.usual = Hold()
    first = world.push(SHOP)
    world.run(30)
    second = world.push("a.txt")
    world.run(30)
    world.executor.end("shop", second)
    world.run(60)
    newest = world.built("shop", second)
    assert world.tags()["main"] == newest
    world.executor.end("shop", first)
    world.run(60)
    assert world.tags()["main"] == newest
    assert not any(w.endswith(world.built("shop", first)) for w in world.images.writes)
    assert world.state(first) == "success"
    assert "main stays with a newer commit" in world.status(first)[1]


def test_latest_stays_at_the_highest_version(world: World) -> None:
    old = world.push(SHOP)
    world.run()
    new = world.push("a.txt")
    world.run()
    world.tag_commit("v2.3.0", new)
    world.run()
    assert world.tags()["latest"] == world.built("shop", new)
    world.tag_commit("v1.9.6", old)
    world.run()
    assert world.tags()["1.9.6"] == world.built("shop", old)
    assert world.tags()["latest"] == world.built("shop", new)
    assert world.state(old, " (tag)") == "success"
    assert "latest stays at 2.3.0" in world.status(old, " (tag)")[1]


def test_a_name_that_no_registry_takes_is_told(world: World) -> None:
    config = "version: 1\nimages: {shop: {on: {push: {}}, tags: ['type=ref,event=branch', a]}}\n"
    sha = world.push(SHOP | {".pushwright.yaml": config}, "-x")
    world.run()
    assert set(world.tags()) == {"a"}
    assert world.state(sha) == "success"
    assert "`-x` is no tag: it begins with `-`" in world.status(sha)[1]


def test_a_tag_of_a_built_commit_moves_manifests_only(world: World) -> None:
    sha = world.push(SHOP)
    world.run()
    world.tag_commit("v1.0.0", sha)
    world.run()
    assert world.ran() == [sha]
    built = world.built("shop", sha)
    assert world.tags() == dict.fromkeys(("main", "v1.0.0", "1.0.0", "latest"), built)
    assert world.state(sha, " (tag)") == "success"
    assert world.status(sha)[0] == "success", "the commit's own status stays"


def test_two_registries_hold_the_same_digest(world: World) -> None:
    names = "    image: [reg.test/acme/shop, two.test/mirror/shop]\n"
    sha = world.push(SHOP | {".pushwright.yaml": CONFIG + names})
    world.run()
    built = world.built("shop", sha)
    assert world.tags() == {"main": built}
    assert world.images.tags("two.test/mirror/shop") == {"main": built}
    assert world.state(sha) == "success"


def test_a_refused_tag_fails_the_build_and_says_where_the_image_is(world: World) -> None:
    sha = world.push(SHOP)
    world.run()
    world.images.refuses.add(f"{name('shop')}:1.0.0")
    world.tag_commit("v1.0.0", sha)
    world.run()
    state, text = world.status(sha, "/shop (tag)")
    assert state == "failure"
    assert "tag 1.0.0 refused: it exists and the registry forbids overwriting" in text
    assert world.state(sha, " (tag)") == "failure"
    assert world.tags()["v1.0.0"] == world.built("shop", sha), "the other tags are written"
    assert world.state(sha) == "success", "the branch got all that it asked for"


def test_a_refused_tag_of_a_branch(world: World) -> None:
    world.images.refuses.add(f"{name('shop')}:main")
    sha = world.push(SHOP)
    world.run()
    state, text = world.status(sha, "/shop")
    assert state == "failure"
    assert f"image pushed as {name('shop')}@sha256:" in text
    (build,) = world.builds()
    assert build.outcome is not None
    assert "tag main refused: it exists and the registry" in build.outcome.message


def test_a_branch_named_as_a_tag(world: World) -> None:
    """Both want `v1`: the later arrival has it, and neither build is lost."""
    text = CONFIG + '    on: {push: {branches: ["**"], tags: ["v*"]}}\n'
    main = world.push(SHOP | {".pushwright.yaml": text})
    world.run()
    branch = world.push("a.txt", "v1")
    world.run()
    world.tag_commit("v1", main)
    world.run()
    assert world.tags()["v1"] == world.built("shop", main)
    assert world.state(branch) == world.state(main, " (tag)") == "success"
    again = world.push("b.txt", "v1")
    world.run()
    assert world.tags()["v1"] == world.built("shop", again)


def test_a_tag_that_moves_takes_its_names_along(world: World) -> None:
    first = world.push(SHOP)
    world.tag_commit("v1.0.0", first)
    world.run()
    second = world.push("a.txt")
    world.run()
    world.refs(**{"tags/v1.0.0": second})
    world.run()
    assert world.tags()["1.0.0"] == world.tags()["v1.0.0"] == world.built("shop", second)
    world.refs(**{"tags/v1.0.0": None})
    world.run()
    assert world.tags()["1.0.0"] == world.built("shop", second), "images stay"


def test_an_annotated_tag_is_its_commit(world: World) -> None:
    sha = world.push(SHOP)
    world.run()
    world.host.annotated_tag(world.repository, "v1.0.0", sha)
    world.run()
    assert world.ran() == [sha]
    assert world.tags()["1.0.0"] == world.built("shop", sha)
    assert world.state(sha, " (tag)") == "success"


def test_somebody_elses_tag_is_left_alone_and_journalled(world: World) -> None:
    sha = world.push(SHOP)
    world.run(20)
    other = world.images.push(name("shop"), "theirs", "by hand")
    world.images.overwrite(name("shop"), "main", other)
    world.run()
    assert world.tags()["main"] == other
    (entry,) = world.journal("tag-overwritten")
    assert "main was moved by somebody else" in entry
    assert world.state(sha) == "success"


def test_a_late_writer_is_put_right_within_a_lease(world: World) -> None:
    first = world.push(SHOP)
    world.run()
    second = world.push("a.txt")
    world.run(10)
    assert world.tags()["main"] == world.built("shop", second)
    world.images.overwrite(name("shop"), "main", world.built("shop", first))
    world.run(40)
    assert world.tags()["main"] == world.built("shop", second)


def test_two_images_that_claim_one_tag_are_a_mistake(world: World) -> None:
    text = (
        "version: 1\nimages:\n  a: {image: reg.test/acme/x}\n"
        "  b: {image: reg.test/acme/x, context: b}\n"
    )
    sha = world.push(ONE_IMAGE | {".pushwright.yaml": text, "b/Dockerfile": "FROM scratch"})
    world.run()
    state, said = world.status(sha)
    assert state == "failure"
    assert "both claim reg.test/acme/x:main" in said
    assert world.runs() == []


def test_a_build_in_the_queue_is_joined_by_a_tag(world: World) -> None:
    world.executor.usual = Hold()
    sha = world.push(SHOP)
    world.run(30)
    world.tag_commit("v1.0.0", sha)
    world.run(30)
    world.executor.usual = Succeed()
    world.executor.end("shop")
    world.run()
    assert world.ran() == [sha]
    assert set(world.tags()) == {"main", "v1.0.0", "1.0.0", "latest"}
    assert world.state(sha) == world.state(sha, " (tag)") == "success"
