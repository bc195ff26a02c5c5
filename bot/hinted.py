"""What a hint of ours means now: the ref or request that it names, as the host's API shows it."""

from __future__ import annotations

from bot.core.events import (
    BranchDeleted,
    BranchPushed,
    Person,
    Repository,
    RequestChanged,
    RequestClosed,
    TagDeleted,
    TagPushed,
)
from bot.core.facts import PlannedEvent
from bot.core.hints import Hint
from bot.core.ids import Sha
from bot.ports import GitHost

NOBODY = Person(None, "pushwright", bot=True)


class NothingToRead(Exception):
    """The hint's ref, request or commit is gone, and nothing of ours is left of it."""


def event_of(host: GitHost, hint: Hint, repository: Repository) -> PlannedEvent:
    """Raises NothingToRead."""
    if hint.key.startswith("request/"):
        return _request(host, repository, int(hint.key.removeprefix("request/")))
    sha = host.resolve_ref(repository, hint.key)
    if hint.key.startswith("refs/tags/"):
        tag = hint.key.removeprefix("refs/tags/")
        if sha is None:
            return TagDeleted(repository, NOBODY, tag)
        return TagPushed(repository, NOBODY, tag, sha)
    branch = hint.key.removeprefix("refs/heads/")
    if sha is None:
        return BranchDeleted(repository, NOBODY, branch, None)
    if hint.sha is not None and not contains(host, repository, sha, hint.sha):
        raise NothingToRead(f"{branch} does not contain {hint.sha[:12]}")
    sha = hint.sha or sha
    commit = host.commit(repository, sha)
    message = commit.message if commit else None
    return BranchPushed(repository, NOBODY, branch, sha, None, message)


def contains(host: GitHost, repository: Repository, head: Sha, sha: Sha) -> bool:
    """Whether a branch with that head contains the commit. That a host finds a commit means
    nothing: GitHub finds those of every fork in the repository itself."""
    return sha == head or host.is_ancestor(repository, sha, head) is True


def _request(host: GitHost, repository: Repository, number: int) -> PlannedEvent:
    found = host.request(repository, number)
    if found is None:
        raise NothingToRead(f"request {number} does not exist")
    request, is_open = found
    if is_open:
        return RequestChanged(repository, NOBODY, "synchronize", request)
    return RequestClosed(repository, NOBODY, request, merged=False)
