"""The state that both front ends share: people, repositories, requests, statuses, tokens.

Nothing here speaks HTTP. Every change goes through `World` under one lock.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.githost.bare import BareRepository

LEVELS: Mapping[str, int] = {
    "none": 0,
    "read": 20,
    "triage": 25,
    "write": 30,
    "maintain": 40,
    "admin": 50,
}
"""GitHub's roles as GitLab's numbers, so that one table serves both."""


@dataclass(slots=True)
class Person:
    id: int
    login: str
    bot: bool = False
    state: str = "active"
    app_id: int | None = None


@dataclass(slots=True)
class Status:
    id: int
    sha: str
    context: str
    state: str
    description: str | None
    target_url: str | None
    creator: Person
    at: float
    ref: str | None = None
    pipeline: int | None = None


@dataclass(slots=True)
class CheckRun:
    """GitHub's. `annotations` only ever grows."""

    id: int
    sha: str
    name: str
    app_id: int
    status: str = "queued"
    conclusion: str | None = None
    external_id: str = ""
    details_url: str | None = None
    title: str | None = None
    summary: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    annotations: list[dict[str, object]] = field(default_factory=list)


@dataclass(slots=True)
class Pipeline:
    """GitLab groups statuses in these; `source` is external where our first status made it."""

    id: int
    sha: str
    ref: str
    source: str
    user: Person


@dataclass(slots=True)
class Comment:
    id: int
    number: int | None
    author: Person
    body: str
    at: float
    sha: str | None = None
    edited: int = 0
    reactions: list[tuple[str, int]] = field(default_factory=list)
    """(word of the host, id of the person)"""
    changed_at: float = 0.0
    """0: never."""
    internal: bool = False
    """GitLab's."""


@dataclass(slots=True)
class Request:
    number: int
    id: int
    title: str
    author: Person
    head_repository: int | None
    head_branch: str
    head_sha: str
    base_branch: str
    base_sha: str
    draft: bool = False
    labels: list[str] = field(default_factory=list)
    open: bool = True
    merged: bool = False
    locked: bool = False
    at: float = 0.0


@dataclass(slots=True)
class Hook:
    """Where a repository's events go. GitLab: `signing_key` signs, `secret` is sent as it is."""

    id: int
    url: str
    secret: str | None
    events: tuple[str, ...]
    signing_key: bytes | None = None
    form: bool = False
    active: bool = True
    verify_tls: bool = True
    failures: int = 0
    """GitLab: in a row. Counted where the host disables failing hooks."""
    disabled_until: float | None = None
    uuid: str = field(default_factory=lambda: secrets.token_hex(16))


@dataclass(slots=True)
class Repository:
    id: int
    path: str
    git: BareRepository
    private: bool = False
    default_branch: str = "main"
    members: dict[int, int] = field(default_factory=dict)
    former: set[str] = field(default_factory=set)
    requests: dict[int, Request] = field(default_factory=dict)
    issues: set[int] = field(default_factory=set)
    comments: dict[int, Comment] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    checks: list[CheckRun] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)
    fork_of: int | None = None
    archived: bool = False
    ci_jobs: set[str] = field(default_factory=set)
    """Names of GitLab CI jobs: a status may not take one."""

    @property
    def owner(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def latest(self, sha: str) -> dict[str, Status]:
        """The newest status per context of a commit."""
        return {status.context: status for status in self.statuses if status.sha == sha}


@dataclass(slots=True)
class Token:
    """What a credential may do. `permissions` None: all of its person's rights."""

    value: str
    person: Person
    expires: float | None = None
    permissions: dict[str, str] | None = None
    repositories: frozenset[int] | None = None
    installation: int | None = None
    scopes: frozenset[str] | None = None
    """Of a classic GitHub token, or a GitLab one. None: a fine-grained one; all of GitLab's."""


@dataclass(slots=True)
class App:
    """A GitHub App. `public_key` is PEM; JWTs are checked with it."""

    id: int
    slug: str
    public_key: str
    person: Person
    permissions: dict[str, str]
    installations: dict[int, set[int]] = field(default_factory=dict)
    """installation id -> repository ids"""
    events: tuple[str, ...] = ()
    hook: Hook | None = None
    suspended: set[int] = field(default_factory=set)
    granted: dict[int, dict[str, str]] = field(default_factory=dict)
    """What an installation has accepted, where that is less than the App asks for now."""


class World:
    """All state of one fake host. `now` is seconds since the epoch and can be turned."""

    def __init__(self, root: Path, now: Callable[[], float] = time.time) -> None:
        self.root = root
        self.now = now
        self.lock = threading.RLock()
        self.people: dict[int, Person] = {}
        self.repositories: dict[int, Repository] = {}
        self.tokens: dict[str, Token] = {}
        self.apps: dict[int, App] = {}
        self.status_limit = 1000
        self.token_seconds = 3600.0
        self._ids = itertools.count(1001)

    def number(self) -> int:
        """A new id, unlike any other of this host."""
        return next(self._ids)

    def issue(self, repository: Repository) -> int:
        """Makes one, for comments to stand on; its number."""
        number = self.number()
        repository.issues.add(number)
        return number

    @contextmanager
    def changing(self) -> Iterator[None]:
        with self.lock:
            yield

    def person(self, login: str, *, bot: bool = False) -> Person:
        """The person with that login, made where missing."""
        with self.lock:
            for person in self.people.values():
                if person.login == login:
                    return person
            person = Person(self.number(), login, bot)
            self.people[person.id] = person
            return person

    def token(
        self, person: Person, value: str | None = None, *, seconds: float | None = None
    ) -> Token:
        made = Token(value or f"token-{secrets.token_hex(16)}", person)
        made.expires = None if seconds is None else self.now() + seconds
        with self.lock:
            self.tokens[made.value] = made
        return made

    def valid_token(self, value: str) -> Token | None:
        with self.lock:
            token = self.tokens.get(value)
        if token is None or (token.expires is not None and token.expires <= self.now()):
            return None
        return token

    def by_path(self, path: str, *, former: bool = False) -> Repository | None:
        """The repository of that path, or with `former` the one that once had it."""
        with self.lock:
            for repository in self.repositories.values():
                known = repository.former if former else {repository.path}
                if path.lower() in {name.lower() for name in known}:
                    return repository
        return None

    def add_repository(
        self, path: str, *, private: bool = False, default_branch: str = "main"
    ) -> Repository:
        with self.lock:
            if self.by_path(path):
                raise ValueError(f"{path} exists")
            number = self.number()
            git = BareRepository.create(self.root / f"{number}.git", default_branch)
            repository = Repository(number, path, git, private, default_branch)
            self.repositories[number] = repository
            return repository

    def fork(self, base: Repository, path: str) -> Repository:
        """A copy under another owner; that owner may write to it."""
        with self.lock:
            copy = self.add_repository(
                path, private=base.private, default_branch=base.default_branch
            )
            copy.fork_of = base.id
            copy.members[self.person(copy.owner).id] = LEVELS["admin"]
        for ref, oid in base.git.refs().items():
            if ref.startswith(("refs/heads/", "refs/tags/")):
                copy.git.fetch(base.git, oid, ref)
        return copy

    def rename(self, repository: Repository, path: str) -> None:
        with self.lock:
            repository.former.add(repository.path)
            repository.path = path

    def level(self, repository: Repository, person: Person) -> int:
        """Access as GitLab's number; a public repository can be read by all."""
        own = repository.members.get(person.id, 0)
        return own if repository.private else max(own, LEVELS["read"])

    def may(self, token: Token, repository: Repository, level: int, permission: str) -> bool:
        """Whether a token may act: its person's access, and what the token itself was given."""
        if token.repositories is not None and repository.id not in token.repositories:
            return False
        name, _, access = permission.partition(":")
        if permission == "metadata:read" and token.permissions is not None:
            return True
        if token.permissions is not None:
            given = token.permissions.get(name)
            return given == "write" or (given == "read" and access == "read")
        return self.level(repository, token.person) >= level
