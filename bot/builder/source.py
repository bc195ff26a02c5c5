"""The commit's files in a folder without `.git`.

`.git` differs between two clones of one commit, so with it in the context `COPY . .` never hits;
and a Git URL as context ignores .dockerignore (https://github.com/docker/cli/issues/2827).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bot.builder.budget import Budget
from bot.builder.classes import BuildClass
from bot.builder.outcome import BuildFailed
from bot.builder.processes import Command, Finished, run
from bot.builder.recipe import Limits, Source
from bot.builder.records import Records

# Settings that come from nobody but us. Hooks, filters and transports of other kinds stay off;
# objects are checked, except for faults that old but honest histories have.
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.fileMode=true",
    "core.symlinks=true",
    "core.autocrlf=false",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "init.defaultBranch=main",
    "fetch.fsckObjects=true",
    "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "fetch.fsck.zeroPaddedDate=ignore",
    "submodule.fetchJobs=2",
)
_LFS_SETTINGS = (
    "filter.lfs.process=git-lfs filter-process",
    "filter.lfs.smudge=git-lfs smudge -- %f",
    "filter.lfs.clean=git-lfs clean -- %f",
    "filter.lfs.required=true",
)
# Asked "Username for 'https://host':" or "Password for 'https://user@host':"; answers for its own
# host alone, so that a submodule or a redirect elsewhere gets nothing.
_ASKPASS = """#!/bin/sh
case "$1" in *"//$PUSHWRIGHT_HOST'"* | *"@$PUSHWRIGHT_HOST'"*) ;; *) exit 0 ;; esac
case "$1" in
Username*) [ -z "$PUSHWRIGHT_USERNAME_FILE" ] || cat "$PUSHWRIGHT_USERNAME_FILE" ;;
Password*) [ -z "$PUSHWRIGHT_PASSWORD_FILE" ] || cat "$PUSHWRIGHT_PASSWORD_FILE" ;;
esac
"""
_GONE = re.compile(
    r"not our ref|couldn't find remote ref|unadvertised object|"
    r"no such remote ref|remote did not send all necessary objects",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"Authentication failed|could not read (?:Username|Password)|returned error: 40[134]|"
    r"repository '[^']*' not found|Access denied|terminal prompts disabled",
    re.IGNORECASE,
)
_LFS_HEAD = b"version https://git-lfs.github.com/spec/v1"
_LFS_LOOK = 20_000


@dataclass(frozen=True, slots=True)
class Checkout:
    """`tree` is Git's own hash of the files; `warnings` are fit for the person who pushed."""

    folder: Path
    tree: str
    warnings: tuple[str, ...]


class Fetcher:
    """Git with an environment, configuration and credential of its own."""

    def __init__(self, source: Source, workdir: Path, budget: Budget, records: Records) -> None:
        self._source = source
        self._budget = budget
        self._records = records
        self._folder = workdir / "src"
        self._git_dir = workdir / "git"
        self._home = workdir / "home"
        self._askpass = workdir / "askpass"

    def checkout(self, limits: Limits) -> Checkout:
        """Raises BuildFailed: fetch-network, commit-gone, context (submodules), config (LFS)."""
        source = self._source
        self._prepare()
        self._fetch(limits)
        checked_out = self._git("checkout", "-q", "-f", "--detach", source.sha)
        if checked_out.code != 0:
            raise BuildFailed(_checkout_class(checked_out), f"git checkout: {_last(checked_out)}")
        if source.submodules and (self._folder / ".gitmodules").exists():
            self._submodules(limits.network_waits)
        tree = self._git("rev-parse", f"{source.sha}^{{tree}}").output.decode().strip()
        remove_git_files(self._folder)
        return Checkout(self._folder, tree, tuple(self._warnings()))

    def _prepare(self) -> None:
        self._home.mkdir(mode=0o700)
        self._folder.mkdir()
        self._askpass.write_text(_ASKPASS)
        self._askpass.chmod(0o700)
        form = "sha256" if len(self._source.sha) == 64 else "sha1"
        made = self._run(
            (
                *("init", "-q", "--template=", f"--object-format={form}"),
                *(f"--separate-git-dir={self._git_dir}", str(self._folder)),
            )
        )
        if made.code != 0:
            raise BuildFailed(BuildClass.INTERNAL, f"git init: {_last(made)}")
        if self._source.submodules or self._source.lfs:  # both work out addresses from it
            self._git("config", "remote.origin.url", self._source.url)

    def _fetch(self, limits: Limits) -> None:
        """By the full id; a host may need a moment to show a commit, a network to come back."""
        look, again = iter(limits.fetch_waits), iter(limits.network_waits)
        while True:
            failed = self._fetch_once()
            if failed is None:
                return
            text = _last(failed)
            gone = bool(_GONE.search(failed.errors.decode("utf-8", "replace")))
            pause = next(look if gone else again, None)
            if _REFUSED.search(text):
                pause = None
            if pause is None:
                raise BuildFailed(*self._fetch_failure(text, gone=gone))
            self._records.note(f"fetch: {text}; again in {pause:g} s")
            self._budget.sleep(pause)

    def _fetch_failure(self, text: str, *, gone: bool) -> tuple[BuildClass, str]:
        source = self._source
        if gone:
            return (
                BuildClass.COMMIT_GONE,
                f"commit {source.sha} is not in the repository (force-pushed away?): {text}",
            )
        if _REFUSED.search(text):
            return (
                BuildClass.FETCH_NETWORK,
                f"the Git host refused to show {source.url} to the clone credential: {text}",
            )
        return BuildClass.FETCH_NETWORK, f"could not fetch from {source.url}: {text}"

    def _fetch_once(self) -> Finished | None:
        """None if the commit is here now."""
        source = self._source
        options = ("fetch", "-q", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
        by_id = self._git(*options, "--depth=1", "--", source.url, source.sha)
        if by_id.code == 0:
            return None
        if source.ref is None or not _GONE.search(by_id.errors.decode("utf-8", "replace")):
            return by_id
        # The server gives no commit by its id: take the reference, at first its head alone.
        for depth in ("--depth=1", "--depth=2147483647"):
            spec = f"+{source.ref}:refs/pushwright/head"
            by_ref = self._git(*options, depth, "--", source.url, spec)
            if by_ref.code != 0:
                return by_ref
            known = self._git("merge-base", "--is-ancestor", source.sha, "refs/pushwright/head")
            if known.code == 0:
                return None
        return by_id

    def _submodules(self, waits: Sequence[float]) -> None:
        update = ("submodule", "-q", "update", "--init", "--recursive", "--depth=1")
        for pause in (*waits, None):
            done = self._git(*update, alone=self._source.own_only)
            if done.code == 0:
                return
            text = _last(done)
            if (
                re.search(r"not allowed|No url found|fatal: clone of .* failed", text)
                or pause is None
            ):
                break
            if _REFUSED.search(text) or _GONE.search(text):
                break
            self._budget.sleep(pause)
        theirs = re.search(r"not allowed|No url found", text) or _REFUSED.search(text)
        kind = BuildClass.CONTEXT if theirs or _GONE.search(text) else BuildClass.FETCH_NETWORK
        how = (
            "without a credential, since who wrote .gitmodules is not trusted"
            if self._source.own_only
            else "with the clone credential on the repository's own host only"
        )
        raise BuildFailed(kind, f"submodules: {text} (they are fetched over http(s), {how})")

    def _warnings(self) -> list[str]:
        found = []
        if not self._source.submodules and (self._folder / ".gitmodules").is_file():
            found.append(
                "the repository has submodules and they were left empty: "
                "set `checkout: {submodules: true}` to fetch them"
            )
        if not self._source.lfs and (pointer := _first_lfs_pointer(self._folder)):
            found.append(
                f"{pointer} is a Git LFS pointer, not the file: set `checkout: {{lfs: true}}`"
            )
        return found

    def _git(self, *arguments: str, alone: bool = False) -> Finished:
        return self._run(["-C", str(self._folder), *arguments], alone=alone)

    def _run(self, arguments: Sequence[str], *, alone: bool = False) -> Finished:
        """`alone`: without the credential."""
        settings = [*_SETTINGS, *(_LFS_SETTINGS if self._source.lfs else ())]
        if self._source.ca_file:
            settings.append(f"http.sslCAInfo={self._source.ca_file}")
        argv = ["git"]
        for setting in settings:
            argv += ["-c", setting]
        env = self._environment(alone=alone)
        return run(Command([*argv, *arguments], env, self._home), self._budget)

    def _environment(self, *, alone: bool) -> dict[str, str]:
        address = urlsplit(self._source.url)
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._home),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "https" if address.scheme == "https" else "http:https",
            "GIT_ASKPASS": str(self._askpass),
            "PUSHWRIGHT_HOST": address.netloc,
            "PUSHWRIGHT_USERNAME_FILE": str((not alone and self._source.username_file) or ""),
            "PUSHWRIGHT_PASSWORD_FILE": str((not alone and self._source.password_file) or ""),
        }
        if self._source.proxy:  # by environment: a proxy's address may hold a password
            env |= {"http_proxy": self._source.proxy, "https_proxy": self._source.proxy}
        return env


def remove_git_files(folder: Path) -> None:
    """Those of the checkout and of its submodules; Git itself allows no such name in a tree."""
    for parent, folders, files in os.walk(folder):
        if ".git" in files:
            Path(parent, ".git").unlink()
        if ".git" in folders:
            folders.remove(".git")


def _first_lfs_pointer(folder: Path) -> str | None:
    attributes = folder / ".gitattributes"
    if not attributes.is_file() or b"filter=lfs" not in attributes.read_bytes():
        return None
    looked = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            path = Path(parent, name)
            looked += 1
            if looked > _LFS_LOOK:
                return None
            if path.is_symlink() or not 100 <= path.stat().st_size <= 1024:
                continue
            with path.open("rb") as file:
                if file.read(len(_LFS_HEAD)) == _LFS_HEAD:
                    return str(path.relative_to(folder))
    return None


def _checkout_class(finished: Finished) -> BuildClass:
    text = finished.errors
    if b"git-lfs" in text and b"not found" in text:
        return BuildClass.CONFIG
    return BuildClass.OUT_OF_DISK if b"No space left" in text else BuildClass.INTERNAL


def _last(finished: Finished) -> str:
    """The line that says why: git's own last fatal or error, else its last words."""
    text = finished.errors.decode("utf-8", "replace").strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))]
    return " / ".join((telling or lines)[-2:])[:500] or f"exit code {finished.code}"
