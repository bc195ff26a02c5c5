"""What two commits have in common, found by git itself where a host's API does not tell.

First the history without any file is fetched (`--filter=tree:0`), then the two trees without
contents (`--depth=1 --filter=blob:none`), each into a folder that is removed again. A server that
knows no filters sends more, and the answer is the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from bot.core.facts import ChangedPaths, KnownPaths, UnknownPaths
from bot.core.ids import Sha
from bot.hosts.git import Remote, run
from bot.ports import CloneCredential, HostError, Temporary

T = TypeVar("T")
_MOST = 100_000
"""Changed paths; with more the plan treats everything as changed."""


def merge_base(
    remote: Remote, credential: CloneCredential | None, one: Sha, other: Sha
) -> Sha | None:
    """None where there is none, or one of the commits is not there. Raises NotFound for a
    repository that is not there, Forbidden, Temporary."""
    if one == other:
        return one
    try:
        return _fetched(remote, credential, (one, other), "--filter=tree:0", _base)
    except _Unknown:
        return None


def changed_paths(
    remote: Remote, credential: CloneCredential | None, base: Sha, head: Sha
) -> ChangedPaths:
    """What differs between the merge base and `head`, both names of what was renamed."""
    common = merge_base(remote, credential, base, head)
    if common is None:
        return UnknownPaths("the two commits have no common ancestor, or one of them is gone")
    if common == head:
        return KnownPaths(())
    try:
        return _fetched(remote, credential, (common, head), "--filter=blob:none", _paths)
    except _Unknown as gone:
        return UnknownPaths(str(gone))


class _Unknown(Exception):
    """The server does not have one of the commits."""


Git = Callable[..., bytes]


def _fetched(
    remote: Remote,
    credential: CloneCredential | None,
    commits: tuple[Sha, Sha],
    part: str,
    look: Callable[[Git, Sha, Sha], T],
) -> T:
    with tempfile.TemporaryDirectory(prefix="pushwright-compare-") as folder:

        def git(*arguments: str) -> bytes:
            return run(arguments, remote, credential, folder)

        form = "sha256" if len(commits[0]) == 64 else "sha1"
        git("init", "--quiet", "--bare", f"--object-format={form}")
        git("remote", "add", "origin", remote.url)
        depth = ("--depth=1",) if part == "--filter=blob:none" else ()
        options = ("--quiet", "--no-tags", "--no-auto-gc", *depth, part)
        try:
            git("fetch", *options, "origin", *commits)
        except HostError as error:
            if _says_unknown(error):
                raise _Unknown(str(error)) from error
            raise
        return look(git, *commits)


def _says_unknown(error: HostError) -> bool:
    words = str(error).lower()
    return any(said in words for said in ("not our ref", "couldn't find remote ref", "bad object"))


def _base(git: Git, one: Sha, other: Sha) -> Sha | None:
    with suppress(Temporary):  # without a common ancestor git ends with 1
        return Sha(git("merge-base", one, other).decode().strip())
    return None


def _paths(git: Git, base: Sha, head: Sha) -> ChangedPaths:
    output = git("diff-tree", "-r", "--name-only", "--no-renames", "-z", base, head)
    names = [name.decode("utf-8", "replace") for name in output.split(b"\0") if name]
    if len(names) > _MOST:
        return UnknownPaths(f"more than {_MOST} files changed")
    return KnownPaths(tuple(names))
