"""What the cache of one build tells: a broken daemon, a cache in vain, a stage that inline cache
can't hold. Only told; nothing switches by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.core import daemons
from bot.core.builds import CacheUse, Outcome
from bot.core.outcomes import span

WORTH_A_WARNING = 1.0
WORTH_A_NOTE = 10.0
"""Seconds that a stage runs again: from here on its page, its status, says that it need not."""


@dataclass(frozen=True, slots=True)
class Told:
    """One thing to know: `text` for pages and logs, `note` for the status (empty: not there)."""

    text: str
    note: str = ""


def advised(outcome: Outcome, mode: str, previous: Outcome | None) -> Outcome:
    """A success with what is to be said of its cache. `mode`: the image's `cache`. `previous`: the
    success of the same image before it."""
    told = [
        *_daemon(outcome, previous),
        *_in_vain(outcome, mode, previous),
        *_stages(outcome, mode),
    ]
    if not told:
        return outcome
    return replace(
        outcome,
        warnings=(*outcome.warnings, *(one.text for one in told)),
        notes=(*outcome.notes, *(one.note for one in told if one.note)),
    )


def _daemon(outcome: Outcome, previous: Outcome | None) -> list[Told]:
    """The status says it once: where the build before ran on another version."""
    new = previous is None or previous.daemon != outcome.daemon
    return [
        Told(
            daemons.sentence(outcome.daemon, flaw),
            f"dockerd {outcome.daemon} has a broken inline cache"
            if new and not flaw.lived_with
            else "",
        )
        for flaw in daemons.flaws(outcome.daemon)
    ]


def _in_vain(outcome: Outcome, mode: str, previous: Outcome | None) -> list[Told]:
    if previous is None or not (outcome.cache.in_vain and previous.cache.in_vain):
        return []
    return [Told(in_vain(outcome.cache, mode), "cache found, no step hit, twice running")]


def in_vain(use: CacheUse, mode: str) -> str:
    caches = "1 cache was" if use.found == 1 else f"{use.found} caches were"
    why = f" ({use.why})" if use.why else ""
    first = f" First: {use.first_miss}{why}." if use.first_miss else ""
    return f"{caches} found and no step hit, for the second time running.{first} {_look(use, mode)}"


def _look(use: CacheUse, mode: str) -> str:
    if use.rerun_stages and mode == "inline":
        return "`cache: registry` also keeps stages that are not in the image"
    return (
        "Look for what differs from build to build early in the Dockerfile: an ARG before a RUN, "
        "a COPY of everything, a base image that is pushed daily (docs/cache.md, What breaks hits)"
    )


def _stages(outcome: Outcome, mode: str) -> list[Told]:
    names, seconds = outcome.cache.rerun_stages, outcome.cache.rerun_seconds
    if mode != "inline" or not names or seconds is None or seconds < WORTH_A_WARNING:
        return []
    text = (
        f"steps of stages that are not in the image ran for {span(seconds)} ({names}): inline "
        "cache can't hold them. `cache: registry` keeps what did not change of them (buildx with "
        "Docker 29)"
    )
    note = f"stages not in the image ran again, {span(seconds)}: `cache: registry` keeps them"
    return [Told(text, note if seconds >= WORTH_A_NOTE else "")]
