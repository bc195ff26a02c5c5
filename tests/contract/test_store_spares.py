"""Tags that nobody needs any more, as housekeeping asks for them."""

from __future__ import annotations

import pytest

from bot.core.builds import CacheUse
from bot.core.plans import Plan, RefSeen
from tests.contract.databases import Bench, branch, digest, head_tag, image, request_, sha

WEEK = 7 * 86400.0


def test_a_reference_is_spare_once_another_tag_holds_its_digest(bench: Bench) -> None:
    bench.push(branch(sha(1), image("api", sha(1), tags=[head_tag("main")])))
    build = bench.succeed(bench.start(), digest(1))
    assert bench.store.spare_tags(bench.now, 10) == []  # too young: the tag is read back first
    (spare,) = bench.store.spare_tags(bench.tick(700.0), 10)
    assert spare.name == "reg.example/api"
    assert spare.tag.startswith(f"git-{sha(1)[:12]}-")
    assert spare.tag.endswith("-1")
    assert spare.build_id == build.id
    bench.store.spare_removed(spare)
    assert bench.store.spare_tags(bench.tick(), 10) == []


def test_the_only_name_of_an_image_stays(bench: Bench) -> None:
    bench.push(branch(sha(1), image("api", sha(1), tags=[head_tag("main")])))
    bench.succeed(bench.start(), digest(1))
    bench.push(branch(sha(2), image("api", sha(2), tags=[head_tag("main")])))
    newer = bench.succeed(bench.start(), digest(2))
    spares = bench.store.spare_tags(bench.tick(700.0), 10)
    assert [spare.build_id for spare in spares] == [newer.id]


@pytest.mark.parametrize(
    ("daemon", "cache", "spare"),
    [
        ("20.10.24", CacheUse(0, 3), False),
        ("20.10.24", CacheUse(2, 3, found=1), True),
        ("29.2.0", CacheUse(0, 3), True),
    ],
)
def test_old_daemons_need_the_last_build_without_cache(
    bench: Bench, daemon: str, cache: CacheUse, *, spare: bool
) -> None:
    """Once `main` goes on, its reference alone keeps the registry from collecting it."""
    bench.push(branch(sha(1), image("api", sha(1), tags=[head_tag("main")])))
    bench.succeed(bench.start(), digest(1), cache, daemon)
    assert bool(bench.store.spare_tags(bench.tick(700.0), 10)) is spare


def test_names_of_a_request_are_spare_a_week_after_it_closed(bench: Bench) -> None:
    tags = [head_tag("pr-7"), head_tag("pr-7-abc")]
    bench.push(request_(sha(1), image("api", sha(1), tags=tags)))
    bench.succeed(bench.start(), digest(1))
    bench.push(request_(sha(2), image("api", sha(2), tags=[head_tag("pr-71")]), name="71"))
    bench.succeed(bench.start(), digest(2))
    bench.apply(Plan("closed", seen=(RefSeen("request/7", None),)))
    early = bench.store.spare_tags(bench.tick(WEEK - 60), 10)
    assert not [spare for spare in early if spare.build_id is None]
    late = bench.store.spare_tags(bench.tick(120.0), 10)
    names = sorted(spare.tag for spare in late if spare.build_id is None)
    assert names == ["pr-7", "pr-7-abc"]
    for spare in late:
        bench.store.spare_removed(spare)
    assert bench.store.spare_tags(bench.tick(), 10) == []
