"""A plan in words: the JSON of `pushwright plan --json` and of the deliveries page, a table for
terminals, and a plan made without any host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, get_args

from bot.core.centralconfig import CentralConfig, Limits, RepositoryRule, SecretRule, Source
from bot.core.events import (
    BranchDeleted,
    BranchPushed,
    CommentCreated,
    Event,
    Ignored,
    InstallationChanged,
    MergeGroupDestroyed,
    MergeGroupRequested,
    Pinged,
    Released,
    RequestChanged,
    RequestClosed,
    RerunRequested,
    TagDeleted,
    TagPushed,
)
from bot.core.facts import EventFacts, KnownPaths, NoConfig, PlannedEvent
from bot.core.ids import Digest, HostKind, ImageKey, SourceName, Trust
from bot.core.mistakes import Mistake
from bot.core.planning import plan
from bot.core.plans import Plan, PlannedImage
from bot.core.repoconfig import CONFIG_FILE, RepoConfig
from bot.core.repofile import parse_repo_file
from bot.core.rulings import lines as ruling_lines
from bot.core.rulings import rulings, rulings_json

KINDS: Mapping[type[PlannedEvent], str] = {
    BranchPushed: "push",
    BranchDeleted: "branch_deleted",
    TagPushed: "tag",
    TagDeleted: "tag_deleted",
    RequestChanged: "pull_request",
    RequestClosed: "pull_request_closed",
    MergeGroupRequested: "merge_group",
    MergeGroupDestroyed: "merge_group_destroyed",
}


UNPLANNED: Mapping[type[Event], str] = {
    CommentCreated: "comments are read by pushwright commands",
    InstallationChanged: "installing the App builds nothing",
    Pinged: "a ping only shows that the webhook works",
    Released: "a release is built by the push of its tag",
    RerunRequested: "a re-run asks for builds of the database again: nothing to plan without it",
}
"""Events that no plan is made for, and why."""


def explain(decided: Plan, facts: EventFacts) -> dict[str, Any]:
    """JSON values only. `builds` in build order; their `tags` are full references, images in their
    order, within each the highest priority first."""
    return {
        "event": event_json(facts),
        "builds": [_build(image) for wish in decided.claims for image in wish.images],
        "skipped": [
            {"image": one.image, "why": one.why} for wish in decided.claims for one in wish.skipped
        ],
        "mistakes": [mistake_json(one) for wish in decided.claims for one in wish.mistakes],
    }


def explain_all(decided: Plan, facts: EventFacts) -> dict[str, Any]:
    """The same, the plan in a line, and by image every rule with its verdict."""
    withdrawn = [{"ref": f"{w.kind} {w.name}", "text": w.text} for w in decided.withdraw]
    return {
        **explain(decided, facts),
        "note": decided.note,
        "withdrawn": withdrawn,
        "rules": rulings_json(rulings(facts)),
    }


def _build(image: PlannedImage) -> dict[str, Any]:
    build = image.recipe.get("build")
    part: Mapping[str, Any] = build if isinstance(build, dict) else {}
    platform = part.get("platform")
    handed_over = {need.arg for need in image.needs}
    args = {name: value for name, value in part["args"].items() if name not in handed_over}
    return {
        "image": image.image,
        "tags": [tag.reference for tag in image.tags if tag.withheld is None],
        "platforms": [] if platform is None else [platform],
        "target": part.get("target"),
        "args": args,
        "why": image.why,
    }


def mistake_json(mistake: Mistake) -> dict[str, Any]:
    """{file, line, column, message, hint}; 0 where there is no place."""
    return {
        "file": mistake.file,
        "line": mistake.line,
        "column": mistake.column,
        "message": mistake.message,
        "hint": mistake.hint,
    }


def event_json(facts: EventFacts) -> dict[str, Any]:
    """{host, kind, repository, ref, sha, base, number, fork}. `ref` is the full name in that
    repository, `base` a request's target branch; what an event has not is null."""
    source = facts.central.sources.get(facts.source)
    host = source.kind if source is not None else None
    return {
        "host": host.value if host is not None else str(facts.source),
        "kind": KINDS[type(facts.event)],
        "repository": facts.repository.path,
        **_place(facts.event, host),
    }


def _place(event: PlannedEvent, host: HostKind | None) -> dict[str, Any]:
    ref: str | None = None
    sha: str | None = None
    more: dict[str, Any] = {"base": None, "number": None, "fork": False}
    match event:
        case BranchPushed(branch=branch) | BranchDeleted(branch=branch):
            ref = f"refs/heads/{branch}"
            sha = event.sha if isinstance(event, BranchPushed) else None
        case TagPushed(tag=tag) | TagDeleted(tag=tag):
            ref = f"refs/tags/{tag}"
            sha = event.sha if isinstance(event, TagPushed) else None
        case RequestChanged(request=request) | RequestClosed(request=request):
            kind = "merge-requests" if host is HostKind.GITLAB else "pull"
            ref, sha = f"refs/{kind}/{request.number}/head", request.head_sha
            fork = request.from_fork(event.repository)
            more = {"base": request.base_branch, "number": request.number, "fork": fork}
        case MergeGroupRequested() | MergeGroupDestroyed():
            ref, sha = event.head_ref, event.sha
            if isinstance(event, MergeGroupRequested):
                more["base"] = event.base_branch
    return {"ref": ref, "sha": sha, **more}


def table(decided: Plan, facts: EventFacts, *, why: bool = False) -> str:
    """The same for people: the event, what becomes of each image and why, with `why` every rule.
    Not the mistakes."""
    rules = rulings(facts) if why else {}
    event = event_json(facts)
    words = (event["kind"], event["repository"], event["ref"], str(event["sha"] or "")[:7])
    lines = [
        f"event     {' '.join(word for word in words if word)}",
        f"plan      {decided.note}",
    ]
    for wish in decided.claims:
        for image in wish.images:
            verb = "check" if image.check_only else "build"
            lines.append(f"{verb:9} {image.image}: {image.why}")
            for tag in (*image.tags, *image.left_out):
                kept = f"  ({tag.withheld})" if tag.withheld is not None else ""
                lines.append(f"          {tag.reference}{kept}")
            lines += ruling_lines(rules.get(image.image, ()))
        for one in wish.skipped:
            lines.append(f"skip      {one.image}: {one.why}")
            lines += ruling_lines(rules.get(one.image, ()))
    lines += [f"withdraw  {one.kind} {one.name}: {one.text}" for one in decided.withdraw]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Offline:
    """What is known without a host. `config` None: the repository has no file (and a Dockerfile).
    `changed` None: the diff is unknown. `trusted` None: a fork's request is not, all else is."""

    host: HostKind
    event: Event | Ignored
    now: datetime
    config: bytes | None = None
    config_name: str = ".pushwright.yaml"
    changed: Sequence[str] | None = None
    trusted: bool | None = None
    registry: str = "registry.example.com"


def offline_facts(given: Offline) -> EventFacts | str:
    """Facts that allow every image name and offer every secret; needed images count as built
    before. A text where the event is not one that a plan is made for."""
    event = given.event
    if isinstance(event, Ignored):
        return event.reason
    if not isinstance(event, get_args(PlannedEvent)):
        return UNPLANNED[type(event)]
    config = _config(given)
    source = SourceName(given.host.value)
    images = config.images if isinstance(config, RepoConfig) else ()
    every = RepositoryRule("**", images=("**",))
    central = CentralConfig(
        public_url="",
        sources={source: Source(source, given.host, "", "")},
        repositories=(every,),
        default_registry=given.registry,
        limits=_UNLIMITED,
        secrets={
            use.source: SecretRule(use.source, None, ("**",), ("**",), _WORDS)
            for image in images
            for use in image.secrets
        },
    )
    fork = isinstance(event, RequestChanged) and event.fork
    trusted = given.trusted if given.trusted is not None else not fork
    known = KnownPaths(tuple(given.changed)) if given.changed is not None else None
    return EventFacts(
        source=source,
        event=event,
        repository=event.repository,
        central=central,
        rule=every,
        config=config,
        now=given.now,
        trust=Trust.TRUSTED if trusted else Trust.UNTRUSTED,
        head=_sha(event),
        changed={image.key: known for image in images} if known is not None else {},
        last_digests={image.key: _built_before(given, image.key) for image in images},
    )


_UNLIMITED = Limits(build_seconds_max=30 * 86400)
"""What an administrator allows is not known here: the longest `timeout` that a file may have."""

_WORDS = ("push", "tag", "pull_request", "merge_group")


def decide_offline(given: Offline) -> tuple[Plan, EventFacts] | str:
    """The plan and what it was made from; a text where the event is none that is planned."""
    facts = offline_facts(given)
    if isinstance(facts, str):
        return facts
    return named_as(plan(facts), given.config_name), facts


def named_as(decided: Plan, file: str) -> Plan:
    """The plan with its mistakes and warnings in the file as the person named it."""
    return replace(
        decided,
        claims=tuple(
            replace(
                wish,
                mistakes=tuple(_in_file(one, file) for one in wish.mistakes),
                images=tuple(
                    replace(image, warnings=tuple(_in_file(one, file) for one in image.warnings))
                    for image in wish.images
                ),
            )
            for wish in decided.claims
        ),
    )


def _in_file(mistake: Mistake, file: str) -> Mistake:
    return replace(mistake, file=file) if mistake.file == CONFIG_FILE else mistake


def plan_offline(given: Offline) -> tuple[dict[str, Any], int]:
    """What `pushwright plan --json` prints, and its exit code: 1 where the config has mistakes."""
    decided = decide_offline(given)
    if isinstance(decided, str):
        return {"ignored": decided}, 0
    explained = explain(*decided)
    return explained, 1 if explained["mistakes"] else 0


def _config(given: Offline) -> RepoConfig | NoConfig | tuple[Mistake, ...]:
    if given.config is None:
        return NoConfig(dockerfile=True)
    return parse_repo_file(given.config, given.config_name)


def _sha(event: PlannedEvent) -> Any:
    match event:
        case RequestChanged(request=request):
            return request.head_sha
        case BranchPushed(sha=sha) | TagPushed(sha=sha) | MergeGroupRequested(sha=sha):
            return sha
        case _:
            return None


def _built_before(given: Offline, image: ImageKey) -> tuple[str, Digest]:
    return f"{given.registry}/{image}", Digest(f"sha256:{'0' * 64}")
