"""The texts of one build and of lists of mistakes (`docs/statuses.md` shows them all)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.core.builds import MAX_ATTEMPTS, CacheUse, Outcome, OutcomeClass
from bot.core.outcomes import span, where

NOTHING = "nothing to build"


def queued(ahead: int | None, limit: int | None, eta_seconds: float | None, reason: str) -> str:
    """`queued: 2 ahead (limit 4), ~3 min`; what is not known is left out."""
    if reason:
        return f"queued: {reason}"
    if ahead is None:
        return "queued"
    of = f" (limit {limit})" if limit is not None else ""
    eta = f", ~{max(1, round(eta_seconds / 60))} min" if eta_seconds is not None else ""
    return f"queued: {ahead} ahead{of}{eta}"


def retrying(message: str, attempt: int) -> str:
    """`registry said 429, retry 1/2`: `attempt` is the one that ended."""
    return f"{message}, retry {attempt}/{MAX_ATTEMPTS - 1}"


def building(attempt: int) -> str:
    return "building" if attempt <= 1 else f"building, attempt {attempt} of {MAX_ATTEMPTS}"


def built(outcome: Outcome, seconds: float | None, tag: str | None, notes: Sequence[str]) -> str:
    """`ok 44s, cache 6/7, api:pr-12 142 MB`, then what ownership withheld, then the cache's."""
    parts = ["ok" if seconds is None else f"ok {span(seconds)}", *_cache(outcome.cache)]
    if tag is not None:
        size = f" {megabytes(outcome.size_bytes)}" if outcome.size_bytes is not None else ""
        parts.append(f"{tag}{size}")
    return "; ".join([", ".join(parts), *notes, *outcome.notes])


def checked(outcome: Outcome, seconds: float | None) -> str:
    """A check-only build: it built, and nothing was pushed."""
    parts = ["ok" if seconds is None else f"ok {span(seconds)}", *_cache(outcome.cache)]
    return "; ".join([", ".join([*parts, "built, not pushed"]), *outcome.notes])


def _cache(use: CacheUse) -> list[str]:
    if use.hits is None or not use.steps:
        return []
    return [f"cache {use.hits}/{use.steps}"]


def failed(outcome: Outcome) -> str:
    """`Dockerfile:17 RUN npm ci failed (exit 1)`; what the step printed stands on the page."""
    message = outcome.message.partition("\n")[0]
    if outcome.kind is OutcomeClass.OUT_OF_MEMORY and "out of memory" not in message:
        message = f"out of memory: {message}"
    return f"{where(outcome.place, message)}{message}"


def mistakes(found: Sequence[Mapping[str, object]]) -> str:
    """The first mistake with its place, and how many more there are."""
    if not found:
        return "the configuration has mistakes"
    first = found[0]
    line = first.get("line")
    place = f"{first.get('file')}:{line}" if line else str(first.get("file"))
    more = f" (+{len(found) - 1} more)" if len(found) > 1 else ""
    room = 138 - len(more)
    text = f"{place} {first.get('message')}"
    return (text if len(text) <= room else f"{text[: room - 1]}…") + more


def mistakes_page(found: Sequence[Mapping[str, object]]) -> str:
    """Every mistake on a line of its own, with its hint below: for the page and for terminals."""
    lines: list[str] = []
    for one in found:
        line, column = one.get("line"), one.get("column")
        place = f"{one.get('file')}:{line}:{column}" if line else str(one.get("file"))
        lines.append(f"{place}: {one.get('message')}")
        if one.get("hint"):
            lines.append(f"    {one.get('hint')}")
    return "\n".join(lines)


def megabytes(size: int) -> str:
    """`142 MB`, in decimal units as registries show them."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            amount = size / unit
            return f"{amount:.1f} {name}" if amount < 10 else f"{amount:.0f} {name}"
    return f"{size} B"
