"""Under which names and tags images are planned, what is withheld, and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.facts import KnownPaths
from bot.core.ids import ImageKey
from bot.core.planning import plan
from bot.core.planning_names import sort_text
from bot.core.plans import SequenceOrder, VersionOrder
from bot.core.versions import parse_loose, parse_pep440, parse_semver
from tests.core.scene import (
    CENTRAL,
    RULE,
    claim,
    config,
    facts,
    image,
    pushed,
    skipped,
    tagged,
    tags,
)

API = ImageKey("api")


def test_one_image_has_the_repositorys_name_and_several_have_their_keys_behind() -> None:
    one = config("version: 1\nimages: {api: {}}\n")
    assert image(plan(facts(pushed(), config=one)), "api").names == ("reg.test:5000/acme/shop",)
    both = config("version: 1\nimages: {api: {}, worker: {}}\n")
    found = plan(facts(pushed(), config=both))
    assert image(found, "api").names == ("reg.test:5000/acme/shop/api",)
    assert image(found, "worker").names == ("reg.test:5000/acme/shop/worker",)


def test_several_names_are_tagged_in_their_order_and_the_first_is_pushed() -> None:
    rule = replace(RULE, images=("one.test/**", "two.test/**"))
    both = config("version: 1\nimages: {api: {image: [one.test/api, two.test/api]}}\n")
    found = image(plan(facts(pushed(), config=both, rule=rule)), "api")
    assert [tag.reference for tag in found.tags] == [
        "one.test/api:main",
        "one.test/api:sha-aaaaaaa",
        "two.test/api:main",
        "two.test/api:sha-aaaaaaa",
    ]
    assert found.recipe["push"] == {"name": "one.test/api", "insecure": False}


def test_a_name_of_somebody_else_is_a_mistake_at_its_place() -> None:
    other = config("version: 1\nimages:\n  api:\n    image: reg.test:5000/other/api\n")
    (wrong,) = claim(plan(facts(pushed(), config=other))).mistakes
    assert (wrong.file, wrong.line, wrong.column) == (".pushwright.yaml", 4, 12)
    assert "reg.test:5000/other/api" in wrong.message
    assert "reg.test:5000/acme/shop" in (wrong.hint or "")


def test_a_cache_of_somebody_else_is_a_mistake() -> None:
    other = config("version: 1\nimages: {api: {cache-from: ['reg.test:5000/other/api:cache']}}\n")
    (wrong,) = claim(plan(facts(pushed(), config=other))).mistakes
    assert "reg.test:5000/other/api:cache" in wrong.message


def test_an_image_whose_names_are_switched_off_is_skipped() -> None:
    off = config(
        "version: 1\nimages: {api: {image: ['name=reg.test:5000/acme/shop,enable=false']}}\n"
    )
    found = plan(facts(pushed(), config=off))
    assert skipped(found) == {"api": "every name under `image` is switched off for this event"}


def test_without_a_registry_a_name_must_be_given() -> None:
    central = replace(CENTRAL, default_registry=None)
    (wrong,) = claim(plan(facts(pushed(), central=central))).mistakes
    assert "no default registry" in wrong.message


# -- tags ------------------------------------------------------------------------------------

COLLIDING = """\
version: 1
images:
  api: {image: reg.test:5000/acme/shop, on: {push: {branches: [main], paths: ["api/**"]}}}
  web: {image: reg.test:5000/acme/shop, on: {push: {branches: [main], paths: ["web/**"]}}}
"""


def test_two_images_that_claim_one_tag_are_a_mistake_whatever_changed() -> None:
    changed = {API: KnownPaths(("api/x",)), ImageKey("web"): KnownPaths(("api/x",))}
    found = claim(plan(facts(pushed(), config=config(COLLIDING), changed=changed)))
    assert found.images == ()
    assert [one.line for one in found.mistakes] == [4, 4]
    assert "images api and web both claim reg.test:5000/acme/shop:main" in found.mistakes[0].message


VERSIONS = """\
version: 1
images:
  api:
    on: {push: {tags: ["v*"]}}
    tags: ["type=semver,pattern={{version}}", "type=semver,pattern={{major}}"]
"""


def test_versions_leave_names_to_higher_git_tags_of_the_repository() -> None:
    git_tags = ("v1.9.6", "v1.9.5", "v2.3.0")
    found = plan(facts(tagged("v1.9.6"), config=config(VERSIONS), git_tags=git_tags))
    assert tags(found, "api") == ["1.9.6", "1"]
    assert [tag.withheld for tag in image(found, "api").tags] == [
        None,
        None,
        "latest stays at 2.3.0",
    ]


def test_a_lower_patch_leaves_its_minor_alone() -> None:
    found = plan(facts(tagged("v1.9.5"), config=config(VERSIONS), git_tags=("v1.9.5", "v1.9.6")))
    withheld = [tag.withheld for tag in image(found, "api").tags]
    assert withheld == [None, "1 stays at 1.9.6", "latest stays at 1.9.6"]


def test_a_name_that_no_registry_takes_is_told_and_collides_with_nothing() -> None:
    both = (
        f"  {key}:\n    image: reg.test:5000/acme/shop\n    on: [push]\n"
        f"    tags: ['type=ref,event=branch', 'type=sha,prefix={key}-']\n"
        for key in ("api", "web")
    )
    said = config("version: 1\nimages:\n" + "".join(both))
    found = plan(facts(pushed("-x"), config=said))
    assert found.claims[0].mistakes == ()
    assert tags(found, "web") == ["web-aaaaaaa"]
    assert [(tag.tag, tag.withheld) for tag in image(found, "web").left_out] == [
        ("-x", "`-x` is no tag: it begins with `-`")
    ]


def test_pushed_order_is_what_the_action_does() -> None:
    said = config(VERSIONS + "    latest-order: pushed\n")
    found = plan(facts(tagged("v1.9.6"), config=said, git_tags=("v1.9.6", "v2.3.0")))
    assert tags(found, "api") == ["1.9.6", "1", "latest"]
    assert {type(tag.order) for tag in image(found, "api").tags} == {SequenceOrder}


def test_versions_are_ordered_as_versions_and_heads_by_their_sequence() -> None:
    found = image(plan(facts(tagged("v1.9.6"), config=config(VERSIONS))), "api")
    assert all(isinstance(tag.order, VersionOrder) for tag in found.tags)
    branch = image(plan(facts(pushed())), "shop")
    assert all(isinstance(tag.order, SequenceOrder) for tag in branch.tags)


@pytest.mark.parametrize(
    ("parse", "rising"),
    [
        (parse_semver, ["0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2",
                        "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.10", "1.9.0", "1.10.0"]),
        (parse_pep440, ["1.0.dev1", "1.0a1.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0+local.1",
                        "1.0.post1", "1.1", "1!0.1"]),
        (parse_loose, ["2020.01", "2020.2-rc1", "2020.2", "2020.10", "2020.10.1"]),
    ],
)  # fmt: skip
def test_the_text_of_an_order_sorts_like_the_versions(parse: object, rising: list[str]) -> None:
    keys = []
    for text in rising:
        found = parse(text)  # type: ignore[operator]  # three parsers of one shape
        keys.append(sort_text(getattr(found, "version", found)))
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
