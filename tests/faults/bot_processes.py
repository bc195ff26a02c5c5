"""The bot as an administrator runs it, web and worker apart, to be killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bot.store import migrate
from tests.fakes.githost.host import FakeHost
from tests.fakes.githost.model import Repository
from tests.fakes.loopback import free_port

SECRET = "a webhook secret of some length"
LOOPBACK = "127.0.0.1,localhost,::1"
PARTS = ("web", "worker")


@dataclass(slots=True)
class BotProcesses:
    """`state` holds the SQLite database unless `database` names another; `config` is merged into
    the central config; `path` goes first on PATH."""

    folder: Path
    host: FakeHost
    config: Mapping[str, Any] = field(default_factory=dict)
    database: str | None = None
    state: Path | None = None
    path: str | None = None
    port: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.state_folder}/pushwright.db"

    @property
    def state_folder(self) -> Path:
        return self.state or self.folder / "state"

    @property
    def log(self) -> Path:
        return self.folder / "bot.log"

    def repository(self, path: str) -> Repository:
        """One that the bot may see, with a webhook to it."""
        made = self.host.create_repository(path)
        self.host.set_role(made, "pushwright", "maintain")
        self.host.add_hook(made, f"{self.url}/webhooks/forge", SECRET)
        return made

    def __enter__(self) -> Self:
        self.state_folder.mkdir(exist_ok=True, parents=True)
        (self.folder / "token").write_text(self.host.create_token("pushwright"))
        (self.folder / "secret").write_text(SECRET)
        (self.folder / "pushwright.yaml").write_text(json.dumps(self._config()))
        migrate(self.database_url)
        return self

    def __exit__(self, *_: object) -> None:
        for part in tuple(self.running):
            self.kill(part)

    def _config(self) -> dict[str, Any]:
        source = {
            "kind": str(self.host.kind),
            "url": self.host.url,
            "api-url": self.host.named_api,
            "token-file": str(self.folder / "token"),
            "webhook-secret-files": [str(self.folder / "secret")],
        }
        return {
            "version": 1,
            "public-url": self.url,
            "sources": {"forge": source},
            "repositories": [{"match": "acme/*"}],
            "defaults": {"registry": "registry.example"},
            "docker": {"host": f"unix://{self.folder}/no.sock"},
            **self.config,
        }

    def start(self, part: str) -> None:
        environment = {
            "PATH": ":".join(filter(None, [self.path, os.environ["PATH"]])),
            "NO_PROXY": LOOPBACK,
            "no_proxy": LOOPBACK,
            "PUSHWRIGHT_CONFIG": str(self.folder / "pushwright.yaml"),
            "PUSHWRIGHT_STATE": str(self.state_folder),
            "PUSHWRIGHT_DATABASE_URL": self.database_url,
            "PUSHWRIGHT_LISTEN": f"127.0.0.1:{self.port}",
            "PUSHWRIGHT_CANARY": "canary-of-the-bot",
        }
        with self.log.open("ab") as log:
            self.running[part] = subprocess.Popen(
                [sys.executable, "-m", "bot.cli", part],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )

    def kill(self, part: str) -> None:
        """SIGKILL to the process and its children, as a container's end does it."""
        process = self.running.pop(part)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def start_all(self) -> None:
        for part in PARTS:
            self.start(part)
        self.wait_ready()

    def wait_ready(self, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while time.monotonic() < deadline:
            try:
                with direct.open(f"{self.url}/readyz", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise AssertionError(f"the bot did not start: {self.log.read_text()[-3000:]}")
