"""What the tests of pure decisions share: one repository, its people, facts with defaults."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.core.centralconfig import CentralConfig, RegistryRule, RepositoryRule, Source
from bot.core.events import (
    BranchPushed,
    MergeGroupRequested,
    Person,
    Repository,
    RequestAction,
    RequestChanged,
    RequestHead,
    TagPushed,
)
from bot.core.facts import EventFacts, NoConfig, PlannedEvent
from bot.core.ids import HostKind, RepositoryId, Sha, SourceName
from bot.core.plans import ClaimWish, Plan, PlannedImage
from bot.core.repoconfig import RepoConfig
from bot.core.repofile import parse_repo_file

SOURCE = SourceName("gh")
REPOSITORY = Repository(
    RepositoryId(1), "acme/shop", "main", "https://git.test/acme/shop.git", "https://git.test/s"
)
ANNA = Person(7, "anna")
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
A, B, C = Sha("a" * 40), Sha("b" * 40), Sha("c" * 40)
RULE = RepositoryRule("acme/*")
CENTRAL = CentralConfig(
    public_url="https://bot.test",
    sources={SOURCE: Source(SOURCE, HostKind.GITHUB, "https://github.com", "")},
    repositories=(RULE,),
    registries={"reg.test:5000": RegistryRule("reg.test:5000", insecure=True)},
    default_registry="reg.test:5000",
)


def config(text: str) -> RepoConfig:
    """A repository config that has no mistakes."""
    found = parse_repo_file(text.encode())
    assert isinstance(found, RepoConfig), "\n".join(map(str, found))
    return found


def pushed(branch: str = "main", sha: Sha = A, **more: Any) -> BranchPushed:
    return BranchPushed(
        REPOSITORY, ANNA, branch, sha, None, more.pop("message", "a change"), **more
    )


def tagged(tag: str, sha: Sha = A) -> TagPushed:
    return TagPushed(REPOSITORY, ANNA, tag, sha)


def requested(
    number: int = 7, sha: Sha = A, action: RequestAction = "opened", **more: Any
) -> RequestChanged:
    """From a branch of the repository itself; `head_repository=2` makes it a fork's."""
    defaults: dict[str, Any] = {
        "head_branch": "topic",
        "head_repository": REPOSITORY.id,
        "base_branch": "main",
        "author": ANNA,
    }
    return RequestChanged(REPOSITORY, ANNA, action, RequestHead(number, sha, **defaults | more))


def queued(sha: Sha = A) -> MergeGroupRequested:
    ref = "refs/heads/gh-readonly-queue/main/pr-7-abc"
    return MergeGroupRequested(REPOSITORY, ANNA, sha, ref, "main", None)


def facts(event: PlannedEvent, **more: Any) -> EventFacts:
    """The event's commit is the head unless `head` says otherwise."""
    sha = getattr(event, "sha", None) or getattr(getattr(event, "request", None), "head_sha", None)
    base = EventFacts(
        SOURCE, event, REPOSITORY, CENTRAL, RULE, NoConfig(dockerfile=True), NOW, head=sha
    )
    return replace(base, **more)


def claim(plan: Plan) -> ClaimWish:
    """The plan's only claim."""
    (wish,) = plan.claims
    return wish


def image(plan: Plan, key: str) -> PlannedImage:
    return next(one for one in claim(plan).images if one.image == key)


def skipped(plan: Plan) -> dict[str, str]:
    return {one.image: one.why for one in claim(plan).skipped}


def tags(plan: Plan, key: str) -> list[str]:
    return [tag.tag for tag in image(plan, key).tags if tag.withheld is None]
