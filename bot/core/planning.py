"""What an event changes: which commit is claimed, which images are built for it and why, which
claims are withdrawn. Pure and total: equal facts give an equal plan (`docs/plan.md`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.core.approvals import Since, since
from bot.core.centralconfig import RepositoryRule
from bot.core.events import BranchPushed, RequestChanged
from bot.core.facts import EventFacts, NoConfig
from bot.core.ids import RepositoryId, Trust
from bot.core.mistakes import Mistake, counted
from bot.core.planning_builds import Planned, build_all, pulled_in
from bot.core.planning_choice import Choice, choose
from bot.core.planning_effect import effect
from bot.core.planning_event import Asked, Over, asked
from bot.core.plans import (
    BaseMoved,
    ClaimKind,
    ClaimWish,
    Plan,
    RefSeen,
    SkippedImage,
    Withdrawal,
)
from bot.core.repoconfig import CONFIG_FILE, CommentMode, RepoConfig, allowed_comment
from bot.core.repofile import zero_config
from bot.core.skip import skip_token
from bot.core.tags import fill
from bot.core.tags_faults import Fault

GONE = RepositoryId(0)
"""A fork that was deleted."""
NOT_LISTED = "repository is not in the central config"


def plan(facts: EventFacts) -> Plan:
    """All that the event changes, decided from the facts alone."""
    ask = asked(facts)
    if facts.rule is None:
        return Plan(NOT_LISTED)
    if isinstance(ask, Over):
        withdrawal = Withdrawal(ask.kind, ask.name, "cancelled", f"cancelled: {ask.text}")
        return Plan(ask.text, withdraw=(withdrawal,), seen=(RefSeen(ask.key, None),))
    if isinstance(facts.event, RequestChanged) and facts.event.action == "labeled":
        return Plan("labels change nothing", seen=_seen(facts, ask))
    if _left_behind(facts, ask):
        return _older(facts, ask)
    return _claim(facts, ask)


# -- which commit ----------------------------------------------------------------------------


def _head(facts: EventFacts, ask: Asked) -> bool:
    """Whether the commit is what the ref shows now, as far as anybody knows."""
    return ask.kind is ClaimKind.MERGE_GROUP or facts.head is None or facts.head == ask.sha


def _cancels(facts: EventFacts, ask: Asked) -> bool:
    """`cancel-in-progress`, with its defaults: true for requests, false for branches and tags."""
    asked_for = facts.config.concurrency.cancel if isinstance(facts.config, RepoConfig) else None
    return ask.kind is ClaimKind.REQUEST if asked_for is None else asked_for


def _left_behind(facts: EventFacts, ask: Asked) -> bool:
    """A newer head is there and takes this one's place. A branch builds every push in order."""
    if _head(facts, ask) or facts.by_hand or facts.past:
        return False
    return ask.kind is ClaimKind.TAG or _cancels(facts, ask)


def _older(facts: EventFacts, ask: Asked) -> Plan:
    head = str(facts.head)[:7]
    text = f"superseded by {head}"
    withdrawal = Withdrawal(ask.kind, ask.name, "superseded", text, keep=facts.head)
    return Plan(f"{ask.sha[:7]} was {text}, which has an event of its own", withdraw=(withdrawal,))


def _seen(facts: EventFacts, ask: Asked) -> tuple[RefSeen, ...]:
    """Only the event's own commit is recorded: a newer head that was not planned yet must stay
    findable for the sweep. One that is not the head is recorded where it follows what is known;
    else it may be older, and never takes that one's place in the order."""
    before = getattr(facts.event, "before", None)
    if facts.past:
        return ()
    if _head(facts, ask) or facts.known is None or facts.known == before:
        return (RefSeen(ask.key, ask.sha),)
    return ()


def _withdrawn(facts: EventFacts, ask: Asked) -> tuple[Withdrawal, ...]:
    """Older claims of the same ref: always where a tag moved, else as `cancel-in-progress` says."""
    if not _head(facts, ask) or facts.by_hand:
        return ()
    if ask.kind is not ClaimKind.TAG and not _cancels(facts, ask):
        return ()
    older = [
        claim
        for claim in facts.claims
        if claim.kind is ask.kind and claim.name == ask.name and claim.sha != ask.sha
    ]
    if not older:
        return ()
    text = f"superseded by {ask.sha[:7]}"
    return (Withdrawal(ask.kind, ask.name, "superseded", text, keep=ask.sha),)


def _unwanted(facts: EventFacts, wish: ClaimWish) -> tuple[Withdrawal, ...]:
    """A request that became a draft, or points at another branch, and wants no build any more.
    What has ended stays as it ended, so that a repeated delivery changes nothing."""
    event = facts.event
    if not isinstance(event, RequestChanged) or event.action not in ("drafted", "retargeted"):
        return ()
    building = any(
        one.kind is wish.kind and one.name == wish.name and one.unfinished for one in facts.claims
    )
    if wish.nothing is None or wish.observe or not building:
        return ()
    text = wish.nothing.removeprefix("nothing to build: ")
    return (Withdrawal(wish.kind, wish.name, "cancelled", f"cancelled: {text}"),)


# -- which images ----------------------------------------------------------------------------


def _claim(facts: EventFacts, ask: Asked) -> Plan:
    bare = ClaimWish(
        kind=ask.kind,
        name=ask.name,
        sha=ask.sha,
        event=ask.word,
        trust=facts.trust,
        cancel_in_progress=_cancels(facts, ask),
        observe=facts.rule is not None and facts.rule.mode == "observe",
        base_branch=ask.base_branch,
        ref=ask.ref,
        fork=_fork(facts),
        comment=_comment(facts),
        past=facts.past,
        effect=effect(facts, ask),
    )
    wish, choices = _decided(facts, ask, bare)
    seen = _seen(facts, ask)
    bases = tuple(
        BaseMoved(ask.key, choice.image.key, ask.sha)
        for choice in choices
        if choice.still and ask.kind is ClaimKind.BRANCH and seen and not wish.mistakes
    )
    withdraw = _withdrawn(facts, ask) + _unwanted(facts, wish)
    return Plan(_note(wish), (wish,), withdraw, seen, bases)


def _fork(facts: EventFacts) -> RepositoryId | None:
    event = facts.event
    if not isinstance(event, RequestChanged) or not event.fork:
        return None
    return event.request.head_repository or GONE


def _comment(facts: EventFacts) -> CommentMode:
    """When the request is commented: as the file says, within the administrator's bounds."""
    asked_for = facts.config.comment if isinstance(facts.config, RepoConfig) else "on-change"
    rule = facts.rule or RepositoryRule("")
    return allowed_comment(asked_for, rule.comment_at_least, rule.comment_at_most)


def _decided(facts: EventFacts, ask: Asked, bare: ClaimWish) -> tuple[ClaimWish, Sequence[Choice]]:
    """The claim with everything decided, and the choices behind it."""
    config = _config(facts)
    if isinstance(config, str):
        return replace(bare, nothing=f"nothing to build: {config}"), ()
    if not isinstance(config, RepoConfig):
        return replace(bare, mistakes=config), ()
    skip = _skip(facts)
    if skip is not None:
        skipped = tuple(SkippedImage(image.key, skip, image.required) for image in config.images)
        return replace(bare, nothing=f"nothing to build: {skip}", skipped=skipped), ()
    choices = pulled_in(facts, [choose(facts, ask, image) for image in config.images])
    planned = build_all(facts, ask, config, choices)
    group, wrong = _group(ask, config)
    mistakes = (*_unknown(facts, config), *planned.mistakes, *wrong)
    wish = replace(
        bare,
        images=() if mistakes else planned.images,
        skipped=(*_skipped(choices), *planned.nameless),
        mistakes=tuple(sorted(mistakes, key=_place)),
        group=group,
        group_limit=config.concurrency.limit,
    )
    return _settled(facts, ask, wish, planned), choices


def _settled(facts: EventFacts, ask: Asked, wish: ClaimWish, planned: Planned) -> ClaimWish:
    """What keeps builds from running: nobody approved, nothing to build, or only watched."""
    if wish.mistakes:
        return wish
    if not planned.images:
        return replace(wish, nothing=_nothing(wish.skipped))
    if facts.trust is Trust.UNTRUSTED and not facts.approved:
        reason = f"; {facts.refused}" if facts.refused else ""
        waiting = f"waiting for {facts.start}ok-to-test {ask.sha}{reason}"
        held = tuple(SkippedImage(one.image, waiting, one.required) for one in planned.images)
        skipped = (*wish.skipped, *held)
        return replace(wish, images=(), skipped=skipped, waiting=waiting, since=_since(facts, ask))
    if facts.refused:
        held = tuple(SkippedImage(one.image, facts.refused, one.required) for one in planned.images)
        return replace(wish, images=(), skipped=(*wish.skipped, *held), waiting=facts.refused)
    if wish.observe:
        names = ", ".join(one.image for one in planned.images)
        return replace(wish, nothing=f"observed only, nothing was started: would build {names}")
    return wish


def _since(facts: EventFacts, ask: Asked) -> Since | None:
    if facts.approved_before is None:
        return None
    kind = facts.central.sources[facts.source].kind
    return since(kind, facts.repository, facts.approved_before, ask.sha)


def _config(facts: EventFacts) -> RepoConfig | str | tuple[Mistake, ...]:
    """The config that holds; a text where there is nothing that could be built."""
    config = facts.config
    if not isinstance(config, NoConfig):
        return config
    if not config.dockerfile:
        return f"no Dockerfile at the root and no {CONFIG_FILE}"
    if facts.rule is not None and not facts.rule.zero_config:
        return f"no {CONFIG_FILE}, which the administrator asks for here"
    return zero_config(facts.repository.path)


def _skip(facts: EventFacts) -> str | None:
    """Why a branch push asks for no build. On requests and tags it can't."""
    event = facts.event
    if not isinstance(event, BranchPushed) or facts.by_hand:
        return None
    token = skip_token(facts.message if facts.message is not None else event.message)
    if token is not None:
        return f"{token} in the commit message"
    return "push option ci.skip" if event.skip_asked else None


def _skipped(choices: Sequence[Choice]) -> tuple[SkippedImage, ...]:
    return tuple(
        SkippedImage(choice.image.key, choice.why, choice.image.required)
        for choice in choices
        if not choice.affected
    )


def _nothing(skipped: Sequence[SkippedImage]) -> str:
    """Why there is nothing to build: once where all images say the same."""
    reasons = dict.fromkeys(one.why for one in skipped)
    if len(reasons) == 1:
        return f"nothing to build: {next(iter(reasons))}"
    said = "; ".join(f"{one.image}: {one.why}" for one in skipped)
    return f"nothing to build: {said}"


def _unknown(facts: EventFacts, config: RepoConfig) -> list[Mistake]:
    known = {image.key for image in config.images}
    hint = f"there are {', '.join(sorted(known))}"
    return [
        Mistake(CONFIG_FILE, 0, 0, f"there is no image {key}", hint)
        for key in facts.only
        if key not in known
    ]


def _group(ask: Asked, config: RepoConfig) -> tuple[str | None, tuple[Mistake, ...]]:
    """The concurrency group, its expressions filled; `*` is the whole repository."""
    text = config.concurrency.group
    if text is None:
        return ("*" if config.concurrency.limit is not None else None), ()
    value = fill(text, ask.context)
    if isinstance(value, Fault):
        message = f"concurrency.group: {value.message} (character {value.offset + 1})"
        return None, (Mistake(CONFIG_FILE, 0, 0, message, value.hint),)
    return value, ()


def _place(mistake: Mistake) -> tuple[str, int, int, str]:
    return mistake.file, mistake.line, mistake.column, mistake.message


def _note(wish: ClaimWish) -> str:
    """One line for the journal."""
    if wish.mistakes:
        return f"{counted(len(wish.mistakes))} in the configuration"
    if wish.waiting or wish.nothing:
        return wish.waiting or wish.nothing or ""
    return f"to build: {', '.join(image.image for image in wish.images)}"
