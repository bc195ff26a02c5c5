"""A fake host, one repository in it and a real client of it: where contract tests begin."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bot.core.centralconfig import App, Source
from bot.core.events import Repository
from bot.core.ids import HostKind, RepositoryId, Sha, SourceName
from bot.hosts.factory import Hosts
from bot.ports import GitHost
from tests.fakes.githost.happenings import Check
from tests.fakes.githost.host import FakeHost
from tests.fakes.githost.model import Repository as FakeRepository

SOURCE = SourceName("forge")


class TurnedClock:
    """The real time, moved by `offset` seconds."""

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def now(self) -> float:
        return time.time() + self.offset

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(slots=True)
class Stage:
    """`fake` is the repository inside the host, `repository` the same as the client sees it."""

    host: FakeHost
    folder: Path
    source: Source
    hosts: Hosts
    fake: FakeRepository
    first: Sha
    token: str
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def client(self) -> GitHost:
        return self.hosts.get(SOURCE)

    @property
    def repository(self) -> Repository:
        fake, host = self.fake, self.host
        return Repository(
            RepositoryId(fake.id),
            fake.path,
            fake.default_branch,
            host.clone_url(fake),
            f"{host.url}/{fake.path}",
            private=fake.private,
        )

    def commit(self, branch: str = "main", *, by: str = "ada", **files: str) -> Sha:
        """A commit on `branch` that changes the named files, or one of its own."""
        changed = files or {f"file-{next(self.numbers)}": "content\n"}
        return Sha(self.host.commit(self.fake, branch, changed, by=by))

    def new_client(self) -> GitHost:
        """One more client of the same source, as another thread would have it."""
        return Hosts({SOURCE: self.source}, TurnedClock()).get(SOURCE)


@contextmanager
def staged(
    kind: HostKind,
    folder: Path,
    *,
    path: str = "acme/shop",
    check: Check | None = None,
    private: bool = True,
    now: Callable[[], float] = time.time,
) -> Iterator[Stage]:
    """A host with a private repository, a bot user with write access and its token in a file."""
    with FakeHost(kind, folder / "host", now=now, check=check) as host:
        fake = host.create_repository(path, private=private)
        token = host.create_token("pushwright-bot", fake)
        token_file = folder / "token"
        token_file.write_text(token + "\n")
        first = Sha(host.commit(fake, "main", {"Dockerfile": "FROM scratch\n"}, "First"))
        source = Source(SOURCE, kind, host.url, host.api_url, token_file=str(token_file))
        hosts = Hosts({SOURCE: source}, TurnedClock())
        try:
            yield Stage(host, folder, source, hosts, fake, first, token)
        finally:
            hosts.close()
        assert host.violations == [], host.violations


APP_PERMISSIONS = {
    "contents": "read",
    "statuses": "write",
    "checks": "write",
    "pull_requests": "read",
    "issues": "write",
    "merge_queues": "read",
    "metadata": "read",
}


def app_source(
    stage: Stage, app_id: int, private_key: str, reports: Literal["statuses", "checks"] = "statuses"
) -> Source:
    """The stage's source as a GitHub App instead of a token."""
    key_file = stage.folder / "app.pem"
    key_file.write_text(private_key)
    app = App(str(app_id), str(key_file))
    urls = stage.host.url, stage.host.api_url
    return Source(SOURCE, stage.source.kind, *urls, app=app, reports=reports)
