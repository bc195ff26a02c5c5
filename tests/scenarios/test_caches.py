"""Which caches a build is offered and may write, and what is said of them."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from bot.attempts import Specs
from bot.core.builds import CacheUse
from bot.core.ids import HostKind, Trust
from bot.flow import Ports
from tests.fakes.executor_memory import Succeed
from tests.scenarios.hosts import ANY_HOST
from tests.scenarios.world import FILES, World

pytestmark = ANY_HOST


API = "reg.test/acme/shop/api"
REGISTRY = {
    **FILES,
    ".pushwright.yaml": FILES[".pushwright.yaml"].replace(
        "    context: services/api\n",
        "    context: services/api\n    cache: registry\n"
        "    cache-from: [reg.test/acme/shop/extra:cache]\n",
    ),
}
CHANGE = "services/api/app.txt"


@pytest.fixture
def kind() -> HostKind:
    """Caches know no host: one is enough."""
    return HostKind.GITHUB


def cache(world: World, sha: str, image: str = "api") -> dict[str, Any]:
    """The `cache` object of the recipe that the builder got."""
    (run,) = world.executor.of(image, sha)
    found: Any = run.spec.recipe["cache"]
    return {key: found[key] for key in ("mode", "from", "to")}


def test_inline_offers_the_last_of_its_ref_and_of_the_default_branch(world: World) -> None:
    first = world.push(FILES)
    world.run()
    assert cache(world, first) == {"mode": "inline", "from": [], "to": None}
    pinned = f"{API}@{world.built('api', first)}"
    second = world.push(CHANGE)
    world.run()
    assert cache(world, second) == {"mode": "inline", "from": [pinned], "to": None}
    branch = world.push(CHANGE, branch="release/1")
    world.run()
    newest = f"{API}@{world.built('api', second)}"
    assert cache(world, branch)["from"] == [newest]


def test_the_last_build_without_cache_is_offered_too(world: World) -> None:
    """dockerd up to 26 misses every second build without it."""
    world.executor.usual = Succeed(cache=CacheUse(0, 3))
    whole = world.push(FILES)
    world.run()
    world.executor.usual = Succeed(cache=CacheUse(2, 3, found=1))
    second = world.push(CHANGE)
    world.run()
    third = world.push(CHANGE)
    world.run()
    assert cache(world, third)["from"] == [
        f"{API}@{world.built('api', second)}",
        f"{API}@{world.built('api', whole)}",
    ]


def test_registry_mode_writes_one_reference_and_reads_it_back(world: World) -> None:
    first = world.push(REGISTRY)
    world.run()
    own, extra = f"{API}:cache-trusted-api", "reg.test/acme/shop/extra:cache"
    assert cache(world, first) == {"mode": "registry", "from": [own, extra], "to": own}
    second = world.push(CHANGE)
    world.run()
    pinned = f"{API}@{world.built('api', first)}"
    assert cache(world, second) == {"mode": "registry", "from": [pinned, own, extra], "to": own}


def test_untrusted_builds_and_checks_read_the_cache_and_never_write_it(world: World) -> None:
    sha = world.push(REGISTRY)
    world.run()
    build = next(one for one in world.builds() if one.image == "api" and one.sha == sha)
    host: Any = world.bot  # its specs are made of the same ports as the scheduler's
    specs = Specs(_ports(world, host))
    own = f"{API}:cache-trusted-api"
    for changed in (
        replace(build, trust=Trust.UNTRUSTED),
        replace(build, check_only=True),
    ):
        found: Any = specs.of(changed).recipe["cache"]
        assert found["to"] is None
        assert own in found["from"]
    written: Any = specs.of(build).recipe["cache"]
    assert written["to"] == own
    assert API in specs.of(build).registries  # its credential is the narrowest for that name


def _ports(world: World, bot: Any) -> Ports:
    return Ports(bot.store, bot._hosts, world.executor, world.clock, lambda: world.central)


def test_none_is_offered_nothing(world: World) -> None:
    text = REGISTRY[".pushwright.yaml"].replace("cache: registry", "cache: none")
    world.push({**REGISTRY, ".pushwright.yaml": text})
    world.run()
    sha = world.push(CHANGE)
    world.run()
    assert cache(world, sha) == {"mode": "none", "from": [], "to": None}


def test_a_tag_that_looks_like_a_cache_is_a_mistake(world: World) -> None:
    text = FILES[".pushwright.yaml"].replace('"type=ref,event=branch"', '"cache-trusted-api"', 1)
    sha = world.push({**FILES, ".pushwright.yaml": text})
    world.run()
    state, said = world.status(sha)
    assert state == "failure"
    assert "`cache-trusted-api` is reserved" in said


def test_a_broken_daemon_is_told_once_in_log_and_status(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "pushwright.scheduling")
    world.executor.usual = Succeed(daemon="27.0.3")
    first = world.push(FILES)
    world.run()
    second = world.push(CHANGE)
    world.run()
    note = "dockerd 27.0.3 has a broken inline cache"
    assert world.status(first, "/api")[1].endswith(f"; {note}")
    assert note not in world.status(second, "/api")[1]
    said = [record for record in caplog.records if "issues/5242" in record.getMessage()]
    assert len(said) == 1


def test_a_cache_in_vain_twice_running_is_told(world: World) -> None:
    world.executor.usual = Succeed(cache=CacheUse(0, 3, found=1))
    shas = [world.push(FILES)]
    world.run()
    shas.append(world.push(CHANGE))
    world.run()
    texts = [world.status(sha, "/api")[1] for sha in shas]
    assert ["twice running" in text for text in texts] == [False, True]
