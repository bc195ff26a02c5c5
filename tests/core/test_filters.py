"""Branches, tags, paths: what matches, and what people are told about it."""

from __future__ import annotations

import pytest

from bot.core.events import BranchPushed, Event, Person, Repository, TagPushed
from bot.core.filters import (
    Verdict,
    branch_matches,
    paths_match,
    request_matches,
    tag_matches,
)
from bot.core.ids import RepositoryId, Sha
from bot.core.repoconfig import PathFilter, PushRule, RefFilter, RequestRule
from bot.core.repofile import ZERO_TRIGGERS
from bot.core.skip import skip_asked, skip_token

BRANCHES = PushRule(branches=RefFilter(("main", "release/*", "!release/old")))
TAGS = PushRule(tags=RefFilter(("v*",)))
IGNORING = PushRule(branches=RefFilter(ignore=("dev/**",)))


@pytest.mark.parametrize(
    ("rule", "branch", "verdict"),
    [
        (BRANCHES, "main", Verdict(True, "branches main matched main")),
        (BRANCHES, "release/2", Verdict(True, "branches release/* matched release/2")),
        (
            BRANCHES,
            "release/old",
            Verdict(False, "branch release/old matches none of main, release/*, !release/old"),
        ),
        (TAGS, "main", Verdict(False, "`on` names only tags, not branches")),
        (IGNORING, "dev/a/b", Verdict(False, "branches-ignore dev/** matched dev/a/b")),
        (IGNORING, "main", Verdict(True, "branch main is not ignored")),
        (PushRule(), "any/thing", Verdict(True, "every branch")),
        (None, "main", Verdict(False, "`on` does not name push")),
        (ZERO_TRIGGERS.push, "trunk", Verdict(True, "trunk is the default branch")),
        (ZERO_TRIGGERS.push, "main", Verdict(False, "main is not the default branch")),
    ],
)
def test_branches(rule: PushRule | None, branch: str, verdict: Verdict) -> None:
    assert branch_matches(rule, branch, "trunk") == verdict


@pytest.mark.parametrize(
    ("rule", "tag", "verdict"),
    [
        (TAGS, "v1", Verdict(True, "tags v* matched v1")),
        (TAGS, "x1", Verdict(False, "tag x1 matches none of v*")),
        (BRANCHES, "v1", Verdict(False, "`on` names only branches, not tags")),
        (PushRule(), "v1", Verdict(True, "every tag")),
        (PushRule(paths=PathFilter(("src/**",))), "v1", Verdict(True, "every tag")),
        (ZERO_TRIGGERS.push, "v1", Verdict(True, "tags v* matched v1")),
        (ZERO_TRIGGERS.push, "x", Verdict(False, "tag x matches none of v*")),
        (None, "v1", Verdict(False, "`on` does not name push")),
    ],
)
def test_tags(rule: PushRule | None, tag: str, verdict: Verdict) -> None:
    assert tag_matches(rule, tag) == verdict


def test_requests_are_held_against_their_target() -> None:
    rule = RequestRule(branches=RefFilter(("main",)), drafts=False)
    assert request_matches(rule, "main", draft=False)
    assert request_matches(rule, "dev", draft=False).why == "target branch dev matches none of main"
    assert request_matches(rule, "main", draft=True).why == "drafts are not built (`drafts: false`)"
    assert request_matches(RequestRule(), "main", draft=True)
    assert not request_matches(None, "main", draft=False)


def test_no_default_branch_is_no_match() -> None:
    assert not branch_matches(ZERO_TRIGGERS.push, "main", None)


API = PathFilter(("services/api/**",))
MIXED = PathFilter(("services/**", "!services/web/**"), ("**.md",))


@pytest.mark.parametrize(
    ("changed", "rule", "verdict"),
    [
        (
            ["services/api/app.py"],
            API,
            Verdict(True, "paths services/api/** matched services/api/app.py"),
        ),
        (["README.md"], API, Verdict(False, "not affected: no file under services/api")),
        ([], API, Verdict(False, "not affected: no file changed")),
        (None, API, Verdict(True, "which files changed is not known")),
        ([], PathFilter(), Verdict(True, "no paths are named, every change counts")),
        (
            ["services/web/a", "services/x"],
            MIXED,
            Verdict(True, "paths services/** matched services/x"),
        ),
        (
            ["services/web/a"],
            MIXED,
            Verdict(False, "not affected: no file matches services/**, !services/web/**"),
        ),
        (
            ["services/a.md"],
            MIXED,
            Verdict(False, "not affected: paths-ignore **.md covers services/a.md"),
        ),
        (
            ["docs/a", "src/b"],
            PathFilter(ignore=("docs/**",)),
            Verdict(True, "src/b is not ignored"),
        ),
        (
            ["docs/a"],
            PathFilter(ignore=("docs/**",)),
            Verdict(False, "not affected: paths-ignore docs/** covers docs/a"),
        ),
        (
            ["e"],
            PathFilter(("a/**", "b/**", "c/**", "d/**")),
            Verdict(False, "not affected: no file under a, b, c and 1 more"),
        ),
    ],
)
def test_paths(changed: list[str] | None, rule: PathFilter, verdict: Verdict) -> None:
    assert paths_match(changed, rule) == verdict


REPOSITORY = Repository(RepositoryId(1), "acme/api", "main", "https://x/a.git", "https://x/a")
SOMEBODY = Person(1, "somebody")
COMMIT = Sha("a" * 40)


def pushed(message: str | None, skip: bool = False) -> Event:
    return BranchPushed(REPOSITORY, SOMEBODY, "main", COMMIT, None, message, skip_asked=skip)


@pytest.mark.parametrize(
    ("message", "token"),
    [
        ("fix [skip ci]", "[skip ci]"),
        ("[CI Skip]\n\nbody", "[ci skip]"),
        ("a\n\n[skip pushwright]", "[skip pushwright]"),
        ("skip ci", None),
        ("[skip  ci]", None),
        ("", None),
        (None, None),
    ],
)
def test_skip_tokens(message: str | None, token: str | None) -> None:
    assert skip_token(message) == token


def test_skipping_is_for_branch_pushes_alone() -> None:
    assert skip_asked(pushed("x [skip ci]")) == "the commit message says [skip ci]"
    assert skip_asked(pushed("x", skip=True)) == "the push option ci.skip was given"
    assert skip_asked(pushed("x")) is None
    assert skip_asked(TagPushed(REPOSITORY, SOMEBODY, "[skip ci]", COMMIT)) is None
