"""The cache of one build, told: how much hit, the first instruction that did not, and why.

Worked out of what BuildKit reported. Where that leaves something open (docker 20.10's plain output
does not mark every hit), the answer is None, which stands for "unknown".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.builder.dockerfile import Stage, chain_of
from bot.builder.outcome import CacheSummary
from bot.builder.progress import Vertex

Line = Callable[[Vertex], int | None]


@dataclass(frozen=True, slots=True)
class Offer:
    """The cache that the build was given: `found` of `candidates` were there. `whole`: one of them
    holds every stage (mode registry). `lost`: a layer of it was gone, so it was done without.
    `blank`: those found hold no cache records at all."""

    candidates: int = 0
    found: int = 0
    whole: bool = False
    no_cache: bool = False
    lost: bool = False
    blank: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """The Dockerfile beside its vertices: `name` for people, `line` of a vertex, the target."""

    name: str
    stages: Sequence[Stage]
    target: str | None
    line: Line


def cacheable(vertex: Vertex) -> bool:
    """The Dockerfile's own steps; a FROM is looked up, not run."""
    return vertex.step is not None and not vertex.step.text.upper().startswith("FROM ")


def summarise(vertices: Sequence[Vertex], reading: Reading, offer: Offer) -> CacheSummary:
    steps = [vertex for vertex in vertices if vertex.done and cacheable(vertex)]
    known = all(vertex.cached is not None for vertex in steps)
    hits = sum(vertex.cached is True for vertex in steps)
    first = _first(steps, reading.line)
    chain = chain_of(reading.stages, reading.target)
    stages, seconds = _rerun(steps, chain, reading.line) if offer.found else (None, None)
    return CacheSummary(
        hits=hits if known else None,
        steps=len(steps),
        pulled_bytes=sum(sum(vertex.pulled.values()) for vertex in steps),
        first_miss=_named(first, reading) if first else None,
        candidates=offer.candidates,
        found=offer.found,
        why=_why(first, offer, chain, hit_any=hits > 0) if first else None,
        rerun_stages=stages,
        rerun_seconds=seconds,
    )


def _first(steps: Sequence[Vertex], line: Line) -> Vertex | None:
    """The first in the file that ran. None where an earlier one may have run as well."""
    ordered = sorted(steps, key=lambda vertex: (line(vertex) or 1 << 30, vertex.number))
    for vertex in ordered:
        if vertex.cached is None:
            return None
        if not vertex.cached:
            return vertex
    return None


def _named(vertex: Vertex, reading: Reading) -> str:
    line = reading.line(vertex)
    return vertex.name[:160] + (f" ({reading.name}:{line})" if line else "")


def _why(first: Vertex, offer: Offer, chain: frozenset[str], *, hit_any: bool) -> str:
    return (
        _nothing_offered(offer)
        or _not_held(first, offer, chain)
        or _changed(first, hit_any=hit_any)
    )


def _nothing_offered(offer: Offer) -> str:
    """Why there was nothing to hit; empty where there was."""
    if offer.no_cache:
        return "`no-cache` is set"
    if not offer.candidates:
        return "there was no cache to read: nothing was built before, or `cache: none`"
    if not offer.found:
        return "none of the caches is in the registry (any more)"
    if offer.lost:
        return "a layer of the cache is gone from the registry"
    return "the images to take it from hold no cache records" if offer.blank else ""


def _not_held(first: Vertex, offer: Offer, chain: frozenset[str]) -> str:
    stage = first.step.stage if first.step else ""
    if offer.whole or not stage or stage in chain:
        return ""
    return (
        f"stage {stage} is not in the image, so inline cache does not hold it: it runs when what "
        "reads it, or what it reads, changed"
    )


def _changed(first: Vertex, *, hit_any: bool) -> str:
    if not hit_any:
        return "the base image, this instruction or what it reads is new"
    if first.step and first.step.text.upper().startswith(("COPY", "ADD")):
        return "its files, their modes or the instruction changed"
    return "the instruction, or an argument or variable that it sees, changed"


def _rerun(
    steps: Sequence[Vertex], chain: frozenset[str], line: Line
) -> tuple[str | None, float | None]:
    """The stages that ran and are not in the image, as in the file, with their seconds."""
    ran = [
        vertex
        for vertex in steps
        if vertex.cached is False
        and vertex.step
        and vertex.step.stage
        and vertex.step.stage not in chain
    ]
    if not ran:
        return None, None
    ran.sort(key=lambda vertex: (line(vertex) or 1 << 30, vertex.number))
    names = dict.fromkeys(vertex.step.stage for vertex in ran if vertex.step)
    return ", ".join(names), round(sum(vertex.seconds for vertex in ran), 3)
