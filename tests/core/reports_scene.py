"""Rows as rendering reads them, and the statuses that come out, for the tests of reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.core.builds import (
    BuilderResult,
    BuildState,
    CacheUse,
    Ended,
    Outcome,
    OutcomeClass,
    Place,
)
from bot.core.events import Repository
from bot.core.ids import BuildId, Digest, ImageKey, Sha, Trust
from bot.core.outcomes import classify
from bot.core.plans import ClaimKind, SequenceOrder, TagWish
from bot.core.reports_render import render
from bot.core.reports_rows import Known, Rendered
from tests.core.scene import REPOSITORY, A

DIGEST = Digest("sha256:" + "d" * 64)
T = 1000.0
URL = "https://bot.test/"
ONE = BuildId("1" * 32)


@dataclass(frozen=True)
class Build:
    """Has what `reports_rows` asks of a build; the store's own row is held to the same by mypy."""

    state: BuildState = BuildState.QUEUED
    outcome: Outcome | None = None
    id: BuildId = ONE
    recipe: Mapping[str, object] = field(default_factory=dict)
    check_only: bool = False
    attempt: int = 1
    reason: str = ""
    queued_at: float = T
    started_at: float | None = T + 2
    ended_at: float | None = None


@dataclass(frozen=True)
class View:
    image: ImageKey
    build: Build
    tags: tuple[TagWish, ...] = ()
    why: str = ""
    required: bool = False
    tagging: str = "settled"
    notes: tuple[str, ...] = ()
    tag_errors: tuple[str, ...] = ()
    ahead: int | None = None


@dataclass(frozen=True)
class Claim:
    images: tuple[View, ...] = ()
    kind: ClaimKind = ClaimKind.BRANCH
    name: str = "main"
    state: str = "live"
    text: str = ""
    trust: Trust = Trust.TRUSTED
    wish: Mapping[str, object] = field(default_factory=dict)
    created_at: float = T
    id: int = 1
    sha: Sha = A
    page: str = ""


@dataclass(frozen=True)
class Row:
    repository: Repository = REPOSITORY


@dataclass(frozen=True)
class Report:
    claims: tuple[Claim, ...]
    family: str = ""
    repository: Row = Row()
    sha: Sha = A
    skips: Mapping[ImageKey, str] = field(default_factory=dict)


def shown(rendered: Rendered) -> dict[str, tuple[str, str]]:
    return {
        status.context: (status.state.value, status.description) for status, _ in rendered.statuses
    }


def statuses(*claims: Claim, now: float = T + 100, **known: Any) -> dict[str, tuple[str, str]]:
    return shown(render(Report(claims), now, URL, Known(**known)))


def tag(name: str, withheld: str | None = None) -> TagWish:
    return TagWish("reg.test/acme/api", name, SequenceOrder(), withheld)


def view(state: BuildState, outcome: Outcome | None = None, key: str = "api", **more: Any) -> View:
    of_view = {name: more.pop(name) for name in list(more) if name in View.__annotations__}
    ended = T + 46 if state.final else None
    build = Build(state, outcome, id=BuildId(key.ljust(32, "0")), ended_at=ended)
    return View(ImageKey(key), replace(build, **more), **of_view)


def ok(key: str = "api", **more: Any) -> View:
    result = BuilderResult(
        OutcomeClass.SUCCEEDED, "built", DIGEST, 142_300_000, cache=CacheUse(6, 7)
    )
    outcome = classify(Ended(result), push=True, head=DIGEST)
    return view(BuildState.SUCCEEDED, outcome, key, **{"tags": (tag("pr-12"),)} | more)


def broken(key: str = "api", **more: Any) -> View:
    place = Place("Dockerfile", 17, "RUN")
    result = BuilderResult(OutcomeClass.STEP, "RUN npm ci failed (exit 1)", place=place)
    return view(BuildState.FAILED, classify(Ended(result), push=True, head=None), key, **more)
