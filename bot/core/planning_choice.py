"""Which images of a config an event wants, and why, before anything is known of their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from bot.core.facts import EventFacts, KnownPaths, UnknownPaths
from bot.core.filters import (
    Verdict,
    branch_matches,
    paths_match,
    request_matches,
    tag_matches,
)
from bot.core.planning_event import Asked
from bot.core.plans import ClaimKind
from bot.core.repoconfig import Image, PathFilter

BY_HAND = "asked for by name"
WHATEVER = "asked for, whatever changed"


@dataclass(frozen=True, slots=True)
class Choice:
    """`wanted`: the ref matches, whatever changed. `affected`: its files changed too (or nobody can
    tell). `why` is the verdict that decided. `still`: nothing under its paths differs for sure."""

    image: Image
    wanted: bool
    affected: bool
    why: str
    still: bool = False


def choose(facts: EventFacts, ask: Asked, image: Image) -> Choice:
    """Filters are AND-ed: first the ref, then the paths."""
    if facts.only:
        named = image.key in facts.only
        return Choice(image, named, named, BY_HAND if named else "not asked for")
    ref = _ref_verdict(facts, ask, image)
    if not ref.matched:
        return Choice(image, False, False, ref.why)
    if facts.anyway or ask.kind is ClaimKind.TAG:
        return Choice(image, True, True, f"{ref.why}; {WHATEVER}" if facts.anyway else ref.why)
    changed = facts.changed.get(image.key)
    match changed:
        case KnownPaths(paths):
            verdict = paths_match(paths, paths_of(ask, image))
            still = not verdict.matched
            why = f"{ref.why}; {verdict.why}" if verdict.matched else verdict.why
            return Choice(image, True, verdict.matched, why, still)
        case UnknownPaths(reason):
            return Choice(image, True, True, f"{ref.why}; what changed is not known: {reason}")
        case None:
            verdict = paths_match(None, paths_of(ask, image))
            return Choice(image, True, True, f"{ref.why}; {verdict.why}")
    assert_never(changed)


def _ref_verdict(facts: EventFacts, ask: Asked, image: Image) -> Verdict:
    match ask.kind:
        case ClaimKind.BRANCH:
            return branch_matches(image.on.push, ask.name, facts.repository.default_branch)
        case ClaimKind.TAG:
            return tag_matches(image.on.push, ask.name)
        case ClaimKind.REQUEST | ClaimKind.MERGE_GROUP:
            # A merge queue asks what the request into that branch asked.
            return request_matches(image.on.pull_request, ask.base_branch or "", draft=ask.draft)
    assert_never(ask.kind)


def paths_of(ask: Asked, image: Image) -> PathFilter:
    if ask.kind is ClaimKind.BRANCH:
        return image.on.push.paths if image.on.push is not None else PathFilter()
    return image.on.pull_request.paths if image.on.pull_request is not None else PathFilter()


def pushes(ask: Asked, image: Image) -> bool:
    """Whether the plan pushes what this event builds; else the build is check-only."""
    match ask.kind:
        case ClaimKind.BRANCH:
            return "push" in image.push
        case ClaimKind.TAG:
            return "tag" in image.push
        case ClaimKind.REQUEST:
            return "pull_request" in image.push
        case ClaimKind.MERGE_GROUP:
            return False
    assert_never(ask.kind)
