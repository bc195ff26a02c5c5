"""`/promote` where more than the default branch's file has a word: the central config, images with
two names, a file with mistakes, and a registry that lost what was built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.ids import HostKind, Sha
from tests.fakes.registry_memory import nothing
from tests.scenarios.talk import Talk
from tests.scenarios.world import World, opened

ONE, TWO = "reg.test/acme/api", "two.test/acme/api"
TEXT = f"""\
version: 1
images:
  api: {{context: ., image: [{ONE}, {TWO}]}}
promote: {{allow: [prod]}}
"""
FILES = {".pushwright.yaml": TEXT, "Dockerfile": "FROM scratch\n"}


@pytest.fixture
def kind() -> HostKind:
    """None of it is the host's."""
    return HostKind.GITHUB


@pytest.fixture
def talk(kind: HostKind, tmp_path: Path) -> Iterator[Talk]:
    with opened(kind, tmp_path) as world:
        found = Talk(world).people()
        yield found


@pytest.fixture
def world(talk: Talk) -> World:
    return talk.world


def test_both_names_of_an_image_get_the_tag(talk: Talk, world: World) -> None:
    sha = world.push(FILES)
    world.run()
    built = world.built("api", sha)
    assert talk.reaction(talk.say("/promote api to prod", sha=sha, by="olga")) == "accepted"
    assert world.images.tags(ONE)["prod"] == world.images.tags(TWO)["prod"] == built
    (answer,) = talk.replies()
    assert f"{ONE}:prod  (new)" in answer
    assert f"{TWO}:prod  (new)" in answer


def test_a_name_that_the_central_config_took_away_is_not_written(talk: Talk, world: World) -> None:
    """Both or none: what one name may not have, the other does not get either."""
    sha = world.push(FILES)
    world.run()
    written = list(world.images.writes)
    world.configure(repositories=[{"match": "acme/*", "images": ["reg.test/**"]}])
    comment = talk.say("/promote api to prod", sha=sha, by="olga")
    assert talk.reaction(comment) == "refused"
    (answer,) = talk.replies()
    assert f"the central config does not let this repository write {TWO}" in answer
    assert world.images.writes == written


def test_a_default_branch_whose_file_has_mistakes_allows_nothing(talk: Talk, world: World) -> None:
    sha = world.push(FILES)
    world.run()
    written = list(world.images.writes)
    world.push({".pushwright.yaml": TEXT + "wrong: 1\n"})
    world.run()
    comment = talk.say("/promote api to prod", sha=sha, by="olga")
    assert talk.reaction(comment) == "refused"
    assert "the default branch's file has mistakes" in talk.replies()[-1]
    assert world.images.writes == written
    mended = Sha(world.push({".pushwright.yaml": TEXT}))
    world.run()
    talk.say(f"/promote api@{sha} to prod", sha=mended, by="olga")
    assert world.images.tags(ONE)["prod"] == world.built("api", sha)


def test_an_image_that_the_registry_lost_is_not_promoted(talk: Talk, world: World) -> None:
    sha = world.push(FILES)
    world.run()
    written = list(world.images.writes)
    world.images.lose(ONE)
    comment = talk.say("/promote api to prod", sha=sha, by="olga")
    assert talk.reaction(comment) == "refused"
    gone = f"the registry has no {ONE}@{world.built('api', sha)} any more; build it again first"
    assert gone in talk.replies()[0]
    assert world.images.writes == written
    talk.say("/build api", sha=sha)
    world.run()
    talk.say("/promote api to prod", sha=sha, by="olga")
    assert world.images.tags(ONE)["prod"] == world.built("api", sha)


def promoted(talk: Talk, world: World) -> tuple[Sha, Sha]:
    """Two commits that are built, the first of which is `prod`."""
    shas = []
    for files in (FILES, {"x": "x"}):
        shas.append(world.push(files))
        world.run()
    talk.say("/promote api to prod", sha=shas[0], by="olga")
    return shas[0], shas[1]


def test_what_a_tag_was_is_told_though_a_registry_failed_half_way(talk: Talk, world: World) -> None:
    """Tried again, and by another worker, the first name's tag is found moved already."""
    first, second = promoted(talk, world)
    old, new = world.built("api", first), world.built("api", second)

    def fail_at_the_second_name() -> None:
        world.images.down = world.images.tags(ONE)["prod"] == new

    world.images.before_move = fail_at_the_second_name
    talk.say("/promote api to prod", sha=second, by="olga")
    assert (world.images.tags(ONE)["prod"], world.images.tags(TWO)["prod"]) == (new, old)
    assert len(talk.replies()) == 1
    (begun,) = [text for text in world.journal("promotion") if new in text]
    assert f"{ONE}:prod (was {old}), {TWO}:prod (was {old})" in begun
    world.images.before_move, world.images.down = nothing, False
    world.restart()
    world.run(60)
    assert world.images.tags(TWO)["prod"] == new
    answer = talk.replies()[-1]
    assert f"{ONE}:prod  (was {old})" in answer
    assert f"/promote api@{old} to prod" in answer
    assert len(world.journal("promotion")) == 2, "begun once each"


def test_what_the_registry_took_is_told_beside_what_it_refused(talk: Talk, world: World) -> None:
    first, second = promoted(talk, world)
    old, new = world.built("api", first), world.built("api", second)
    world.images.refuses = {f"{TWO}:prod"}
    comment = talk.say("/promote api to prod", sha=second, by="olga")
    assert talk.reaction(comment) == "refused"
    answer = talk.replies()[-1]
    assert f"{ONE}:prod  (was {old})" in answer
    assert f"{TWO}:prod  (the registry did not take it: it exists and the registry" in answer
    assert f"/promote api@{old} to prod" in answer
    assert world.journal("command")[0].endswith(f"promoted {new} to prod; {TWO}:prod refused")
    world.images.overwrite(ONE, "prod", old)
    world.run(60)
    assert world.images.tags(ONE)["prod"] == new, "read back, as every promoted tag"


def test_a_command_undoes_only_what_a_command_can(talk: Talk, world: World) -> None:
    """What somebody else's image was before is no build that could be promoted again."""
    _, second = promoted(talk, world)
    theirs = world.images.push(ONE, "prod", "by hand")
    talk.say("/promote api to prod", sha=second, by="olga")
    answer = talk.replies()[-1]
    assert f"{ONE}:prod by hand to {theirs}" in answer
    assert f"/promote api@{theirs}" not in answer
