"""The parts that the demo starts: a docker daemon and a registry of its own, a Git host's stand-in,
and `pushwright serve`. Nothing that ran before is touched, nothing stays behind.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from bot.core.ids import HostKind
from tests.demo.leftovers import Leftovers
from tests.demo.preflight import data_folder
from tests.demo.screen import Screen
from tests.fakes.base_image import push_base
from tests.fakes.docker_process import DockerDaemon, built_dockerd, debian_dockerd, remove_tree
from tests.fakes.githost.host import FakeHost
from tests.fakes.githost.model import Status
from tests.fakes.registry_process import RegistryProcess, free_port

LOOPBACK = "127.0.0.1,localhost,::1"


class Machine:
    """`with Machine(kind, screen) as machine:` starts everything and ends it again."""

    def __init__(self, kind: HostKind, screen: Screen) -> None:
        self.kind = kind
        self.screen = screen
        self.folder = data_folder()
        self.leftovers = Leftovers(self.folder)
        self.own_daemon = os.geteuid() == 0
        self.secret = secrets.token_hex(20)
        self.port = int(os.environ.get("PUSHWRIGHT_DEMO_PORT") or free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.daemon: DockerDaemon | None = None
        self._bot: subprocess.Popen[bytes] | None = None
        self._began = False

    def __enter__(self) -> Self:
        for name in ("NO_PROXY", "no_proxy"):
            os.environ[name] = ",".join(filter(None, [os.environ.get(name), LOOPBACK]))
        if left := self.leftovers.end():
            self.screen.line(f"ended {left} processes that a killed demo had left")
        remove_tree(self.folder)
        self.folder.mkdir(mode=0o700)
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self.registry = RegistryProcess(self.folder / "registry").start()
        self.leftovers.remember(self.registry.pid)
        self.screen.line(f"registry at {self.registry.host}")
        if self.own_daemon:
            program = built_dockerd() or debian_dockerd()
            if program is None:
                raise RuntimeError("dockerd is not installed: apt-get install docker.io")
            self.daemon = DockerDaemon(
                program, self.folder / "docker", insecure=[self.registry.host]
            ).start()
            self.leftovers.remember(self.daemon.pid)
            self.docker_host = self.daemon.host
            self.screen.line(f"docker daemon of its own ({program.name}) at {self.daemon.host}")
        else:
            self.docker_host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
            self.screen.line(f"the running docker daemon at {self.docker_host}")
        self.base = push_base(self.registry.url, "base", "1")
        self.screen.line(f"base image {self.base} made on the spot")
        self.host = FakeHost(self.kind, self.folder / "host")
        self.host.start()
        self._began = True
        self.repository = self.host.create_repository("acme/shop")
        self.token = self.host.create_token("pushwright", self.repository, "maintain")
        self.host.add_hook(self.repository, f"{self.url}/webhooks/demo", self.secret)
        self.screen.line(f"{self.kind} stand-in at {self.host.url}")
        self._start_bot()

    def _start_bot(self) -> None:
        state = self.folder / "state"
        state.mkdir()
        (self.folder / "token").write_text(self.token)
        (self.folder / "secret").write_text(self.secret)
        config = self.folder / "pushwright.yaml"
        config.write_text(json.dumps(self._config(), indent=1))
        environment = {
            **os.environ,
            "PUSHWRIGHT_CONFIG": str(config),
            "PUSHWRIGHT_STATE": str(state),
            "PUSHWRIGHT_LISTEN": f"127.0.0.1:{self.port}",
        }
        if self.daemon is not None and self.daemon.program.name == "docker29":
            # buildx stands beside the daemon that `make tools` built.
            environment["PATH"] = f"{self.daemon.program.folder}:{environment['PATH']}"
        self.log = self.folder / "pushwright.log"
        with self.log.open("wb") as log:
            self._bot = subprocess.Popen(
                [sys.executable, "-m", "bot.cli", "serve"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        self.leftovers.remember(self._bot.pid)
        self._wait_for_bot()
        self.screen.line(f"pushwright serve at {self.url}")

    def _wait_for_bot(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self._bot is not None and self._bot.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"pushwright did not start:\n{self.log.read_text()[-3000:]}")

    def _config(self) -> dict[str, object]:
        """The central config; YAML reads JSON."""
        network = "none" if self.own_daemon else "default"
        return {
            "version": 1,
            "public-url": self.url,
            "sources": {
                "demo": {
                    "kind": str(self.kind),
                    "url": self.host.url,
                    "api-url": self.host.api_url if self.kind is HostKind.GITHUB else self.host.url,
                    "token-file": str(self.folder / "token"),
                    "webhook-secret-files": [str(self.folder / "secret")],
                }
            },
            "repositories": [{"match": "acme/*"}],
            "registries": {self.registry.host: {"insecure": True}},
            "defaults": {"registry": self.registry.host},
            "docker": {
                "host": self.docker_host,
                "dedicated": self.own_daemon,
                "network": network,
            },
        }

    def empty_daemon(self) -> None:
        """So that every hit comes from the registry, as in a fresh build pod."""
        if self.daemon is not None:
            self.daemon.empty()
            self.leftovers.remember(self.daemon.pid)

    def statuses(self, sha: str) -> list[Status]:
        """What the host shows of a commit, oldest first."""
        return [s for s in list(self.repository.statuses) if s.sha == sha]

    def push(self, files: dict[str, str | None], message: str) -> str:
        """A real `git push` to the stand-in; the commit's id."""
        work = self.folder / "work"
        if not work.exists():
            self._git("init", "-q", "-b", "main", str(work), cwd=self.folder)
        for path, text in files.items():
            target = work / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                target.unlink()
            else:
                target.write_text(text)
        self._git("add", "-A", cwd=work)
        self._git("commit", "-q", "-m", message, cwd=work)
        self._git("push", "-q", self._remote(), "HEAD:refs/heads/main", cwd=work)
        return self._git("rev-parse", "HEAD", cwd=work)

    def push_tag(self, tag: str) -> str:
        work = self.folder / "work"
        self._git("tag", "-f", tag, cwd=work)
        self._git("push", "-q", self._remote(), f"refs/tags/{tag}", cwd=work)
        return self._git("rev-parse", "HEAD", cwd=work)

    def _remote(self) -> str:
        # A stand-in on loopback and a token of one run: fit to stand in an address.
        return self.host.clone_url(self.repository).replace("http://", f"http://ada:{self.token}@")

    def _git(self, *arguments: str, cwd: Path) -> str:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        done = subprocess.run(
            ["git", *identity, "-c", "commit.gpgsign=false", *arguments],
            cwd=cwd,
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"},
        )
        return done.stdout.strip()

    def close(self) -> None:
        if self._bot is not None and self._bot.poll() is None:
            self._bot.terminate()
            try:
                self._bot.wait(15)
            except subprocess.TimeoutExpired:
                self._bot.kill()
                self._bot.wait()
        if self._began:
            self.host.stop()
        if self.daemon is not None:
            self.daemon.remove()
        if hasattr(self, "registry"):
            self.registry.stop()
        self.leftovers.forget()
        if os.environ.get("PUSHWRIGHT_DEMO_KEEP"):
            return
        remove_tree(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)
