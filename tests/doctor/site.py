"""An installation that doctor finds well: a fake Git host with a repository and its webhook, a
database, a folder for the state. Tests spoil one thing each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.core.findings import Result
from bot.core.hostneeds import GITHUB_EVENTS
from bot.core.ids import HostKind
from tests.commands.running import Ended, run
from tests.fakes.githost.host import FakeHost
from tests.fakes.githost.model import Hook
from tests.fakes.githost.model import Repository as FakeRepository
from tests.fakes.loopback import Asked, Reply, Script, serve
from tests.fakes.migrated import sqlite_file
from tests.fakes.openapi_documents import request_check

SECRET = "a secret of forty characters, more or less"
Setenv = Callable[[str, str], None]


@dataclass(slots=True)
class Site:
    """`config` is written by `write`, and each command reads it anew."""

    host: FakeHost
    folder: Path
    fake: FakeRepository
    hook: Hook
    url: str
    config: dict[str, Any] = field(default_factory=dict)

    def write(self, **changes: Any) -> None:
        self.config |= changes
        (self.folder / "pushwright.yaml").write_text(json.dumps(self.config))

    @property
    def source(self) -> dict[str, Any]:
        source: dict[str, Any] = self.config["sources"]["forge"]
        return source

    def token(self, value: str) -> None:
        (self.folder / "token").write_text(value)

    def doctor(self, *more: str) -> dict[tuple[str, str], tuple[Result, str, str]]:
        """(result, found, remedy) by subject and check; of several the worst."""
        ended = run("doctor", "--json", *more)
        shown = ended.json()
        findings: dict[tuple[str, str], tuple[Result, str, str]] = {}
        order = [Result.OK, Result.UNKNOWN, Result.WARN, Result.FAIL]
        for row in shown["findings"]:
            key, result = (row["subject"], row["check"]), Result(row["result"])
            if key not in findings or order.index(result) > order.index(findings[key][0]):
                findings[key] = (result, row["found"], row["remedy"])
        fails = any(result is Result.FAIL for result, _, _ in findings.values())
        assert (ended.code, shown["result"]) == ((1, "fail") if fails else (0, "ok")), shown
        return findings

    def hooks(self, *more: str) -> Ended:
        return run("hooks", "sync", *more)


@contextmanager
def sited(kind: HostKind, folder: Path, setenv: Setenv) -> Iterator[Site]:
    """With a web process that answers 200 at /healthz and 202 to webhooks."""
    with _web() as web, FakeHost(kind, folder / "host", check=request_check(kind)) as host:
        fake = host.create_repository("acme/shop", private=True)
        scopes = ("repo",) if kind is HostKind.GITHUB else None
        token = host.create_token("pushwright-bot", fake, "admin", scopes=scopes)
        (folder / "token").write_text(token)
        (folder / "secret").write_text(SECRET)
        host.commit(fake, "main", {"Dockerfile": "FROM scratch\n"})
        events = tuple(event.key for event in GITHUB_EVENTS) if kind is HostKind.GITHUB else ()
        hook = host.add_hook(fake, f"{web.url}/webhooks/forge", SECRET, events=events)
        state = folder / "state"
        state.mkdir()
        sqlite_file(state, "pushwright.db")
        setenv("PUSHWRIGHT_CONFIG", str(folder / "pushwright.yaml"))
        setenv("PUSHWRIGHT_STATE", str(state))
        site = Site(host, folder, fake, hook, web.url)
        source = {
            "kind": str(kind),
            "url": host.url,
            "api-url": host.named_api,
            "token-file": "token",
            "webhook-secret-files": ["secret"],
        }
        site.write(
            version=1,
            **{"public-url": web.url},
            sources={"forge": source},
            repositories=["forge:acme/shop"],
            defaults={"registry": "127.0.0.1:9"},
            docker={"host": f"unix://{folder}/none.sock"},
        )
        yield site
        assert host.violations == [], host.violations


def _web() -> AbstractContextManager[Script]:
    def answer(asked: Asked) -> Reply:
        if asked.method == "POST":
            return Reply(202)
        return Reply(200 if asked.path == "/healthz" else 404)

    return serve(answer)
