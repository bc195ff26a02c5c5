"""The whole bot as scenarios use it: the real flows, store, clients, codecs and receiver; a Git
host's stand-in over HTTP; an executor and a registry in memory; time that is turned by hand.

What is outside (`World`) outlives any bot: a `Bot` can be stopped at any instruction and another
one be started on the same database.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.core.centralconfig import CentralConfig
from bot.core.centralfile import parse_central
from bot.core.ids import Digest, HostKind, Sha, SourceName
from bot.ports import Registry
from bot.records import BuildRow
from bot.storage import Store
from bot.store import open_store
from tests.fakes.clock import HandClock
from tests.fakes.executor_memory import Hold, MemoryExecutor, Run
from tests.fakes.githost.host import FakeHost
from tests.fakes.githost.model import Repository as FakeRepository
from tests.fakes.githost.model import Request, Status
from tests.fakes.migrated import sqlite_file
from tests.fakes.openapi_documents import request_check
from tests.fakes.registry_memory import MemoryRegistry
from tests.scenarios.bot import Bot
from tests.scenarios.web_thread import WebThread

SOURCE = SourceName("forge")
REGISTRY = "reg.test"
SECRET = "a secret of forty characters, more or less"
NAMES = {
    "failure": "failure",
    "failed": "failure",
    "canceled": "cancelled",
    "running": "pending",
}
"""Words of both hosts in one. GitHub shows what was cancelled as an error."""

Said = tuple[str, str]
"""(state, description) of a status."""

CHANGE = "services/api/main.py"
"""A path of one image of `FILES`."""

FILES: dict[str, str] = {
    ".pushwright.yaml": """\
version: 1
images:
  api:
    context: services/api
    on:
      push: {branches: [main, "release/*"], tags: ["v*"], paths: ["services/api/**"]}
      pull_request: {paths: ["services/api/**"]}
    tags: ["type=ref,event=branch", "type=ref,event=pr", "type=semver,pattern={{version}}"]
  web:
    context: services/web
    on:
      push: {branches: [main], tags: ["v*"], paths: ["services/web/**"]}
      pull_request: {paths: ["services/web/**"]}
    tags: ["type=ref,event=branch", "type=ref,event=pr"]
""",
    "README.md": "A shop\n",
    "services/api/Dockerfile": "FROM scratch\n",
    "services/web/Dockerfile": "FROM scratch\n",
}
ONE_IMAGE: dict[str, str] = {"Dockerfile": "FROM scratch\n"}


class World:
    """Everything outside the bot, and the bot's database. `central` may be changed on the way."""

    def __init__(
        self,
        kind: HostKind,
        folder: Path,
        database: str,
        *,
        registry: Registry | None = None,
        push: Callable[[str, str, str], Digest] | None = None,
        host: Any = None,
        **config: Any,
    ) -> None:
        """`host`: something with the face of the stand-in, instead of it."""
        self.kind = kind
        self.folder = folder
        self.database = database
        self.clock = HandClock()
        self.images = MemoryRegistry()
        self.registry: Registry = registry or self.images
        self.executor = MemoryExecutor(self.clock, push or self.images.push)
        self.host: FakeHost = host or FakeHost(
            kind, folder / "host", now=self.clock.now, check=request_check(kind)
        )
        self.repository = self.host.create_repository("acme/shop", private=True)
        (folder / "token").write_text(
            self.host.create_token("pushwright", self.repository, "maintain")
        )
        (folder / "secret").write_text(SECRET)
        self.config: dict[str, Any] = {}
        self.central = self.configure(**config)
        self.store = open_store(database)
        self._web = WebThread(database, lambda: self.central, self.clock)
        self.url = self._web.url
        self.bots: list[Bot] = []
        self._bot: Bot | None = None

    # -- the administrator ---------------------------------------------------------------------

    def configure(self, **changes: Any) -> CentralConfig:
        """The central config with these top-level keys changed, in force at once."""
        usual: dict[str, Any] = {
            "version": 1,
            "public-url": "https://bot.test",
            "sources": {
                SOURCE: {
                    "kind": str(self.kind),
                    "url": self.host.url,
                    "api-url": self.host.named_api,
                    "token-file": str(self.folder / "token"),
                    "webhook-secret-files": [str(self.folder / "secret")],
                }
            },
            "repositories": [{"match": "acme/*", "images": ["reg.test/**", "two.test/**"]}],
            "registries": {REGISTRY: {}, "two.test": {}},
            "defaults": {"registry": REGISTRY},
            "pace": "0s",
        }
        self.config = usual | self.config | changes
        parsed = parse_central(json.dumps(self.config).encode(), "pushwright.yaml")
        assert isinstance(parsed, CentralConfig), "\n".join(map(str, parsed))
        self.central = parsed
        return parsed

    def command(self, ref: str, *images: str) -> None:
        """`pushwright build acme/shop REF [IMAGE]`, as the command line writes it."""
        from bot.core.hints import Hint
        from bot.core.ids import ImageKey, RepositoryId
        from bot.flow import incoming

        keys = tuple(ImageKey(image) for image in images)
        repository = RepositoryId(self.repository.id)
        hint = Hint(SOURCE, repository, ref, keys, again=True, by="the command line")
        delivery = f"build-{self.clock.now()}-{ref}"
        self.store.put_deliveries([incoming(hint, delivery, self.clock.now())])

    # -- life ----------------------------------------------------------------------------------

    def open(self) -> None:
        self.host.start()
        self._web.start()
        self.hook(self.repository)

    def close(self) -> None:
        self.host.hooks.wait()
        self.host.stop()
        self._web.stop()
        for bot in self.bots:
            bot.close()
        self.store.close()

    def hook(self, repository: FakeRepository) -> None:
        self.host.add_hook(repository, f"{self.url}/webhooks/{SOURCE}", SECRET)

    def new_bot(self, store: Store | None = None, log_threads: int = 0) -> Bot:
        bot = Bot(self, store or self.store, log_threads)
        self.bots.append(bot)
        return bot

    @property
    def bot(self) -> Bot:
        if self._bot is None:
            self._bot = self.new_bot()
        return self._bot

    def restart(self) -> None:
        """The worker stops between two steps, and another one begins."""
        self._bot = None

    def settle(self) -> None:
        """What the host sends arrives, and everything is done that can be done now."""
        self.host.hooks.wait()
        self.bot.settle()

    def run(self, seconds: float = 120.0) -> None:
        """Time passes, in steps that grow."""
        self.settle()
        end, hop = self.clock.now() + seconds, 0.5
        while (left := end - self.clock.now()) > 0:
            self.clock.turn(min(hop, left))
            self.settle()
            hop = min(hop * 4, 32.0)

    # -- what people do ------------------------------------------------------------------------

    def push(
        self,
        files: Mapping[str, str | None] | str,
        branch: str = "main",
        *,
        message: str = "Change",
    ) -> Sha:
        """A push with one commit; a path alone is a change of that file."""
        changed = {files: f"changed {self.clock.now()}\n"} if isinstance(files, str) else files
        self.clock.turn(0.001)
        return Sha(self.host.commit(self.repository, branch, dict(changed), message))

    def refs(self, **refs: str | None) -> None:
        """Move, make or delete refs (`heads/x`, `tags/x`) in one push."""
        self.host.set_refs(self.repository, {f"refs/{ref}": sha for ref, sha in refs.items()})

    def tag_commit(self, tag: str, sha: str) -> None:
        self.host.set_refs(self.repository, {f"refs/tags/{tag}": sha})

    def request(self, branch: str, *, draft: bool = False, base: str | None = None) -> Request:
        return self.host.open_request(self.repository, branch, draft=draft, base=base)

    def built_request(self) -> tuple[Sha, Request]:
        """The head of a request that changes one image of main, which is built."""
        self.push(FILES)
        sha = self.push(CHANGE, "topic")
        request = self.request("topic")
        self.run()
        return sha, request

    def held_request(self, branch: str = "topic", *, deaf: bool = False) -> tuple[Sha, Request]:
        """Main is built; the head of a request that changes one image runs until it is ended."""
        self.push(FILES)
        self.run()
        self.executor.usual = Hold(deaf=deaf)
        sha = self.push(CHANGE, branch)
        request = self.request(branch)
        self.run(30)
        return sha, request

    def close_request(self, request: Request) -> None:
        self.host.change_request(self.repository, request, "closed")

    def retarget(self, request: Request, base: str) -> None:
        before, request.base_branch = request.base_branch, base
        change: dict[str, Any] = {"base": {"ref": {"from": before}}}
        if self.kind is HostKind.GITLAB:
            change = {"target_branch": {"previous": before, "current": base}}
        extra = {"changes": change}
        self.host.change_request(self.repository, request, "edited", extra=extra)

    @contextmanager
    def lost_webhooks(self) -> Iterator[None]:
        self.host.hooks.lose()
        yield
        self.host.hooks.lose(0)

    # -- what people see -----------------------------------------------------------------------

    def history(self, sha: str, context: str = "") -> list[Said]:
        """What the host was told of a context, oldest first, from the requests that it took."""
        wanted = f"pushwright{context}"
        told = []
        for record in self.host.calls("POST", f"/statuses/{sha}"):
            body = json.loads(record.body)
            if body.get("context", body.get("name")) == wanted and record.status in (200, 201):
                told.append((_word(body["state"]), str(body.get("description") or "")))
        return told

    def shown(self, sha: str) -> dict[str, Status]:
        """The newest status of each context."""
        return self.host.statuses(self.repository, sha)

    def status(self, sha: str, context: str = "") -> Said:
        """`context`: "", "/api", " (tag)", "/api (tag)". ("", "") where nothing is shown."""
        found = self.shown(sha).get(f"pushwright{context}")
        return ("", "") if found is None else (_word(found.state), found.description or "")

    def state(self, sha: str, context: str = "") -> str:
        return self.status(sha, context)[0]

    def tags(self, image: str = "shop") -> dict[str, Digest]:
        """Of `reg.test/acme/shop` or, for another image, of `reg.test/acme/shop/<image>`."""
        return self.images.tags(name(image))

    def built(self, image: str, sha: str) -> Digest:
        """The digest of the newest attempt that succeeded."""
        digests = [run.digest for run in self.executor.of(image, sha) if run.digest]
        assert digests, f"{image} of {sha[:7]} was never built"
        return digests[-1]

    def ran(self, image: str = "shop") -> list[str]:
        """The commits of the image's attempts, in order."""
        return [run.sha for run in self.executor.of(image)]

    def runs(self) -> Sequence[Run]:
        return list(self.executor.runs.values())

    def builds(self) -> Sequence[BuildRow]:
        return [build for build, _ in self.store.find_builds(limit=1000)]

    def journal(self, kind: str) -> list[str]:
        return [entry.text for entry in self.store.entries(limit=1000) if entry.kind == kind]

    def reasons(self) -> list[tuple[str, str]]:
        """(state, reason) of the deliveries, newest first."""
        return [(str(d["state"]), str(d["reason"])) for d in self.store.deliveries(100)]


def name(image: str) -> str:
    return f"{REGISTRY}/acme/shop" if image == "shop" else f"{REGISTRY}/acme/shop/{image}"


def _word(state: str) -> str:
    return NAMES.get(state, state)


@contextmanager
def opened(
    kind: HostKind,
    folder: Path,
    database: str | None = None,
    *,
    fresh: bool = True,
    **options: Any,
) -> Iterator[World]:
    """A world with an empty repository. `fresh`: the sweep has seen it, so that all is found from
    now on."""
    world = World(kind, folder, database or sqlite_file(folder), **options)
    world.open()
    try:
        if fresh:
            world.settle()
        yield world
        assert world.host.violations == []
    finally:
        world.close()
