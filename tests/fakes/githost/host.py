"""A whole Git host on loopback: repositories, API, Git over HTTP, webhooks.

    host = FakeHost(HostKind.GITHUB, root=folder)
    with host:
        repository = host.create_repository("acme/shop")
        host.add_hook(repository, "http://127.0.0.1:8080/webhooks/github", secret="…")
        token = host.create_token("ada", repository, "write")
        host.commit(repository, "main", {"Dockerfile": "FROM scratch"})

Real pushes go to `host.clone_url(repository)` with any name and the token as password.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bot.core.ids import HostKind
from tests.fakes.githost.faults import Faults
from tests.fakes.githost.githttp import GitHttp
from tests.fakes.githost.github_api import GitHubApi
from tests.fakes.githost.github_events import GitHubEvents
from tests.fakes.githost.github_manifests import Manifests
from tests.fakes.githost.github_shapes import Shapes
from tests.fakes.githost.gitlab_api import GitLabApi
from tests.fakes.githost.gitlab_events import GitLabEvents
from tests.fakes.githost.gitlab_shapes import GitLabShapes
from tests.fakes.githost.happenings import GITHUB_EVENTS, GITLAB_EVENTS, Check, Events
from tests.fakes.githost.hooks import Hooks
from tests.fakes.githost.limits import Limits
from tests.fakes.githost.model import (
    LEVELS,
    App,
    Comment,
    Hook,
    Person,
    Repository,
    Request,
    Status,
    World,
)
from tests.fakes.githost.server import HostServer, Record
from tests.fakes.githost.web import Answer, Asked, Json

PLAYED: Final = (HostKind.GITHUB, HostKind.GITLAB)
"""The kinds that this stands in for. A Gitea is run for real: `tests/gitea`."""


class FakeHost:
    """`port` 0 takes a free one; `address`: loopback, unless pods are to reach it. `check` looks at
    each API request; what it finds is kept in `violations`."""

    def __init__(
        self,
        kind: HostKind,
        root: Path,
        port: int = 0,
        *,
        now: Callable[[], float] = time.time,
        check: Check | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self.kind = kind
        self.world = World(root, now)
        self.faults = Faults()
        self.limits = Limits(now)
        self.check = check
        self.violations: list[str] = []
        self._server = HostServer((address, port), self._answer, self.faults, now)
        self.port: int = self._server.server_address[1]
        self.url = f"http://{address}:{self.port}"
        github = kind is HostKind.GITHUB
        self.api_path = "/api/v3" if github else "/api/v4"
        self.api_url = self.url + self.api_path
        self.hooks = Hooks(kind, self.url, now)
        self._git = GitHttp(self.world, self._pushed)
        self._events: Events
        self._api: GitHubApi | GitLabApi
        if github:
            shapes = Shapes(self.world, self.url, self.api_url)
            self._events = GitHubEvents(shapes)
            self._api = api = GitHubApi(self.world, shapes, self.limits, self.hooks)
            self.manifests: Manifests | None = api.manifests
        else:
            self.manifests = None
            projects = GitLabShapes(self.world, self.url)
            self._events = GitLabEvents(projects)
            self._api = GitLabApi(self.world, projects, self.limits, self.hooks)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def named_api(self) -> str:
        """`api-url` of a source in the central config: GitLab's is the host's own address."""
        return self.url if self.kind is HostKind.GITLAB else self.api_url

    def start(self) -> None:
        self._thread.start()
        self.hooks.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.hooks.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def records(self) -> list[Record]:
        """Every request that came, Git's included, oldest first."""
        return self._server.records

    def calls(self, method: str, part: str = "") -> list[Record]:
        """The requests of that method with `part` in their path."""
        return [r for r in self.records if r.method == method and part in r.path]

    def _answer(self, asked: Asked) -> Answer:
        if not asked.path.startswith(self.api_path + "/"):
            page = self.manifests.page(asked) if self.manifests else None
            return page or self._git.answer(asked)
        asked.path = asked.path.removeprefix(self.api_path)
        if self.check is not None and (wrong := self.check(asked)):
            self.violations.append(wrong)
        return self._api.answer(asked)

    # --- making things -------------------------------------------------------------------------

    def person(self, login: str, *, bot: bool = False) -> Person:
        return self.world.person(login, bot=bot)

    def create_repository(
        self, path: str, *, private: bool = False, default_branch: str = "main"
    ) -> Repository:
        return self.world.add_repository(path, private=private, default_branch=default_branch)

    def set_role(self, repository: Repository, login: str, role: str | int) -> Person:
        """`role`: none, read, triage, write, maintain, admin, or a GitLab access level."""
        person = self.person(login)
        repository.members[person.id] = role if isinstance(role, int) else LEVELS[role]
        return person

    def create_token(
        self,
        login: str,
        repository: Repository | None = None,
        role: str = "write",
        *,
        seconds: float | None = None,
        scopes: tuple[str, ...] | None = None,
    ) -> str:
        """A personal access token; with a repository its person gets that role there. `scopes`: of
        a classic GitHub token, or fewer than `api` at GitLab."""
        if repository is not None:
            self.set_role(repository, login, role)
        token = self.world.token(self.person(login), seconds=seconds)
        token.scopes = None if scopes is None else frozenset(scopes)
        return token.value

    def create_app(
        self, public_key: str, permissions: dict[str, str], slug: str = "pushwright"
    ) -> App:
        """A GitHub App that is installed nowhere yet (`install`)."""
        number = self.world.number()
        person = self.person(f"{slug}[bot]", bot=True)
        person.app_id = number
        app = App(number, slug, public_key, person, permissions)
        self.world.apps[number] = app
        return app

    def install(self, app: App, *repositories: Repository) -> int:
        number = self.world.number()
        app.installations[number] = {repository.id for repository in repositories}
        return number

    def add_hook(
        self,
        repository: Repository,
        url: str,
        secret: str | None = None,
        *,
        signing_key: bytes | None = None,
        events: tuple[str, ...] = (),
        form: bool = False,
    ) -> Hook:
        usual = GITHUB_EVENTS if self.kind is HostKind.GITHUB else GITLAB_EVENTS
        hook = Hook(self.world.number(), url, secret, events or usual, signing_key, form)
        repository.hooks.append(hook)
        return hook

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
        """A commit on top of `branch` with its events, as a push of it would have made them."""
        head = repository.git.resolve(f"refs/heads/{branch}")
        base = head or repository.git.resolve(f"refs/heads/{repository.default_branch}")
        sha = repository.git.commit(files, message, [base] if base else [])
        self.set_refs(repository, {f"refs/heads/{branch}": sha}, by=by)
        return sha

    def set_refs(
        self,
        repository: Repository,
        refs: Mapping[str, str | None],
        *,
        by: str = "ada",
        options: tuple[str, ...] = (),
    ) -> None:
        """Move, make or delete (None) refs in one go, with the events of one push."""
        with self.world.changing():
            before = repository.git.refs()
            repository.git.update_refs(refs)
            after = repository.git.refs()
            self._pushed(repository, self.person(by), before, after, list(options))

    def annotated_tag(self, repository: Repository, name: str, sha: str, *, by: str = "ada") -> str:
        """Makes and pushes an annotated tag; the id of the tag object."""
        tagger = "tagger Ada Example <ada@example.com> 1700000000 +0000"
        text = f"object {sha}\ntype commit\ntag {name}\n{tagger}\n\nx\n"
        oid = repository.git.run("mktag", stdin=text.encode()).decode().strip()
        self.set_refs(repository, {f"refs/tags/{name}": oid}, by=by)
        return oid

    def _pushed(
        self,
        repository: Repository,
        sender: Person,
        before: dict[str, str],
        after: dict[str, str],
        options: list[str],
    ) -> None:
        self._send(repository, self._events.push(repository, sender, before, after, options))
        for base in list(self.world.repositories.values()):
            for request in base.requests.values():
                ref = f"refs/heads/{request.head_branch}"
                moved = after.get(ref)
                if request.head_repository != repository.id or not request.open:
                    continue
                if moved and moved != before.get(ref):
                    self._synchronize(base, sender, request, repository, moved)

    def _synchronize(
        self,
        base: Repository,
        sender: Person,
        request: Request,
        head: Repository,
        sha: str,
    ) -> None:
        before, request.head_sha = request.head_sha, sha
        base.git.fetch(head.git, sha, self._request_ref(request.number))
        extra = {"before": before, "after": sha}
        events = self._events.request(base, sender, request, "synchronize", extra)
        self._send(base, events)

    def _request_ref(self, number: int) -> str:
        kind = "pull" if self.kind is HostKind.GITHUB else "merge-requests"
        return f"refs/{kind}/{number}/head"

    def fork(self, base: Repository, path: str) -> Repository:
        return self.world.fork(base, path)

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
        """A pull or merge request from `branch` of `head` (a fork, or the repository itself)."""
        source = head or repository
        target = base or repository.default_branch
        sha, onto = source.git.resolve(f"refs/heads/{branch}"), repository.git.resolve(target)
        if sha is None or onto is None:
            raise ValueError(f"no branch {branch} or {target}")
        number = max([0, *repository.requests]) + 1
        author = self.person(by)
        request = Request(
            number, self.world.number(), title, author, source.id, branch, sha, target, onto
        )
        request.draft, request.at = draft, self.world.now()
        repository.requests[number] = request
        repository.git.fetch(source.git, sha, self._request_ref(number))
        self._send(repository, self._events.request(repository, author, request, "opened", {}))
        return request

    def change_request(
        self,
        repository: Repository,
        request: Request,
        action: str,
        *,
        by: str = "ada",
        extra: Json = None,
    ) -> None:
        """`action` in GitHub's words: closed, reopened, ready_for_review, converted_to_draft,
        labeled, edited. The caller sets the fields of `request` that it stands for."""
        if action in ("closed", "reopened"):
            request.open = action == "reopened"
        if action in ("ready_for_review", "converted_to_draft"):
            request.draft = action == "converted_to_draft"
        sender = self.person(by)
        events = self._events.request(repository, sender, request, action, extra or {})
        self._send(repository, events)

    def delete_fork(self, fork: Repository) -> None:
        """The fork goes away; open requests from it stay, with nothing behind them."""
        with self.world.changing():
            del self.world.repositories[fork.id]
            for repository in self.world.repositories.values():
                for request in repository.requests.values():
                    if request.head_repository == fork.id:
                        request.head_repository = None

    def comment(
        self,
        repository: Repository,
        body: str,
        *,
        number: int | None = None,
        sha: str | None = None,
        by: str = "ada",
    ) -> Comment:
        author = self.person(by)
        made = Comment(self.world.number(), number, author, body, self.world.now(), sha)
        repository.comments[made.id] = made
        if number not in repository.issues:
            self._send(repository, self._events.comment(repository, made))
        return made

    def edit_comment(self, repository: Repository, comment: int, body: str) -> None:
        """Without an event."""
        edited = repository.comments[comment]
        edited.body, edited.changed_at = body, self.world.now()

    def comments(self, repository: Repository, number: int) -> list[Comment]:
        """Of a request, oldest first."""
        return [one for one in repository.comments.values() if one.number == number]

    def all_comments(self, repository: Repository) -> list[Comment]:
        """Of requests and commits, oldest first."""
        return list(repository.comments.values())

    def reactions(self, repository: Repository, comment: int) -> list[tuple[str, str]]:
        """(word, login) of each."""
        logins = {person.id: person.login for person in self.world.people.values()}
        return [(word, logins[who]) for word, who in repository.comments[comment].reactions]

    def delete_comment(self, repository: Repository, comment: int) -> None:
        del repository.comments[comment]

    def label(self, repository: Repository, request: Request, name: str) -> None:
        """Without an event."""
        request.labels.append(name)

    def lock(self, repository: Repository, number: int) -> None:
        """Nobody may talk there any more."""
        repository.requests[number].locked = True

    def release(self, repository: Repository, tag: str, *, by: str = "ada") -> None:
        self._send(repository, self._events.release(repository, self.person(by), tag))

    def statuses(self, repository: Repository, sha: str) -> dict[str, Status]:
        """The newest status of each context of a commit."""
        with self.world.changing():
            return repository.latest(sha)

    def _send(self, repository: Repository, events: list[tuple[str, Json]]) -> None:
        for name, payload in events:
            self.hooks.send(repository, name, payload)
