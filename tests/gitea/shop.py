"""A repository of the real Gitea and what people do there: real pushes, forks, pull requests,
comments, merges. Everything is asked by the person who does it, with their own token.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from tests.gitea.process import SECONDS, GiteaProcess, Person, Refused

ACCESS: Mapping[str, str] = {"rita": "read", "ada": "write", "olga": "admin"}
"""What people may do in each repository of the tests. `mallory` may do nothing."""
BOT = "pushwright"
EVENTS = (
    *("push", "create", "delete", "release"),
    *("pull_request", "pull_request_sync", "pull_request_label", "pull_request_comment"),
)
WORDS = {"rocket": "accepted", "confused": "refused", "+1": "nothing"}
_numbers = itertools.count(1)
Said = tuple[str, str]
"""(state, description) of a status."""


@dataclass(frozen=True, slots=True)
class Request:
    """A pull request as it was when it was opened."""

    number: int
    head_sha: str


class Shop:
    """A repository with a work tree beside it, from which everyone pushes under their own name."""

    def __init__(self, gitea: GiteaProcess, folder: Path, path: str, id_: int) -> None:
        self.gitea = gitea
        self.path = path
        self.id = id_
        self._folder = folder
        self._work = folder / path.replace("/", "_")
        self._work.mkdir()
        self._git("init", "-q", "-b", "main")

    @classmethod
    def make(cls, gitea: GiteaProcess, folder: Path, *, private: bool = False) -> Self:
        """An empty repository in an organization of its own; the bot administers it, as it must
        to be told what others may do there."""
        owner = f"acme-{next(_numbers)}"
        gitea.api("POST", "/orgs", {"username": owner, "visibility": "public"})
        asked = {"name": "shop", "private": private, "default_branch": "main"}
        made = gitea.api("POST", f"/orgs/{owner}/repos", asked)
        shop = cls(gitea, folder, made["full_name"], made["id"])
        for login, access in {**ACCESS, BOT: "admin"}.items():
            shop.grant(login, access)
        return shop

    def api(self, method: str, path: str, body: object = None, *, by: str | Person = "ada") -> Any:
        person = by if isinstance(by, Person) else self.gitea.person(by)
        return self.gitea.api(method, f"/repos/{self.path}{path}", body, by=person)

    # -- who administers it --------------------------------------------------------------------

    def grant(self, login: str, access: str) -> None:
        """`access`: read, write, admin."""
        self.gitea.person(login)
        asked = {"permission": access}
        self.api("PUT", f"/collaborators/{login}", asked, by=self.gitea.admin)

    def hook(self, url: str, secret: str, events: Sequence[str] = EVENTS) -> int:
        """A webhook as the web interface makes it; its number."""
        config = {"url": url, "content_type": "json", "secret": secret}
        asked = {"type": "gitea", "config": config, "events": events, "active": True}
        return int(self.api("POST", "/hooks", asked, by=self.gitea.admin)["id"])

    def protect(self, *contexts: str, branch: str = "main") -> None:
        """Merging needs these statuses; administrators may not override it."""
        asked = {
            "rule_name": branch,
            "enable_status_check": True,
            "status_check_contexts": contexts,
            "block_admin_merge_override": True,
        }
        self.api("POST", "/branch_protections", asked, by=self.gitea.admin)

    # -- git -----------------------------------------------------------------------------------

    def push(
        self,
        files: Mapping[str, str | None],
        branch: str = "main",
        *,
        start: str | None = None,
        by: str = "ada",
        force: bool = False,
    ) -> str:
        """A commit on the branch, pushed; its id, once Gitea shows it. A new branch begins at
        `start`, else at main; with `force` an old one does, too."""
        if self._git("rev-parse", "-q", "--verify", f"refs/heads/{branch}", check=False):
            self._git("checkout", "-q", branch)
            if force:
                self._git("reset", "-q", "--hard", start or f"{branch}~1")
        elif self._git("rev-parse", "-q", "--verify", "HEAD", check=False):
            self._git("checkout", "-q", "-b", branch, start or "main")
        for path, text in files.items():
            file = self._work / path
            if text is None:
                file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self._git("add", "-A")
        self._git("commit", "-q", "-m", "Change", author=by)
        self.send(*(["--force"] if force else []), f"HEAD:refs/heads/{branch}", by=by)
        self._wait_for(branch, sha := self.head())
        return sha

    def _wait_for(self, branch: str, sha: str) -> None:
        """Gitea writes a push into its database later than it answers it, and a pull request from
        a branch that is not there yet is refused."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            rows = self.api("GET", "/branches?limit=50", by=self.gitea.admin) or []
            if any((row["name"], row["commit"]["id"]) == (branch, sha) for row in rows):
                return
            time.sleep(0.05)
        log = self.gitea.log_text()[-2500:]
        raise RuntimeError(f"{self.path} never showed {branch} at {sha}; Gitea's log ends:\n{log}")

    def head(self, name: str = "HEAD") -> str:
        return self._git("rev-parse", f"{name}^{{commit}}")

    def tag(self, name: str, sha: str, *, message: str = "") -> None:
        """In the work tree; with a message it is an annotated one."""
        self._git("tag", *(["-m", message] if message else []), name, sha)

    def send(self, *what: str, by: str = "ada") -> None:
        """`git push` of refspecs, in one go."""
        person = self.gitea.person(by)
        url = self.gitea.url.replace("//", f"//{by}:{person.token}@", 1)
        self._git("push", "-q", f"{url}/{self.path}.git", *what)

    def _git(self, *words: str, check: bool = True, author: str = "ada") -> str:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "no_proxy": "127.0.0.1",
        }
        for role in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{role}_NAME": author, f"GIT_{role}_EMAIL": f"{author}@example.com"}
        done = subprocess.run(
            ["git", *words],
            cwd=self._work,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"git {words[0]} failed: {done.stderr}")
        return done.stdout.strip() if done.returncode == 0 else ""

    # -- pull requests -------------------------------------------------------------------------

    def fork(self, by: str = "mallory") -> Shop:
        """Theirs, with this one's commits in its work tree."""
        made = self.api("POST", "/forks", {}, by=by)
        fork = Shop(self.gitea, self._folder, made["full_name"], made["id"])
        fork._git("fetch", "-q", str(self._work), "main:refs/heads/base")
        fork._git("checkout", "-q", "-B", "main", "base")
        return fork

    def request(
        self, branch: str, *, fork: Shop | None = None, by: str = "ada", title: str = "Change"
    ) -> Request:
        """A pull request to main."""
        owner = f"{fork.path.split('/')[0]}:" if fork is not None else ""
        asked = {"head": owner + branch, "base": "main", "title": title}
        made = self.api("POST", "/pulls", asked, by=by)
        return Request(made["number"], made["head"]["sha"])

    def close_request(self, request: Request, *, by: str = "olga") -> None:
        self.api("PATCH", f"/pulls/{request.number}", {"state": "closed"}, by=by)

    def merge(self, request: Request, *, by: str = "ada") -> int:
        """HTTP's status of what somebody's click on Merge gets."""
        try:
            self.api("POST", f"/pulls/{request.number}/merge", {"Do": "merge"}, by=by)
        except Refused as refused:
            return refused.status
        return 200

    # -- comments ------------------------------------------------------------------------------

    def say(self, body: str, request: Request, *, by: str = "ada") -> int:
        """A comment; its number."""
        path = f"/issues/{request.number}/comments"
        return int(self.api("POST", path, {"body": body}, by=by)["id"])

    def reaction(self, comment: int) -> Literal["", "accepted", "refused", "nothing"]:
        """The bot's; "" where there is none."""
        rows = self.api("GET", f"/issues/comments/{comment}/reactions", by=self.gitea.admin) or []
        found = [WORDS[row["content"]] for row in rows if row["user"]["login"] == BOT]
        assert len(found) <= 1, "a comment is acknowledged once"
        return found[0] if found else ""  # type: ignore[return-value]

    def comments(self, request: Request) -> list[str]:
        """The bot's, oldest first, markers and all."""
        path = f"/issues/{request.number}/comments"
        rows = self.api("GET", path, by=self.gitea.admin)
        return [row["body"] for row in rows if row["user"]["login"] == BOT]

    # -- statuses ------------------------------------------------------------------------------

    def statuses(self, sha: str) -> dict[str, Said]:
        """The newest of each context."""
        path = f"/commits/{sha}/statuses?sort=oldest&limit=50"
        rows = self.api("GET", path, by=self.gitea.admin)
        return {row["context"]: (row["status"], row["description"]) for row in rows}
