"""Why an image was built or not: every rule in the order in which they count, and what each says.

One explainer for `/why`, `pushwright plan --why` and the page of a delivery. It asks the same
functions that planning asks, one rule at a time, so that what is passed over is told as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, assert_never

from bot.core.events import BranchPushed, RequestChanged
from bot.core.facts import EventFacts, KnownPaths, NoConfig, UnknownPaths
from bot.core.filters import Verdict, branch_matches, paths_match, request_matches, tag_matches
from bot.core.ids import ImageKey, Trust
from bot.core.planning_builds import pulled_in
from bot.core.planning_choice import Choice, choose, paths_of, pushes
from bot.core.planning_event import Asked, Over, asked
from bot.core.plans import ClaimKind
from bot.core.repoconfig import Image, RepoConfig
from bot.core.repofile import zero_config
from bot.core.skip import SKIP_TOKENS, skip_token


@dataclass(frozen=True, slots=True)
class Ruling:
    """`passes` None: the rule does not count here, or only informs."""

    rule: str
    passes: bool | None
    why: str


Rulings = Mapping[ImageKey, tuple[Ruling, ...]]


def rulings(facts: EventFacts) -> Rulings:
    """By image, in the file's order. Empty where no file says anything of images."""
    ask = asked(facts)
    config = facts.config
    if isinstance(config, NoConfig) and config.dockerfile:
        config = zero_config(facts.repository.path)
    if isinstance(ask, Over) or not isinstance(config, RepoConfig) or facts.rule is None:
        return {}
    alone = [choose(facts, ask, image) for image in config.images]
    pulled = {choice.image.key: choice.why for choice in pulled_in(facts, alone)}
    return {
        choice.image.key: (
            *_of_image(facts, ask, config, choice.image),
            *_pulled(choice, pulled[choice.image.key]),
        )
        for choice in alone
    }


def _pulled(alone: Choice, why: str) -> Sequence[Ruling]:
    """Built all the same, because another image needs it."""
    return [Ruling("needs", True, why)] if why != alone.why else []


def _of_image(
    facts: EventFacts, ask: Asked, config: RepoConfig, image: Image
) -> tuple[Ruling, ...]:
    found = [
        _event(ask, image),
        _ref(facts, ask, image),
        _draft(ask, image),
        _skip(facts),
        _paths(facts, ask, image),
        _by_name(facts, image),
        *_needs(facts, config, image),
        _trust(facts),
        _mode(facts),
        _push(facts, ask, image),
        _concurrency(ask, config),
    ]
    return tuple(one for one in found if one is not None)


def _event(ask: Asked, image: Image) -> Ruling:
    on = image.on
    match ask.kind:
        case ClaimKind.BRANCH | ClaimKind.TAG:
            named, word = on.push is not None, "push"
        case ClaimKind.REQUEST:
            named, word = on.pull_request is not None, "pull_request"
        case ClaimKind.MERGE_GROUP:
            named, word = on.pull_request is not None, "pull_request (the merge queue follows it)"
        case _:
            assert_never(ask.kind)
    said = "names" if named else "does not name"
    return Ruling("event", named, f"`on` {said} {word}")


def _ref(facts: EventFacts, ask: Asked, image: Image) -> Ruling | None:
    match ask.kind:
        case ClaimKind.BRANCH:
            verdict = branch_matches(image.on.push, ask.name, facts.repository.default_branch)
            return _ruled("branches", verdict) if image.on.push else None
        case ClaimKind.TAG:
            return _ruled("tags", tag_matches(image.on.push, ask.name)) if image.on.push else None
        case ClaimKind.REQUEST | ClaimKind.MERGE_GROUP:
            verdict = request_matches(image.on.pull_request, ask.base_branch or "", draft=False)
            return _ruled("target branch", verdict) if image.on.pull_request else None
    assert_never(ask.kind)


def _ruled(rule: str, verdict: Verdict) -> Ruling:
    return Ruling(rule, verdict.matched, verdict.why)


def _draft(ask: Asked, image: Image) -> Ruling | None:
    if ask.kind is not ClaimKind.REQUEST or image.on.pull_request is None:
        return None
    if not ask.draft:
        return Ruling("drafts", None, "the request is no draft")
    if image.on.pull_request.drafts:
        return Ruling("drafts", True, "the request is a draft, and drafts are built")
    return Ruling("drafts", False, "the request is a draft (`drafts: false`)")


def _skip(facts: EventFacts) -> Ruling:
    event = facts.event
    if not isinstance(event, BranchPushed):
        text = "skip tokens count for branch pushes only"
        return Ruling("skip", None, text)
    token = skip_token(facts.message if facts.message is not None else event.message)
    told = token or ("push option ci.skip" if event.skip_asked else None)
    if told is None:
        return Ruling("skip", True, f"neither {', '.join(SKIP_TOKENS)} nor push option ci.skip")
    if facts.by_hand:
        return Ruling("skip", None, f"{told} does not count: somebody asked")
    return Ruling("skip", False, f"{told} asks for no build")


def _paths(facts: EventFacts, ask: Asked, image: Image) -> Ruling | None:
    if ask.kind is ClaimKind.TAG:
        return Ruling("paths", None, "paths never count for tags")
    rule = paths_of(ask, image)
    if not rule.given:
        return Ruling("paths", None, "none are named, every change counts")
    changed = facts.changed.get(image.key)
    match changed:
        case KnownPaths(paths):
            verdict = paths_match(paths, rule)
            files = "1 file differs" if len(paths) == 1 else f"{len(paths)} files differ"
            return Ruling("paths", verdict.matched, f"{verdict.why} ({files})")
        case UnknownPaths(reason):
            return Ruling("paths", True, f"what changed is not known: {reason}")
        case None:
            return _ruled("paths", paths_match(None, rule))
    assert_never(changed)


def _by_name(facts: EventFacts, image: Image) -> Ruling | None:
    if facts.anyway:
        return Ruling("asked", True, "somebody asked for all: what changed does not count")
    if not facts.only:
        return None
    named = image.key in facts.only
    said = "asked for by name: filters do not count" if named else "others were asked for by name"
    return Ruling("asked", named, said)


def _needs(facts: EventFacts, config: RepoConfig, image: Image) -> Sequence[Ruling]:
    said = []
    for need in image.needs:
        last = facts.last_digests.get(need.image)
        text = f"needs {need.image}"
        if last is not None:
            text += f", whose last success is {last[1][:19]}"
        said.append(Ruling("needs", None, text))
    users = [one.key for one in config.images for need in one.needs if need.image == image.key]
    if users:
        said.append(Ruling("needs", None, f"needed by {', '.join(users)}"))
    return said


def _trust(facts: EventFacts) -> Ruling:
    if facts.trust is Trust.TRUSTED:
        fork = isinstance(facts.event, RequestChanged) and facts.event.fork
        where = "a fork whose author may write" if fork else "a branch or tag of the repository"
        text = f"trusted: the commit comes from {where}"
        if facts.refused:
            return Ruling("trust", False, f"{text}; {facts.refused}")
        return Ruling("trust", True, text)
    reason = f"; {facts.refused}" if facts.refused else ""
    if facts.approved:
        text = f"untrusted: the commit of a fork, which was approved{reason}"
        return Ruling("trust", not facts.refused, text)
    text = f"untrusted: the commit of a fork waits for {facts.start}ok-to-test{reason}"
    return Ruling("trust", False, text)


def _mode(facts: EventFacts) -> Ruling | None:
    if facts.rule is None or facts.rule.mode != "observe":
        return None
    return Ruling("mode", False, "the administrator only observes here (`mode: observe`)")


def _push(facts: EventFacts, ask: Asked, image: Image) -> Ruling:
    if facts.trust is Trust.UNTRUSTED:
        return Ruling("push", None, "untrusted: built, not pushed")
    if pushes(ask, image):
        return Ruling("push", None, "built and pushed")
    if ask.kind is ClaimKind.MERGE_GROUP:
        return Ruling("push", None, "merge queue builds are never pushed")
    listed = ", ".join(image.push) or "false"
    return Ruling("push", None, f"built, not pushed (`push: {listed}`)")


def _concurrency(ask: Asked, config: RepoConfig) -> Ruling:
    cancel = config.concurrency.cancel
    own = ask.kind is ClaimKind.REQUEST if cancel is None else cancel
    parts = ["a newer head withdraws this one" if own else "every head is built, in order"]
    if config.concurrency.limit is not None:
        group = config.concurrency.group or "the repository"
        parts.append(f"at most {config.concurrency.limit} at once of {group}")
    return Ruling("concurrency", None, "; ".join(parts))


# -- in words and as JSON --------------------------------------------------------------------


def rulings_json(found: Rulings) -> dict[str, list[dict[str, Any]]]:
    """By image: {rule, passes, why} each; `passes` is null where the rule does not decide."""
    return {str(image): [asdict(one) for one in rules] for image, rules in found.items()}


def read_rulings(document: object) -> dict[str, tuple[Ruling, ...]]:
    """The reverse; what is none is left out."""
    if not isinstance(document, Mapping):
        return {}
    found = {}
    for image, rules in document.items():
        rows = [row for row in rules if isinstance(row, Mapping)] if isinstance(rules, list) else []
        found[str(image)] = tuple(_read(row) for row in rows)
    return found


def _read(row: Mapping[str, Any]) -> Ruling:
    passes = row.get("passes")
    known = passes if isinstance(passes, bool) else None
    return Ruling(str(row.get("rule") or ""), known, str(row.get("why") or ""))


def word(ruling: Ruling) -> str:
    """`yes`, `no` or `-`."""
    return "-" if ruling.passes is None else "yes" if ruling.passes else "no"


def lines(rules: Sequence[Ruling]) -> list[str]:
    """For terminals: a line for each rule."""
    return [f"          {word(one):3} {one.rule:13} {one.why}" for one in rules]
