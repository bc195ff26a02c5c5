"""A bare Git repository on disk, read by the real `git`. What it said of objects named by their
full ids is kept: that never changes, and a scenario asks it hundreds of times."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.githost import objects

_NAME, _EMAIL = "Ada Example", "ada@example.com"
HEX = re.compile(r"[0-9a-f]{4,64}")
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

_CONFIG = """
[http]
	receivepack = true
[uploadpack]
	# Both hosts let anybody who may read fetch a commit by its id.
	allowAnySHA1InWant = true
	allowFilter = true
[receive]
	advertisePushOptions = true
	denyNonFastForwards = false
	denyDeleteCurrent = ignore
	# Refs that the host makes and nobody can push.
	hideRefs = refs/pull
	hideRefs = refs/merge-requests
[gc]
	auto = 0
"""

_POST_RECEIVE = """#!/bin/sh
# Keeps the push options where the fake finds them.
n=0
: >"$GIT_DIR/push-options"
while [ "$n" -lt "${GIT_PUSH_OPTION_COUNT:-0}" ]; do
  eval "printf '%s\\\\n' \\"\\$GIT_PUSH_OPTION_$n\\"" >>"$GIT_DIR/push-options"
  n=$((n + 1))
done
"""


def git_environment() -> dict[str, str]:
    """Nothing of the machine's own Git configuration gets in."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": _NAME,
        "GIT_AUTHOR_EMAIL": _EMAIL,
        "GIT_COMMITTER_NAME": _NAME,
        "GIT_COMMITTER_EMAIL": _EMAIL,
    }


_SHOWN = "--format=%H%n%T%n%P%n%an%n%ae%n%aI%n%B"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a path is at a commit: `mode` as Git writes it, `kind` blob, tree or commit."""

    mode: str
    kind: str
    oid: str
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    message: str
    author: str
    email: str
    date: str


@dataclass(frozen=True, slots=True)
class Change:
    """One changed path: `status` is Git's letter; `old` differs from `path` for a rename."""

    status: str
    path: str
    old: str


class BareRepository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._said: dict[tuple[str, ...], bytes] = {}

    @classmethod
    def create(cls, folder: Path, default_branch: str = "main") -> BareRepository:
        folder.parent.mkdir(parents=True, exist_ok=True)
        repository = cls(folder)
        if folder.exists():
            return repository
        command = ["git", "init", "--quiet", "--bare", f"--initial-branch={default_branch}"]
        subprocess.run([*command, str(folder)], check=True, env=git_environment())
        with (folder / "config").open("a") as config:
            config.write(_CONFIG)
        hook = folder / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_POST_RECEIVE)
        hook.chmod(0o755)
        return repository

    def run(
        self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> bytes:
        """Standard output; raises CalledProcessError."""
        return subprocess.run(
            ["git", f"--git-dir={self.folder}", *arguments],
            check=True,
            input=stdin,
            capture_output=True,
            env=git_environment() | dict(env or {}),
        ).stdout

    def _ask(self, *arguments: str, about: Sequence[str]) -> bytes:
        """As `run`. `about`: the objects that the answer depends on, and on nothing else."""
        kept = self._said.get(arguments)
        if kept is not None:
            return kept
        said = self.run(*arguments)
        if all(_ID.fullmatch(one) for one in about):
            self._said[arguments] = said
        return said

    def _try(self, *arguments: str, about: Sequence[str]) -> bytes | None:
        """None: it can't be answered, now at least."""
        try:
            return self._ask(*arguments, about=about)
        except subprocess.CalledProcessError:
            return None

    def _of_ref(self, name: str) -> str:
        """What a ref's own file says; the ref's name where it has none."""
        try:
            text = (self.folder / name).read_text().strip()
        except OSError:
            return name
        return text if _ID.fullmatch(text) else name

    def refs(self) -> dict[str, str]:
        """Every ref with the object it names: of an annotated tag that is the tag object."""
        return objects.refs(self.folder)

    def resolve(self, revision: str) -> str | None:
        """The commit that a ref, short name or id means, tags peeled."""
        if not revision or revision.startswith("-") or "\x00" in revision:
            return None
        if revision.startswith("refs/"):
            revision = self._of_ref(revision)
        asked = ("rev-parse", "--verify", "--quiet", revision + "^{commit}")
        found = self._try(*asked, about=[revision])
        return found.decode().strip() if found else None

    def kind(self, oid: str) -> str | None:
        found = self._try("cat-file", "-t", oid, about=[oid])
        return found.decode().strip() if found else None

    def tag_target(self, oid: str) -> tuple[str, str] | None:
        """(kind, id) of what an annotated tag object points at."""
        text = self._try("cat-file", "tag", oid, about=[oid])
        if text is None:
            return None
        head = dict(line.split(b" ", 1) for line in text.split(b"\n\n", 1)[0].splitlines())
        return head[b"type"].decode(), head[b"object"].decode()

    def entry(self, sha: str, path: str) -> Entry | None:
        """The entry of `path` at a commit with its content; the root is a tree."""
        if path == "":
            return Entry("040000", "tree", sha)
        asked = ("--literal-pathspecs", "ls-tree", "-z", sha, "--", path.rstrip("/"))
        listing = self._try(*asked, about=[sha])
        if not listing:
            return None
        meta, _ = listing.rstrip(b"\0").split(b"\0")[0].split(b"\t", 1)
        mode, kind, oid = meta.decode().split()
        content = self._ask("cat-file", "blob", oid, about=[oid]) if kind == "blob" else b""
        return Entry(mode, kind, oid, content)

    def listing(self, sha: str, path: str) -> list[tuple[str, Entry]]:
        """The names directly under a folder."""
        spec = f"{sha}:{path}" if path else sha
        rows = self.run("ls-tree", "-z", spec).rstrip(b"\0").split(b"\0")
        entries = []
        for row in filter(None, rows):
            meta, name = row.split(b"\t", 1)
            mode, kind, oid = meta.decode().split()
            entries.append((name.decode("utf-8", "surrogateescape"), Entry(mode, kind, oid)))
        return entries

    def commit_info(self, sha: str) -> Commit | None:
        text = self._try("show", "-s", _SHOWN, sha, about=[sha])
        if text is None:
            return None
        lines = text.decode("utf-8", "replace").split("\n", 6)
        message = lines[6].rstrip("\n")
        return Commit(
            lines[0], lines[1], tuple(lines[2].split()), message, lines[3], lines[4], lines[5]
        )

    def merge_base(self, one: str, other: str) -> str | None:
        found = self._try("merge-base", one, other, about=[one, other])
        return found.decode().split()[0] if found else None

    def changes(self, base: str, head: str) -> list[Change]:
        """Base tree to head tree, renames found."""
        asked = ("diff", "--name-status", "-z", "-M", base, head)
        fields = self._ask(*asked, about=[base, head]).split(b"\0")
        changes, position = [], 0
        while position < len(fields) - 1:
            status = fields[position].decode()
            names = [f.decode("utf-8", "replace") for f in fields[position + 1 : position + 3]]
            renamed = status[0] in "RC"
            changes.append(Change(status[0], names[1] if renamed else names[0], names[0]))
            position += 3 if renamed else 2
        return changes

    def log(self, old: str, new: str) -> list[str]:
        """The commits that `new` has and `old` has not, oldest first."""
        asked = ("rev-list", "--reverse", f"{old}..{new}")
        return self._ask(*asked, about=[old, new]).decode().split()

    def update_refs(self, refs: Mapping[str, str | None]) -> None:
        """Move, make or delete (None) them, all or none."""
        lines = [
            f"delete {name}\0\0" if oid is None else f"update {name}\0{oid}\0\0"
            for name, oid in refs.items()
        ]
        text = "".join(lines).encode("utf-8", "surrogateescape")
        self.run("update-ref", "--stdin", "-z", stdin=text)

    def commit(
        self,
        files: Mapping[str, bytes | str | None],
        message: str,
        parents: Sequence[str] = (),
    ) -> str:
        """A commit with the first parent's tree changed by `files` (None deletes). No ref moves."""
        entries = self._entries(parents[0]) if parents else {}
        for path, content in files.items():
            name = path.encode("utf-8", "surrogateescape")
            if content is None:
                entries.pop(name, None)
                continue
            data = content.encode() if isinstance(content, str) else content
            entries[name] = (objects.FILE, objects.written(self.folder, "blob", data))
        head = [f"tree {objects.tree(self.folder, entries)}", *(f"parent {sha}" for sha in parents)]
        who = f"{_NAME} <{_EMAIL}> {int(time.time())} +0000"
        head += [f"author {who}", f"committer {who}", "", message.rstrip("\n"), ""]
        return objects.written(self.folder, "commit", "\n".join(head).encode())

    def _entries(self, sha: str) -> dict[bytes, tuple[bytes, str]]:
        """The files of a commit, by path."""
        rows = self._ask("ls-tree", "-r", "-z", sha, about=[sha]).split(b"\0")
        pairs = (row.split(b"\t", 1) for row in rows if row)
        return {path: (meta.split()[0], meta.split()[2].decode()) for meta, path in pairs}

    def fetch(self, other: BareRepository, revision: str, ref: str) -> None:
        """Copy a commit from another repository of this host and name it."""
        self.run("fetch", "--quiet", "--no-tags", str(other.folder), f"+{revision}:{ref}")

    def push_options(self) -> list[str]:
        """Those of the last push."""
        try:
            return (self.folder / "push-options").read_text().split()
        except FileNotFoundError:
            return []
