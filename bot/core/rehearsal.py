"""What only a plan shows of a file, such as two images that claim one tag: found before any push.

Events are made up: pushes of `main`, of `v1.2.3` and of each branch and tag that the file names
without a wildcard, and a request into each of those branches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from bot.core.events import BranchPushed, Person, Repository, RequestChanged, RequestHead, TagPushed
from bot.core.explain import Offline, decide_offline
from bot.core.ids import HostKind, RepositoryId, Sha
from bot.core.mistakes import Mistake, in_order
from bot.core.repoconfig import RefFilter, RepoConfig

_NAMES_MOST = 10
_SHA = Sha("a" * 40)
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_SOMEBODY = Person(1, "somebody")
_REPOSITORY = Repository(RepositoryId(1), "owner/repository", "main", "", "")


def mistakes_of_plans(config: RepoConfig, data: bytes, file: str) -> tuple[Mistake, ...]:
    """Each once, in the order of the file. `data` is what `config` was read from."""
    found: dict[Mistake, None] = {}
    for event in _events(config):
        given = Offline(HostKind.GITHUB, event, _NOW, data, file, trusted=True)
        decided = decide_offline(given)
        if not isinstance(decided, str):
            found |= {one: None for wish in decided[0].claims for one in wish.mistakes}
    return in_order(found)


def _events(config: RepoConfig) -> Iterator[BranchPushed | TagPushed | RequestChanged]:
    pushes = [image.on.push for image in config.images if image.on.push is not None]
    requests = [one.on.pull_request for one in config.images if one.on.pull_request is not None]
    for branch in _names("main", (rule.branches for rule in pushes)):
        yield BranchPushed(_REPOSITORY, _SOMEBODY, branch, _SHA, None, None)
    for tag in _names("v1.2.3", (rule.tags for rule in pushes)):
        yield TagPushed(_REPOSITORY, _SOMEBODY, tag, _SHA)
    for target in _names("main", (rule.branches for rule in requests)):
        head = RequestHead(1, _SHA, "topic", _REPOSITORY.id, target, _SOMEBODY)
        yield RequestChanged(_REPOSITORY, _SOMEBODY, "opened", head)


def _names(usual: str, filters: Iterable[RefFilter]) -> list[str]:
    named = [name for one in filters for name in one.include if not set(name) & set("!*?+[\\")]
    return list(dict.fromkeys([usual, *named]))[:_NAMES_MOST]
