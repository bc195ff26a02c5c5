"""GitHub's endpoints about files, refs and commits."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from tests.fakes.githost.bare import HEX, Change, Entry
from tests.fakes.githost.github_shapes import Shapes
from tests.fakes.githost.model import Repository
from tests.fakes.githost.web import Answer, Asked, Json, Refused, Route, page

_INLINE = 1024 * 1024
_FILES = 300
"""A comparison lists no more files than these: https://docs.github.com/rest/commits/commits"""


@dataclass(frozen=True, slots=True)
class Code:
    shapes: Shapes

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "", self.repository),
            Route("GET", "/contents/{path*}", self.contents),
            Route("GET", "/git/ref/{ref*}", self.ref),
            Route("GET", "/git/tags/{sha}", self.tag),
            Route("GET", "/git/commits/{sha}", self.commit),
            Route("GET", "/compare/{basehead*}", self.compare),
        )

    def repository(self, asked: Asked, repository: Repository) -> Answer:
        return Answer.of(self.shapes.repository(repository))

    def contents(self, asked: Asked, repository: Repository, path: str) -> Answer:
        wanted = asked.one("ref", repository.default_branch)
        sha = repository.git.resolve(wanted)
        if sha is None:
            raise Refused(404, f"No commit found for the ref {wanted}")
        entry = repository.git.entry(sha, path)
        for _ in range(8):
            if entry is None or entry.mode != "120000":
                break
            # A link to a file inside the repository is followed.
            folder = path.rpartition("/")[0]
            target = f"{folder}/{entry.content.decode()}".lstrip("/")
            followed = repository.git.entry(sha, target)
            if followed is None or followed.kind != "blob":
                return Answer.of(self._entry(path, entry, "symlink"))
            entry, path = followed, target
        if entry is None:
            raise Refused(404, "Not Found")
        if entry.kind == "tree":
            rows = repository.git.listing(sha, path)
            return Answer.of([self._entry(name, row, _kind(row)) for name, row in rows])
        return Answer.of(self._entry(path, entry, _kind(entry)))

    @staticmethod
    def _entry(path: str, entry: Entry, kind: str) -> Json:
        shown = {
            "type": kind,
            "name": path.rpartition("/")[2],
            "path": path,
            "sha": entry.oid,
            "size": len(entry.content),
        }
        if kind == "file":
            inline = len(entry.content) <= _INLINE
            shown["encoding"] = "base64" if inline else "none"
            shown["content"] = base64.encodebytes(entry.content).decode() if inline else ""
        if kind == "symlink":
            shown["target"] = entry.content.decode()
        return shown

    def ref(self, asked: Asked, repository: Repository, ref: str) -> Answer:
        name = f"refs/{ref}"
        refs = repository.git.refs()
        if not refs:
            raise Refused(409, "Git Repository is empty.")
        oid = refs.get(name)
        if oid is None:
            raise Refused(404, "Not Found")
        kind = repository.git.kind(oid)
        return Answer.of({"ref": name, "object": {"type": kind, "sha": oid, "url": ""}})

    def tag(self, asked: Asked, repository: Repository, sha: str) -> Answer:
        target = repository.git.tag_target(sha)
        if target is None:
            raise Refused(404, "Not Found")
        kind, oid = target
        return Answer.of({"sha": sha, "object": {"type": kind, "sha": oid, "url": ""}})

    def commit(self, asked: Asked, repository: Repository, sha: str) -> Answer:
        info = repository.git.commit_info(sha) if HEX.fullmatch(sha) else None
        if info is None:
            raise Refused(404, "Not Found")
        parents = [{"sha": parent} for parent in info.parents]
        shown: Json = {"sha": sha, "message": info.message, "parents": parents}
        person = {"name": info.author, "email": info.email, "date": info.date}
        shown |= {"author": person, "committer": person}
        return Answer.of({**shown, "tree": {"sha": info.tree}})

    def compare(self, asked: Asked, repository: Repository, basehead: str) -> Answer:
        git = repository.git
        base, _, head = basehead.partition("...")
        one, other = git.resolve(base), git.resolve(head)
        if one is None or other is None:
            raise Refused(404, "Not Found")
        fork = git.merge_base(one, other)
        if fork is None:
            raise Refused(404, f"No common ancestor between {base} and {head}.")
        ahead, behind = git.log(fork, other), git.log(fork, one)
        commits = page(asked, [{"sha": sha} for sha in ahead])
        changes = git.changes(fork, other)[:_FILES] if asked.number("page", 1) == 1 else []
        return Answer.of(
            {
                "status": _relation(ahead, behind),
                "ahead_by": len(ahead),
                "behind_by": len(behind),
                "total_commits": len(ahead),
                "base_commit": {"sha": one},
                "merge_base_commit": {"sha": fork},
                "commits": commits,
                "files": [changed_file(change) for change in changes],
            }
        )


def _relation(ahead: list[str], behind: list[str]) -> str:
    if ahead and behind:
        return "diverged"
    if ahead:
        return "ahead"
    return "behind" if behind else "identical"


def _kind(entry: Entry) -> str:
    if entry.mode == "120000":
        return "symlink"
    return {"tree": "dir", "commit": "submodule"}.get(entry.kind, "file")


def changed_file(change: Change) -> Json:
    words = {"A": "added", "D": "removed", "R": "renamed", "C": "copied", "T": "changed"}
    shown = {"filename": change.path, "status": words.get(change.status, "modified")}
    if change.status == "R":
        shown["previous_filename"] = change.old
    return shown
