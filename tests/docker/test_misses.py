"""The first instruction that ran and why, from progress as both clients print it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bot.builder.classes import BuildClass
from bot.builder.clients import Client, Kind
from bot.builder.commands import build_call, unsupported
from bot.builder.daemon import DaemonFacts
from bot.builder.dockerfile import chain_of, instruction_of, read_stages
from bot.builder.misses import Offer, Reading, summarise
from bot.builder.outcome import LIMIT, CacheSummary, Result, encode
from bot.builder.progress import Plain, RawJson, Vertex
from bot.builder.recipe import Recipe, parse
from bot.builder.tree import Inputs
from bot.executors.results import read_result

DOCKERFILE = """\
FROM base AS deps
COPY lock /
RUN install
FROM base AS common
RUN tools
FROM common
COPY --from=deps /d /d
COPY app /
RUN make
"""
NAMES = {
    "lock": "[deps 2/3] COPY lock /",
    "install": "[deps 3/3] RUN install",
    "tools": "[common 2/2] RUN tools",
    "deps": "[stage-2 1/3] COPY --from=deps /d /d",
    "app": "[stage-2 2/3] COPY app /",
    "make": "[stage-2 3/3] RUN make",
}
STAGES = read_stages(DOCKERFILE)
OFFER = Offer(candidates=2, found=1)


def _line(vertex: Vertex) -> int | None:
    found = instruction_of(STAGES, vertex.step) if vertex.step else None
    return found.line if found else None


READING = Reading("Dockerfile", STAGES, None, _line)


def told(hits: dict[str, bool], offer: Offer = OFFER) -> CacheSummary:
    """buildx's rawjson of a build in which these steps hit or ran, a second each."""
    progress = RawJson(lambda *_: None, lambda _: None)
    for key, hit in hits.items():
        item = {
            "digest": f"sha256:{key}",
            "name": NAMES[key],
            "cached": hit,
            "started": "2025-01-01T00:00:00Z",
            "completed": "2025-01-01T00:00:01Z",
        }
        progress.feed(json.dumps({"vertexes": [item]}).encode() + b"\n")
    return summarise(list(progress.vertices.values()), READING, offer)


ALL = dict.fromkeys(NAMES, True)


def test_a_full_hit_has_no_first_miss() -> None:
    found = told(ALL)
    assert (found.hits, found.steps, found.first_miss, found.why) == (6, 6, None, None)


def test_the_first_in_the_file_and_not_the_first_that_was_reported() -> None:
    found = told({"make": False, "app": False, **{key: True for key in NAMES if key != "app"}})
    assert found.first_miss == "[stage-2 2/3] COPY app / (Dockerfile:8)"
    assert found.why == "its files, their modes or the instruction changed"


@pytest.mark.parametrize(
    ("ran", "why"),
    [
        ({"make"}, "the instruction, or an argument or variable that it sees, changed"),
        (set(NAMES), "the base image, this instruction or what it reads is new"),
        ({"tools", "deps", "app", "make"}, "the instruction, or an argument or variable"),
    ],
)
def test_why(ran: set[str], why: str) -> None:
    offer = Offer(candidates=1, found=1, whole=True)
    found = told({key: key not in ran for key in NAMES}, offer)
    assert found.why is not None
    assert found.why.startswith(why)


@pytest.mark.parametrize(
    ("offer", "why"),
    [
        (Offer(), "there was no cache to read"),
        (Offer(no_cache=True), "`no-cache` is set"),
        (Offer(candidates=3), "none of the caches is in the registry"),
        (Offer(candidates=1, found=1, lost=True), "a layer of the cache is gone"),
        (Offer(candidates=1, found=1, blank=True), "hold no cache records"),
    ],
)
def test_why_nothing_could_hit(offer: Offer, why: str) -> None:
    found = told(dict.fromkeys(NAMES, False), offer)
    assert found.why is not None
    assert why in found.why


def test_a_stage_that_inline_cache_does_not_hold() -> None:
    ran = {"lock": True, "install": False, "tools": True, "deps": False, "app": False}
    found = told({**ran, "make": False})
    assert found.first_miss == "[deps 3/3] RUN install (Dockerfile:3)"
    assert found.why is not None
    assert found.why.startswith("stage deps is not in the image")
    assert (found.rerun_stages, found.rerun_seconds) == ("deps", 1.0)
    whole = told({**ran, "make": False}, Offer(candidates=1, found=1, whole=True))
    assert whole.why == "the instruction, or an argument or variable that it sees, changed"
    cold = told(dict.fromkeys(NAMES, False), Offer(candidates=1))
    assert cold.rerun_stages is None, "nothing could have held it"
    own = told({**ALL, "make": False, "tools": False})
    assert own.rerun_stages is None, "stages that the image is made of are held"


@pytest.mark.parametrize(
    ("target", "chain"),
    [
        (None, {"stage-2", "common"}),
        ("deps", {"deps"}),
        ("DEPS", {"deps"}),
        ("1", {"common"}),
        ("unknown", {"stage-2", "common"}),
    ],
)
def test_the_stages_that_an_image_is_made_of(target: str | None, chain: set[str]) -> None:
    assert chain_of(STAGES, target) == chain
    assert chain_of([], target) == frozenset()


def plain(*lines: str) -> CacheSummary:
    progress = Plain(lambda *_: None, lambda _: None)
    progress.feed("".join(f"{line}\n" for line in lines).encode())
    progress.close()
    return summarise(list(progress.vertices.values()), READING, OFFER)


def test_plain_output_leaves_the_first_miss_open_where_a_hit_may_be_unmarked() -> None:
    """A COPY that ran looks like a hit that docker 20.10 did not mark."""
    copied = (f"#7 {NAMES['app']}", "#7 DONE 0.1s", f"#8 {NAMES['make']}", "#8 0.2 made", "#8 DONE")
    found = plain(f"#6 {NAMES['deps']}", "#6 CACHED", *copied, "#8 DONE 0.3s")
    assert (found.hits, found.steps, found.first_miss, found.why) == (None, 3, None, None)


def test_plain_output_names_a_step_that_printed_after_marked_hits() -> None:
    ran = (f"#8 {NAMES['make']}", "#8 0.2 made", "#8 DONE 0.3s")
    found = plain(f"#6 {NAMES['deps']}", "#6 CACHED", f"#7 {NAMES['app']}", "#7 CACHED", *ran)
    assert (found.hits, found.steps) == (2, 3)
    assert found.first_miss == "[stage-2 3/3] RUN make (Dockerfile:9)"


def test_what_the_builder_writes_is_what_the_bot_reads() -> None:
    summary = CacheSummary(2, 5, 7, "[2/3] RUN x", 3, 1, "why so", "deps, app", 2.5)
    result = Result(kind=BuildClass.SUCCEEDED, cache=summary, client="buildx 1", daemon="29.2.0")
    found = read_result(encode(result))
    assert found is not None
    assert asdict(found.cache) == asdict(summary)
    assert (found.client, found.daemon) == ("buildx 1", "29.2.0")


def test_a_long_summary_stays_within_a_termination_message() -> None:
    long = "x" * 9000
    summary = CacheSummary(1, 2, 3, long, 4, 5, long, long, 1e9)
    result = Result(message=long, cache=summary, warnings=[long] * 9, client=long, daemon=long)
    assert len(encode(result)) <= LIMIT


# -- what reaches the build command ----------------------------------------------------------------

BUILDX = Client(Kind.BUILDX, "/b", "0.37.1")
DOCKER = Client(Kind.DOCKER, "/d", "20.10.24")
NEW = DaemonFacts("29.2.0", (29, 2, 0), containerd=True)
GRAPH = DaemonFacts("29.2.0", (29, 2, 0), containerd=False)
OLD = DaemonFacts("20.10.24", (20, 10, 24), containerd=False)
OPTIONS = "image-manifest=true,oci-mediatypes=true,ignore-error=true"
CACHE = "r.test/o/r:cache-trusted-api"
INPUTS = Inputs(Path("/w"), Path("/w/Dockerfile"), "Dockerfile")


def recipe(cache: Mapping[str, Any], build: Mapping[str, Any] | None = None) -> Recipe:
    document = {
        "version": 1,
        "attempt": "a",
        "workdir": "/w",
        "source": {"url": "https://git.test/o/r.git", "sha": "a" * 40},
        "build": dict(build or {}),
        "push": {"reference": "r.test/o/r:git-1"},
        "cache": dict(cache),
        "docker": {"host": "unix:///run/d.sock"},
        "allowed": ["r.test/o/*"],
        "result": "/w/result.json",
    }
    return parse(json.dumps(document).encode())


def argv(given: Recipe, client: Client, daemon: DaemonFacts) -> tuple[str, ...]:
    return build_call(given, INPUTS, client, daemon, given.cache.sources).argv


@pytest.mark.parametrize("daemon", [NEW, GRAPH, OLD])
@pytest.mark.parametrize("client", [BUILDX, DOCKER])
def test_cache_from_and_no_cache_reach_both_clients(client: Client, daemon: DaemonFacts) -> None:
    sources = ["r.test/o/r:a", "r.test/o/r:b"]
    words = argv(recipe({"from": sources}), client, daemon)
    given = [words[at + 1] for at, word in enumerate(words) if word == "--cache-from"]
    prefix = "type=registry,ref=" if client.kind is Kind.BUILDX else ""
    assert given == [f"{prefix}{source}" for source in sources]
    assert "--no-cache" not in words

    fresh = argv(recipe({"from": sources}, {"no_cache": True}), client, daemon)
    assert {"--no-cache", "--pull"} <= set(fresh)
    assert "--cache-from" not in fresh, "nothing can hit: no registry is asked"
    written = "type=inline" if client.kind is Kind.BUILDX else "BUILDKIT_INLINE_CACHE=1"
    assert written in words
    assert written in fresh


@pytest.mark.parametrize("client", [BUILDX, DOCKER])
def test_mode_none_neither_reads_nor_writes(client: Client) -> None:
    words = argv(recipe({"mode": "none", "to": CACHE, "from": ["r.test/o/r:a"]}), client, NEW)
    assert not [word for word in words if "cache" in word.lower()]


def exports(words: tuple[str, ...]) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words) if word == "--cache-to"]


def test_mode_registry_writes_all_stages_where_the_daemon_can() -> None:
    given = recipe({"mode": "registry", "to": CACHE})
    assert exports(argv(given, BUILDX, NEW)) == [
        "type=inline",
        f"type=registry,ref={CACHE},mode=max,{OPTIONS}",
    ]
    assert unsupported(given, BUILDX, NEW) == ([], [])


@pytest.mark.parametrize(("client", "daemon"), [(BUILDX, OLD), (BUILDX, GRAPH), (DOCKER, OLD)])
def test_mode_registry_is_inline_and_says_so_where_the_daemon_can_not(
    client: Client, daemon: DaemonFacts
) -> None:
    given = recipe({"mode": "registry", "to": CACHE})
    words = argv(given, client, daemon)
    assert not [word for word in words if CACHE in word]
    assert ("type=inline" in words) != ("BUILDKIT_INLINE_CACHE=1" in words)
    mistakes, (warning,) = unsupported(given, client, daemon)
    assert mistakes == []
    assert warning.startswith("`cache: registry` is inline here")
    assert "containerd image store" in warning


def test_a_build_that_may_write_no_cache_reads_it_all_the_same() -> None:
    given = recipe({"mode": "registry", "to": None, "from": [CACHE]})
    words = argv(given, BUILDX, NEW)
    assert exports(words) == ["type=inline"]
    assert f"type=registry,ref={CACHE}" in words
    assert unsupported(given, DOCKER, OLD) == ([], [])
