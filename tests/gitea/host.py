"""The real Gitea with the face of the other hosts' stand-in (`tests.fakes.githost.host`): what
contract tests do to a host, done to it over HTTP and with real pushes.

Commits are made in a bare repository of our own, `git` of a repository, and pushed by whoever is
said to have made them. Owners called `acme` are organisations, all others people.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from bot.core.ids import HostKind
from tests.fakes.githost import model
from tests.fakes.githost.bare import BareRepository, git_environment
from tests.fakes.githost.faults import Faults
from tests.fakes.githost.server import HostServer, Record
from tests.gitea.front import Front
from tests.gitea.process import ADMIN, GiteaProcess, Refused

ORGANISATION: Final = "acme"
_ROLES: Final = {
    "read": "read",
    "triage": "read",
    "write": "write",
    "maintain": "admin",
    "admin": "admin",
}
"""What comes nearest to the roles of the stand-in: Gitea knows three."""


@dataclass(slots=True)
class Account:
    """Somebody. Giving them another login renames the account."""

    id: int
    _login: str
    _rename: Callable[[str, str], None]

    @property
    def login(self) -> str:
        return self._login

    @login.setter
    def login(self, login: str) -> None:
        self._rename(self._login, login)
        self._login = login


@dataclass(slots=True)
class Request:
    number: int
    _read: Callable[[], Any]

    @property
    def head_sha(self) -> str:
        """As the host has it now."""
        return str(self._read()["head"]["sha"])


class Hooks:
    """`wait` is called often: the host is asked only after somebody did something to it."""

    def __init__(self, gitea: GiteaProcess) -> None:
        self._gitea = gitea
        self._rounds = 0

    def stir(self, rounds: int) -> None:
        """Something was done whose webhooks are sent after that many rounds of its queues."""
        self._rounds = max(self._rounds, rounds)

    def wait(self) -> None:
        """Until everything has been sent that the host has to send."""
        rounds, self._rounds = self._rounds, 0
        self._gitea.flush(rounds)


@dataclass(slots=True)
class Repository:
    id: int
    path: str
    git: BareRepository
    private: bool
    default_branch: str = "main"
    members: set[str] = field(default_factory=set)
    requests: dict[int, Request] = field(default_factory=dict)
    pushed: bool = False


class World:
    """What tests change behind the host's back."""

    def __init__(self, host: GiteaFace) -> None:
        self._host = host

    def rename(self, repository: Repository, path: str) -> None:
        name = path.rpartition("/")[2]
        self._host.api("PATCH", f"/repos/{repository.path}", {"name": name})
        repository.path = path

    def issue(self, repository: Repository) -> int:
        """Makes one, for comments to stand on; its number."""
        path = f"/repos/{repository.path}/issues"
        return int(self._host.api("POST", path, {"title": "An issue"})["number"])


class GiteaFace:
    kind = HostKind.GITEA

    def __init__(self, gitea: GiteaProcess, folder: Path, front: Front | None = None) -> None:
        self.gitea = gitea
        self.url = front.url if front else gitea.url
        self.api_url = self.named_api = f"{self.url}/api/v1"
        self.front = front
        self.world = World(self)
        self.hooks = Hooks(gitea)
        self.violations: list[str] = []
        self._folder = folder

    def start(self) -> None:
        """It runs."""

    def stop(self) -> None:
        """It goes on for the next test."""

    def api(self, method: str, path: str, body: object = None, by: str = ADMIN) -> Any:
        if method != "GET":
            self.hooks.stir(1 if path.endswith("/comments") else 2)
        return self.gitea.api(method, path, body, by=self.gitea.people[by])

    def clear(self) -> None:
        """Nobody but the administrator is left, and nothing of anybody."""
        while found := self.api("GET", "/repos/search?limit=50&private=true")["data"]:
            for one in found:
                self.api("DELETE", f"/repos/{one['full_name']}")
        for one in self.api("GET", "/admin/orgs"):
            self.api("DELETE", f"/orgs/{one['username']}")
        for one in self.api("GET", "/admin/users?limit=50"):
            if one["login"] != ADMIN:
                self.api("DELETE", f"/admin/users/{one['login']}?purge=true")
        self.gitea.people = {ADMIN: self.gitea.people[ADMIN]}

    # --- people and repositories ---------------------------------------------------------------

    def person(self, login: str) -> Account:
        return Account(self.gitea.person(login).id, login, self._rename)

    def _rename(self, old: str, new: str) -> None:
        """A login that somebody has is freed first."""
        if new in self.gitea.people:
            self._rename(new, f"{new}-former")
        self.api("POST", f"/admin/users/{old}/rename", {"new_username": new})
        self.gitea.people[new] = self.gitea.people.pop(old)

    def create_repository(self, path: str, *, private: bool = False) -> Repository:
        owner, _, name = path.partition("/")
        if owner == ORGANISATION:
            self._organisation(owner)
            where = f"/orgs/{owner}/repos"
        else:
            self.person(owner)
            where = f"/admin/users/{owner}/repos"
        made = self.api("POST", where, {"name": name, "private": private})
        return Repository(made["id"], path, self._scratch(made["id"]), private)

    def _organisation(self, name: str) -> None:
        try:
            self.api("POST", "/orgs", {"username": name})
        except Refused as refused:
            if refused.status != 422:  # it is there
                raise

    def _scratch(self, number: int) -> BareRepository:
        return BareRepository.create(self._folder / f"{number}.git")

    def set_role(self, repository: Repository, login: str, role: str) -> Account:
        person, path = self.person(login), f"/repos/{repository.path}/collaborators/{login}"
        if role == "none":
            return person
        self.api("PUT", path, {"permission": _ROLES[role]})
        repository.members.add(login)
        return person

    def create_token(
        self,
        login: str,
        repository: Repository | None = None,
        role: str = "admin",
        *,
        scopes: tuple[str, ...] = ("write:repository", "write:issue", "read:user"),
    ) -> str:
        """Administrators are told what others may do, so that is what the bot's user is."""
        self.person(login)
        if repository is not None:
            self.set_role(repository, login, role)
        return self.gitea.token(login, *scopes)

    def _let_in(self, repository: Repository, login: str, role: str = "write") -> None:
        self.person(login)
        owner = repository.path.partition("/")[0]
        seen = role == "read" and not repository.private
        if login != owner and login not in repository.members and not seen:
            self.set_role(repository, login, role)

    def clone_url(self, repository: Repository) -> str:
        return f"{self.url}/{repository.path}.git"

    # --- what happens in repositories ----------------------------------------------------------

    def commit(
        self,
        repository: Repository,
        branch: str,
        files: Mapping[str, bytes | str | None],
        message: str = "Change",
        *,
        by: str = "ada",
    ) -> str:
        git = repository.git
        head = git.resolve(f"refs/heads/{branch}")
        base = head or git.resolve(f"refs/heads/{repository.default_branch}")
        sha = git.commit(files, message, [base] if base else [])
        self.set_refs(repository, {f"refs/heads/{branch}": sha}, by=by)
        return sha

    def set_refs(
        self, repository: Repository, refs: Mapping[str, str | None], *, by: str = "ada"
    ) -> None:
        self._let_in(repository, by)
        self.hooks.stir(2)
        repository.git.update_refs(refs)
        secret = self.gitea.people[by].token
        url = f"{self.gitea.url}/{repository.path}.git".replace("://", f"://{by}:{secret}@")
        moves = [f"+{oid or ''}:{name}" for name, oid in refs.items()]
        subprocess.run(
            ["git", "-C", str(repository.git.folder), "push", "--quiet", url, *moves],
            env=git_environment() | {"no_proxy": "127.0.0.1"},
            check=True,
            capture_output=True,
        )
        if not repository.pushed:
            # Until Gitea has noted that it is not empty any more, its API fails on it with 500.
            self._until(lambda: not self.api("GET", f"/repos/{repository.path}")["empty"])
            repository.pushed = True

    @staticmethod
    def _until(done: Callable[[], bool]) -> None:
        limit = time.monotonic() + 30
        while not done():
            if time.monotonic() > limit:
                raise TimeoutError("Gitea did not take note of a push")
            time.sleep(0.02)

    def annotated_tag(self, repository: Repository, name: str, sha: str) -> str:
        tagger = "tagger Ada Example <ada@example.com> 1700000000 +0000"
        text = f"object {sha}\ntype commit\ntag {name}\n{tagger}\n\nx\n"
        oid = repository.git.run("mktag", stdin=text.encode()).decode().strip()
        self.set_refs(repository, {f"refs/tags/{name}": oid})
        return oid

    def fork(self, base: Repository, path: str) -> Repository:
        owner, _, name = path.partition("/")
        self._let_in(base, owner, "read")
        made = self.api("POST", f"/repos/{base.path}/forks", {"name": name}, by=owner)
        git = self._scratch(made["id"])
        git.run("fetch", "--quiet", str(base.git.folder), "+refs/*:refs/*")
        return Repository(made["id"], path, git, base.private)

    def delete_fork(self, fork: Repository) -> None:
        self.api("DELETE", f"/repos/{fork.path}")

    def open_request(
        self,
        repository: Repository,
        branch: str,
        *,
        head: Repository | None = None,
        base: str | None = None,
        by: str = "ada",
        title: str = "Change",
        draft: bool = False,
    ) -> Request:
        source = head or repository
        self._let_in(repository, by, "read")
        label = branch if head is None else f"{source.path.partition('/')[0]}:{branch}"
        into = base or repository.default_branch
        wish = {"head": label, "base": into, "title": f"WIP: {title}" if draft else title}
        made = self.api("POST", f"/repos/{repository.path}/pulls", wish, by=by)
        number = int(made["number"])
        request = Request(
            number, lambda: self.api("GET", f"/repos/{repository.path}/pulls/{number}")
        )
        repository.requests[request.number] = request
        return request

    def label(self, repository: Repository, request: Request, name: str) -> None:
        path = f"/repos/{repository.path}"
        made = self.api("POST", f"{path}/labels", {"name": name, "color": "#00aabb"})
        self.api("POST", f"{path}/issues/{request.number}/labels", {"labels": [made["id"]]})

    def lock(self, repository: Repository, number: int) -> None:
        self.api("PUT", f"/repos/{repository.path}/issues/{number}/lock", {"lock_reason": "spam"})

    def change_request(self, repository: Repository, request: Request, action: str) -> None:
        state = {"closed": "closed", "reopened": "open"}[action]
        self.api("PATCH", f"/repos/{repository.path}/pulls/{request.number}", {"state": state})

    def _request_ref(self, number: int) -> str:
        return f"refs/pull/{number}/head"

    # --- talk and statuses ---------------------------------------------------------------------

    def comment(
        self,
        repository: Repository,
        body: str,
        *,
        number: int | None,
        sha: None = None,
        by: str = "ada",
    ) -> model.Comment:
        """Commits have no comments here."""
        self._let_in(repository, by, "read")
        path = f"/repos/{repository.path}/issues/{number}/comments"
        return self._comment(self.api("POST", path, {"body": body}, by=by))

    def comments(self, repository: Repository, number: int) -> list[model.Comment]:
        """Oldest first."""
        rows = self.api("GET", f"/repos/{repository.path}/issues/{number}/comments")
        return [self._comment(row) for row in rows]

    def all_comments(self, repository: Repository) -> list[model.Comment]:
        """Of all requests, oldest first."""
        found = [one for number in repository.requests for one in self.comments(repository, number)]
        return sorted(found, key=lambda comment: comment.id)

    def _comment(self, row: Any) -> model.Comment:
        author = model.Person(row["user"]["id"], row["user"]["login"])
        return model.Comment(row["id"], None, author, row["body"], time.time())

    def edit_comment(self, repository: Repository, comment: int, body: str) -> None:
        path = f"/repos/{repository.path}/issues/comments/{comment}"
        self.api("PATCH", path, {"body": body})

    def delete_comment(self, repository: Repository, comment: int) -> None:
        self.api("DELETE", f"/repos/{repository.path}/issues/comments/{comment}")

    def reactions(self, repository: Repository, comment: int) -> list[tuple[str, str]]:
        """(word, login) of each."""
        rows = self.api("GET", f"/repos/{repository.path}/issues/comments/{comment}/reactions")
        return [(row["content"], row["user"]["login"]) for row in rows or ()]

    def statuses(self, repository: Repository, sha: str) -> dict[str, model.Status]:
        """The newest status of each context of a commit."""
        path, page, found = f"/repos/{repository.path}/commits/{sha}/status?limit=50", 1, []
        while rows := self.api("GET", f"{path}&page={page}")["statuses"]:
            found += rows
            page += 1
        return {row["context"]: _status(sha, row) for row in found}

    # --- what the front sees and does ----------------------------------------------------------

    @property
    def faults(self) -> Faults:
        return self._server.faults

    @property
    def records(self) -> list[Record]:
        return self._server.records

    def calls(self, method: str, part: str = "") -> list[Record]:
        return [r for r in self.records if r.method == method and part in r.path]

    @property
    def _server(self) -> HostServer:
        assert self.front is not None
        return self.front.server


def _status(sha: str, row: Any) -> model.Status:
    return model.Status(
        row["id"],
        sha,
        row["context"],
        row["status"],
        row["description"],
        row["target_url"] or None,
        model.Person(row["creator"]["id"], row["creator"]["login"]),
        datetime.fromisoformat(row["created_at"]).timestamp(),
    )
