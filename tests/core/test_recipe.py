"""Recipes: what counts for their hash, needs put in, and one document per attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.ids import Digest, ImageKey, RepositoryId, Sha, SourceName, Trust
from bot.core.recipe import (
    Attempt,
    BuildOf,
    LastDigests,
    NeedMissing,
    RecipeInput,
    RecipeNeed,
    attempt_document,
    cache_candidates,
    canonical,
    final_recipe,
    identity,
    recipe_document,
    recipe_hash,
)
from bot.core.repoconfig import Checkout, Image

SHA = Sha("a" * 40)
DIGEST = Digest("sha256:" + "d" * 64)
NAME = "reg.test/acme/api"


def document(**more: Any) -> dict[str, object]:
    defaults: dict[str, Any] = {
        "image": Image(ImageKey("api"), ()),
        "checkout": Checkout(),
        "clone_url": "https://git.test/acme/shop.git",
        "sha": SHA,
        "push": NAME,
        "insecure": False,
        "args": {},
        "labels": {},
        "annotations": {},
    }
    return recipe_document(RecipeInput(**defaults | more))


def part(recipe: Mapping[str, object], name: str) -> dict[str, Any]:
    found = recipe[name]
    assert isinstance(found, dict)
    return found


def test_the_hash_does_not_depend_on_the_order_of_arguments_or_secrets() -> None:
    one = document(args={"A": "1", "B": "2"}, secrets=("x", "y"))
    other = document(args={"B": "2", "A": "1"}, secrets=("y", "x"))
    assert recipe_hash(one) == recipe_hash(other)


@pytest.mark.parametrize(
    "more",
    [
        {"args": {"A": "2"}},
        {"labels": {"a": "b"}},
        {"sha": Sha("b" * 40)},
        {"push": None},
        {"push": "reg.test/other"},
        {"secrets": ("npm",)},
        {"checkout": Checkout(lfs=True)},
        {"image": Image(ImageKey("api"), (), target="final")},
        {"image": Image(ImageKey("api"), (), no_cache=True)},
        {"network": "host"},
    ],
)
def test_what_decides_the_image_counts(more: dict[str, Any]) -> None:
    assert recipe_hash(document(**more)) != recipe_hash(document())


def test_tags_key_and_cache_of_an_image_do_not_count() -> None:
    other = Image(ImageKey("other"), (), cache="none", cache_from=("reg.test/x",), required=True)
    assert recipe_hash(document(image=other)) == recipe_hash(document())


def test_needs_stand_by_identity_and_then_by_digest() -> None:
    needs = (
        RecipeNeed(ImageKey("base"), None, "1" * 64, None),
        RecipeNeed(ImageKey("tools"), "TOOLS", "2" * 64, None),
        RecipeNeed(ImageKey("old"), "OLD", None, f"reg.test/old@{DIGEST}"),
    )
    planned = document(needs=needs)
    assert part(planned, "build")["args"] == {"OLD": f"reg.test/old@{DIGEST}"}
    built = {
        ImageKey("base"): ("reg.test/base", DIGEST),
        ImageKey("tools"): ("reg.test/tools", DIGEST),
    }
    final = final_recipe(planned, built)
    assert part(final, "build")["contexts"] == {"base": f"docker-image://reg.test/base@{DIGEST}"}
    assert part(final, "build")["args"]["TOOLS"] == f"reg.test/tools@{DIGEST}"
    assert "needs" not in final
    assert part(planned, "build")["contexts"] == {}, "the plan's recipe is left as it was"
    with pytest.raises(NeedMissing, match="base"):
        final_recipe(planned, {})


def test_attempts_differ_in_reference_and_cache_and_not_in_their_recipe() -> None:
    final = final_recipe(document(), {})
    one = attempt_document(final, Attempt(1, cache_from=(f"{NAME}@{DIGEST}",)))
    two = attempt_document(final, Attempt(2, limits={"timeout_seconds": 60}))
    short = recipe_hash(final)[:8]
    assert part(one, "push") == {
        "reference": f"{NAME}:git-aaaaaaaaaaaa-{short}-1",
        "insecure": False,
    }
    assert part(two, "push")["reference"].endswith(f"-{short}-2")
    assert part(one, "cache") == {"mode": "inline", "from": [f"{NAME}@{DIGEST}"], "to": None}
    assert part(two, "limits") == {"timeout_seconds": 60}
    assert one["source"] == two["source"]
    assert one["build"] == two["build"]


def test_a_check_only_attempt_has_no_reference() -> None:
    assert attempt_document(final_recipe(document(push=None), {}), Attempt(1))["push"] is None


def test_an_identity_names_each_of_its_parts() -> None:
    one = (SourceName("gh"), RepositoryId(1), ImageKey("api"), SHA, "h", Trust.TRUSTED)
    others = (
        (SourceName("gl"), *one[1:]),
        (one[0], RepositoryId(2), *one[2:]),
        (*one[:2], ImageKey("web"), *one[3:]),
        (*one[:3], Sha("b" * 40), *one[4:]),
        (*one[:4], "i", one[5]),
        (*one[:5], Trust.UNTRUSTED),
    )
    found = {identity(BuildOf(*parts)) for parts in (one, *others)}
    assert len(found) == 7
    assert identity(BuildOf(*one)) == identity(BuildOf(*one))


def test_cache_candidates_are_pinned_once_each_and_best_first() -> None:
    other = Digest("sha256:" + "e" * 64)
    known = LastDigests(ref=None, target=DIGEST, default=DIGEST, full=other)
    assert cache_candidates(NAME, known, ("reg.test/extra:main",)) == (
        f"{NAME}@{DIGEST}",
        f"{NAME}@{other}",
        "reg.test/extra:main",
    )
    assert cache_candidates(NAME, LastDigests()) == ()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_equal_values_have_one_text(value: dict[str, object]) -> None:
    again = json.loads(json.dumps(value))
    shuffled = dict(reversed(list(value.items())))
    assert canonical(value) == canonical(again) == canonical(shuffled)
    assert json.loads(canonical(value)) == again
