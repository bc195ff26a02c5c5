"""Attempts as detached processes that build with one machine's docker daemon.

A builder outlives the bot: a restarted bot finds the folder, sees by its lock whether the builder
lives, and goes on. One daemon is one cache, hence untrusted builds are refused, always.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.core.builds import Ended, LogLine, NotThere, Observation, OutcomeClass, Running
from bot.core.centralconfig import DockerExecutor as DockerSettings
from bot.executors.docker.daemon import Daemon
from bot.executors.docker.folder import AttemptFolder
from bot.ports import AttemptSpec, Clock, HostError, Permanent, Temporary

_GRACE = 15.0
"""Seconds that a cancelled builder has to stop what it started."""

_LINE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the executor needs of the config. The functions are asked for each attempt, so that
    changed files and settings count at once.

    `auths`: registry hosts to a Docker config document with plain credentials.
    `secret_file`: a secret's name to its file, None for an unknown one.
    """

    folder: Path
    docker: Callable[[], DockerSettings]
    auths: Callable[[Sequence[str]], Mapping[str, object]]
    secret_file: Callable[[str], str | None]
    ca_file: str | None = None


class DockerExecutor:
    """Satisfies `bot.ports.Executor`."""

    def __init__(self, surroundings: Surroundings, clock: Clock) -> None:
        self._around = surroundings
        self._clock = clock
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._offsets: dict[str, tuple[int, int]] = {}

    def refuses(self, *, trusted: bool) -> str | None:
        if trusted:
            return None
        return "this installation builds on one docker daemon, which never runs untrusted code"

    def start(self, spec: AttemptSpec) -> None:
        folder = self._folder(spec.name)
        if not spec.trusted:
            raise Permanent(str(self.refuses(trusted=False)))
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = folder.take_lock()
        if descriptor is None or folder.result.exists():
            if descriptor is not None:
                os.close(descriptor)
            self._must_be_ours(folder, spec)
            return
        try:
            self._prepare(folder, spec)
            self._spawn(folder, spec.name, descriptor)
        except OSError as error:
            raise Temporary(f"the builder could not be started: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def observe(self, name: str) -> Observation:
        folder = self._folder(name)
        self._reap(name)
        if not folder.exists() or not folder.recipe.exists():
            return NotThere()
        if folder.alive():
            self._insist(folder)
            return Running(folder.recipe.stat().st_mtime)
        result = folder.read_result()
        if result is not None:
            return Ended(result, outcome=result.outcome)
        if folder.cancelled.exists():
            return Ended(None, "cancelled", OutcomeClass.CANCELLED)
        words = folder.last_words()
        cause = f"the builder ended without a result{': ' + words if words else ''}"
        return Ended(None, cause, OutcomeClass.BUILDER_LOST)

    def running(self) -> Sequence[str]:
        if not self._around.folder.is_dir():
            return ()
        return tuple(sorted(entry.name for entry in self._around.folder.iterdir()))

    def cancel(self, name: str) -> None:
        folder = self._folder(name)
        if not folder.exists():
            return
        if not folder.cancelled.exists():
            folder.cancelled.write_text(str(self._clock.now()))
        pid = folder.find_builder()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def read_log(self, name: str, after: int, limit: int) -> Sequence[LogLine]:
        folder = self._folder(name)
        known, offset = self._offsets.get(name, (0, 0))
        if known > after:
            offset = 0
        lines: list[LogLine] = []
        try:
            with folder.log.open("rb") as file:
                file.seek(offset)
                while len(lines) < limit:
                    raw = file.readline(_LINE_LIMIT)
                    if not raw.endswith(b"\n"):
                        break
                    line = _log_line(raw)
                    if line is not None and line.n > after:
                        lines.append(line)
                    offset = file.tell()
        except FileNotFoundError:
            return ()
        self._offsets[name] = (lines[-1].n if lines else max(known, after), offset)
        return lines

    def forget(self, name: str) -> None:
        folder = self._folder(name)
        if folder.alive():
            return
        self._reap(name)
        self._offsets.pop(name, None)
        folder.remove()

    def housekeeping(self) -> None:
        docker = self._around.docker()
        daemon = Daemon(docker.host)
        try:
            daemon.prune_images(all_unused=docker.dedicated)
            if docker.dedicated and daemon.cache_bytes() > docker.cache_limit_bytes:
                # To 80 %, so that the next build does not start another pruning.
                daemon.prune_cache(docker.cache_limit_bytes * 8 // 10)
        except HostError as error:
            raise Temporary(f"the docker daemon's disk was not cleaned: {error}") from error

    def _folder(self, name: str) -> AttemptFolder:
        return AttemptFolder(self._around.folder / name)

    def _must_be_ours(self, folder: AttemptFolder, spec: AttemptSpec) -> None:
        try:
            found = json.loads(folder.recipe.read_text()).get("recipe_hash")
        except (OSError, ValueError, AttributeError):
            found = None
        if found != spec.recipe_hash:
            raise Permanent(
                f"the folder of attempt {spec.name} holds another recipe; "
                f"remove {folder.path} and build again"
            )

    def _prepare(self, folder: AttemptFolder, spec: AttemptSpec) -> None:
        folder.work.mkdir(mode=0o700, exist_ok=True)
        redacted: list[str] = []
        recipe: dict[str, object] = dict(spec.recipe)
        recipe |= {
            "attempt": spec.name,
            "recipe_hash": spec.recipe_hash,
            "workdir": str(folder.work),
            "result": str(folder.result),
            "source": self._source(folder, spec, redacted),
            "docker": self._docker(folder, spec, redacted),
            "build": self._build(spec, redacted),
            "redact_files": redacted,
        }
        part = folder.recipe.with_suffix(".part")
        part.write_text(json.dumps(recipe, indent=1))
        part.replace(folder.recipe)

    def _source(
        self, folder: AttemptFolder, spec: AttemptSpec, redacted: list[str]
    ) -> dict[str, object]:
        source = _section(spec.recipe, "source")
        if spec.credential is not None:
            username = folder.write_private("username", spec.credential.username)
            password = folder.write_private("password", spec.credential.password)
            source |= {"username_file": str(username), "password_file": str(password)}
            redacted.append(str(password))
        return source

    def _docker(
        self, folder: AttemptFolder, spec: AttemptSpec, redacted: list[str]
    ) -> dict[str, object]:
        document = self._around.auths(spec.registries)
        config = folder.write_private("config.json", json.dumps(document))
        auths = document.get("auths")
        entries = auths.values() if isinstance(auths, Mapping) else ()
        for number, entry in enumerate(entries):
            for key in ("auth", "password", "identitytoken"):
                value = entry.get(key) if isinstance(entry, Mapping) else None
                if isinstance(value, str) and value:
                    path = folder.write_private(f"redact-{number}-{key}", value)
                    redacted.append(str(path))
        host = self._around.docker().host
        return {"host": host, "config_dir": str(config.parent), "client": None}

    def _build(self, spec: AttemptSpec, redacted: list[str]) -> dict[str, object]:
        build = _section(spec.recipe, "build")
        secrets = []
        for secret_id, name in spec.secrets:
            path = self._around.secret_file(name)
            if path is None:
                raise Permanent(
                    f"the secret {name!r} is not in the central config or has no file; "
                    "ask the administrator to add it under `secrets`"
                )
            secrets.append({"id": secret_id, "file": path})
            redacted.append(path)
        build["secrets"] = secrets
        build["network"] = self._around.docker().network
        return build

    def _spawn(self, folder: AttemptFolder, name: str, descriptor: int) -> None:
        # From / with an environment of its own and -I: a repository that holds bot/builder.py or
        # json.py must not have them imported.
        with folder.log.open("ab") as log, folder.errors.open("ab") as errors:
            self._children[name] = subprocess.Popen(
                [sys.executable, "-I", "-m", "bot.builder", str(folder.recipe)],
                cwd="/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=errors,
                start_new_session=True,
                pass_fds=(descriptor,),
            )

    def _reap(self, name: str) -> None:
        child = self._children.get(name)
        if child is not None and child.poll() is not None:
            del self._children[name]

    def _insist(self, folder: AttemptFolder) -> None:
        """Kill a builder that was asked to stop and did not within its grace."""
        try:
            asked = float(folder.cancelled.read_text())
        except (OSError, ValueError):
            return
        if self._clock.now() - asked < _GRACE:
            return
        pid = folder.find_builder()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _environment() -> dict[str, str]:
    """PATH and the proxies; nothing else of the bot's environment concerns a builder."""
    kept = (
        "PATH",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    )
    environment = {key: os.environ[key] for key in kept if key in os.environ}
    return environment | {"HOME": "/nonexistent", "LANG": "C.UTF-8", "TZ": "UTC"}


def _section(recipe: Mapping[str, object], key: str) -> dict[str, object]:
    value = recipe.get(key)
    return dict(value) if isinstance(value, Mapping) else {}


def _log_line(raw: bytes) -> LogLine | None:
    try:
        document = json.loads(raw)
        return LogLine(int(document["n"]), raw.decode().rstrip("\n"))
    except (ValueError, TypeError, KeyError):
        return None
