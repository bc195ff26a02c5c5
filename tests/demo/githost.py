"""The demo's Git host: a stand-in for GitHub or GitLab, or a real Gitea, built by `make gitea`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from bot.core.ids import HostKind
from tests.demo.preflight import gitea_folder
from tests.fakes.githost.host import FakeHost
from tests.gitea.host import GiteaFace
from tests.gitea.process import PASSWORD, GiteaProcess

SHOP = "acme/shop"
BOT = "pushwright"
PERSON = "ada"


@dataclass(frozen=True, slots=True)
class Shown:
    """A commit status as the host shows it. `at`: when it was written, seconds since the epoch."""

    id: int
    context: str
    state: str
    description: str | None
    target_url: str | None
    at: float


class DemoHost(Protocol):
    """`start()` makes the repository, its people and the bot's token; `stop()` may follow a half
    `start()`. `name` and `sign_in` are for the reader."""

    @property
    def name(self) -> str: ...
    @property
    def sign_in(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def api_url(self) -> str: ...
    @property
    def token(self) -> str: ...
    @property
    def remote(self) -> str: ...
    @property
    def pid(self) -> int | None: ...

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def statuses(self, sha: str) -> list[Shown]:
        """Of a commit, oldest first."""
        ...

    def page(self, sha: str) -> str:
        """Where a browser shows the commit; "" where nothing does."""
        ...


def make_host(kind: HostKind, folder: Path) -> DemoHost:
    """RuntimeError where the program is not there."""
    if kind is not HostKind.GITEA:
        return PlayedHost(kind, folder / "host")
    made = gitea_folder()
    if made is None:
        raise RuntimeError("Gitea is not built: make gitea")
    return RealGitea(made, folder / "gitea")


class PlayedHost:
    """A stand-in, served by this process. `host` and `repository` are for those who do more than
    push to it."""

    sign_in = ""
    pid = None

    def __init__(self, kind: HostKind, folder: Path) -> None:
        self._kind = kind
        self.host = FakeHost(kind, folder)
        self._runs = False
        self.url = self.host.url
        self.api_url = self.host.named_api
        self.token = ""
        self.remote = ""

    @property
    def name(self) -> str:
        return f"{'GitHub' if self._kind is HostKind.GITHUB else 'GitLab'}'s stand-in"

    def start(self) -> None:
        self._runs = True
        self.host.start()
        self.repository = self.host.create_repository(SHOP)
        self.token = self.host.create_token(BOT, self.repository, "admin")
        url = self.host.clone_url(self.repository)
        self.remote = url.replace("http://", f"http://{PERSON}:{self.token}@")

    def stop(self) -> None:
        if self._runs:
            self.host.stop()

    def statuses(self, sha: str) -> list[Shown]:
        return [
            Shown(s.id, s.context, s.state, s.description, s.target_url, s.at)
            for s in list(self.repository.statuses)
            if s.sha == sha
        ]

    def page(self, sha: str) -> str:
        return ""


class RealGitea:
    """A Gitea of its own with a database in the demo's folder. Whoever looks needs no account."""

    sign_in = f"{PERSON}, password: {PASSWORD}"

    def __init__(self, made: Path, folder: Path) -> None:
        self._gitea = GiteaProcess(folder / "data", made)
        self._face = GiteaFace(self._gitea, folder / "git")
        self.url = self._gitea.url
        self.api_url = self._face.api_url
        self.token = ""
        self.remote = ""
        self._version = ""

    @property
    def name(self) -> str:
        return f"a real Gitea {self._version}"

    @property
    def pid(self) -> int | None:
        return self._gitea.pid

    def start(self) -> None:
        self._gitea.start()
        self._version = self._face.api("GET", "/version")["version"]
        shop = self._face.create_repository(SHOP)
        self.token = self._face.create_token(BOT, shop)
        self._face.set_role(shop, PERSON, "write")
        secret = self._gitea.people[PERSON].token
        url = self._face.clone_url(shop)
        self.remote = url.replace("http://", f"http://{PERSON}:{secret}@")

    def stop(self) -> None:
        self._gitea.stop()

    def statuses(self, sha: str) -> list[Shown]:
        path = f"/repos/{SHOP}/commits/{sha}/statuses?sort=leastindex&limit=50"
        return [
            Shown(
                row["id"],
                row["context"],
                row["status"],
                row["description"],
                row["target_url"],
                datetime.fromisoformat(row["created_at"]).timestamp(),
            )
            for row in self._face.api("GET", path)
        ]

    def page(self, sha: str) -> str:
        return f"{self.url}/{SHOP}/commit/{sha}"
