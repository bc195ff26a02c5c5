"""The parts that the demo starts: a docker daemon and a registry of its own, a Git host, and
`pushwright serve`. Nothing that ran before is touched, nothing stays behind.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from bot.core.ids import HostKind
from tests.demo.githost import SHOP, Shown, make_host
from tests.demo.leftovers import Leftovers
from tests.demo.preflight import data_folder
from tests.demo.programs import ContainerRegistry, Docker, docker_host, find_program
from tests.demo.screen import Screen
from tests.fakes.base_image import push_base
from tests.fakes.docker_process import DockerDaemon, built_dockerd, debian_dockerd
from tests.fakes.loopback import free_port
from tests.fakes.registry_process import RegistryProcess

LOOPBACK = "127.0.0.1,localhost,::1"


class Machine:
    """`open()` starts everything, `close()` ends it, after a half `open()` too."""

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
        self.registry: RegistryProcess | ContainerRegistry
        self._bot: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """RuntimeError says what did not start; DemoRuns that another demo has the folder."""
        for name in ("NO_PROXY", "no_proxy"):
            os.environ[name] = ",".join(filter(None, [os.environ.get(name), LOOPBACK]))
        self.leftovers.hold()
        if left := self.leftovers.end():
            self.screen.line("start", f"ended {left} processes that a killed demo had left")
        self.folder.mkdir(mode=0o700)
        self.docker_host = "" if self.own_daemon else docker_host()
        self._start_registry()
        if self.own_daemon:
            self._start_daemon()
        else:
            self.screen.line("start", f"the running docker at {self.docker_host}")
        self.base = self._push_base()
        self.screen.line("start", f"base image {self.base} made on the spot")
        self._start_host()
        self._start_bot()
        self._sync_hooks()

    def _start_registry(self) -> None:
        program = find_program("docker-registry", "docker-registry", self.folder)
        if program is not None:
            process = RegistryProcess(self.folder / "registry", program=str(program))
            self.registry = process
            process.start()
        elif self.own_daemon:
            raise RuntimeError("docker-registry is not installed: apt-get install docker-registry")
        else:
            name = self.folder.name
            self.registry = ContainerRegistry(Docker(self.docker_host), f"{name}-registry").start()
        self.leftovers.remember(self.registry.pid)
        self.screen.line("start", f"registry at {self.registry.host}")

    def _start_daemon(self) -> None:
        program = built_dockerd() or debian_dockerd()
        if program is None:
            raise RuntimeError("dockerd is not installed: apt-get install docker.io")
        folder = self.folder / "docker"
        self.daemon = DockerDaemon(program, folder, insecure=[self.registry.host])
        self.leftovers.remember(socket=self.daemon.socket)
        self.daemon.start()
        self.leftovers.remember(self.daemon.pid)
        self.docker_host = self.daemon.host
        name = "docker 29" if program.name == "docker29" else "Debian's docker"
        self.screen.line("start", f"{name}, a daemon of its own at {self.daemon.host}")
        if self.daemon.driver == "vfs":
            told = f"{folder} takes no overlay: storage driver vfs, which copies every layer"
            self.screen.line("start", told)

    def _push_base(self) -> str:
        busybox = find_program("busybox", "busybox-static", self.folder)
        if busybox is None and not self.own_daemon:
            busybox = Docker(self.docker_host).busybox(self.folder)
        if busybox is None:
            raise RuntimeError("no static busybox: apt-get install busybox-static")
        return push_base(self.registry.url, "base", "1", busybox)

    def _start_host(self) -> None:
        self.host = make_host(self.kind, self.folder)
        self.host.start()
        self.leftovers.remember(self.host.pid)
        self.screen.line("start", f"{self.host.name} at {self.host.url}")

    def _start_bot(self) -> None:
        state = self.folder / "state"
        state.mkdir()
        (self.folder / "token").write_text(self.host.token)
        (self.folder / "secret").write_text(self.secret)
        config = self.folder / "pushwright.yaml"
        config.write_text(json.dumps(self._config(), indent=1))
        self._environment = {
            **os.environ,
            "PUSHWRIGHT_CONFIG": str(config),
            "PUSHWRIGHT_STATE": str(state),
            "PUSHWRIGHT_LISTEN": f"127.0.0.1:{self.port}",
        }
        if self.daemon is not None and self.daemon.program.name == "docker29":
            # buildx stands beside the daemon that `make tools` built.
            path = os.environ.get("PATH", os.defpath)
            self._environment["PATH"] = f"{self.daemon.program.folder}:{path}"
        self.log = self.folder / "pushwright.log"
        with self.log.open("wb") as log:
            self._bot = subprocess.Popen(
                [sys.executable, "-m", "bot.cli", "serve"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        self.leftovers.remember(self._bot.pid)
        self._wait_for_bot()
        self.screen.line("start", f"pushwright serve at {self.url}")

    def _sync_hooks(self) -> None:
        """As an administrator makes the webhook."""
        done = subprocess.run(
            [sys.executable, "-m", "bot.cli", "hooks", "sync"],
            env=self._environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"pushwright hooks sync: {(done.stderr or done.stdout)[-1000:]}")
        verb = done.stdout.partition(" ")[0]
        self.screen.line("start", f"pushwright hooks sync: webhook of {SHOP} {verb}")

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
        bridge = not self.own_daemon and Docker(self.docker_host).has_bridge()
        network = "default" if bridge else "none"
        return {
            "version": 1,
            "public-url": self.url,
            "sources": {
                "demo": {
                    "kind": str(self.kind),
                    "url": self.host.url,
                    "api-url": self.host.api_url,
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

    def statuses(self, sha: str) -> list[Shown]:
        """What the host shows of a commit, oldest first."""
        return self.host.statuses(sha)

    def push(self, files: Mapping[str, str | None], message: str) -> str:
        """A real `git push` to the host; the commit's id."""
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
        self._git("push", "-q", self.host.remote, "HEAD:refs/heads/main", cwd=work)
        return self._git("rev-parse", "HEAD", cwd=work)

    def push_tag(self, tag: str) -> str:
        work = self.folder / "work"
        self._git("tag", "-f", tag, cwd=work)
        self._git("push", "-q", self.host.remote, f"refs/tags/{tag}", cwd=work)
        return self._git("rev-parse", "HEAD", cwd=work)

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
        """Signals wait until it is done: a second Ctrl-C would leave what the first one ended."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if not self.leftovers.held:
            return  # the folder is another demo's
        if self._bot is not None and self._bot.poll() is None:
            self._bot.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._bot.wait(15)
        if hasattr(self, "host"):
            self.host.stop()
        if self.daemon is not None:
            self.daemon.stop()
        if hasattr(self, "registry"):
            self.registry.stop()
        if os.environ.get("PUSHWRIGHT_DEMO_KEEP") and self.folder.exists():
            kept = self.folder.with_name(f"{self.folder.name}-kept")
            shutil.rmtree(kept, ignore_errors=True)
            self.folder.rename(kept)
        # Builders run detached, and what a signal cut off in its start has no name here.
        self.leftovers.end()
        self.leftovers.forget()
