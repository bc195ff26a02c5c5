"""The build of `pushwright doctor --deep`: three in a row, each on an emptied daemon."""

from __future__ import annotations

import pytest

from bot.builder.trial import STEPS
from bot.core.findings import About
from bot.doctor.probes import missed
from tests.docker.site import Site


@pytest.mark.long
def test_the_second_and_third_of_three_builds_hit(site: Site) -> None:
    """It fetches nothing and has no base, so what misses is the cache. Caches are those that
    doctor gives: the image before, and the one that was built without a cache."""
    repository = site.repository()
    caches: list[str] = []
    for number in (1, 2, 3):
        site.daemon.empty()
        recipe = site.recipe(repository, "1" * 40, cache={"from": caches})
        ended = site.start(recipe, module="bot.builder.trial").wait()
        assert ended.kind == "succeeded", ended.result
        cache = ended.result["cache"]
        assert cache["steps"] == STEPS
        finding = missed(About("cluster", "chained builds"), number, ended.result)
        if number == 1:
            assert cache["hits"] in (0, None)
        elif site.buildx:
            assert finding is None, ended.result
        else:  # docker's own client tells no hit of a step that it did not pull
            assert cache["hits"] in (STEPS, None), ended.result
        caches = list(dict.fromkeys([site.pinned(recipe, ended), *caches[-1:]]))
