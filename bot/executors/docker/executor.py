"""Attempts as detached processes that build with one machine's docker daemon.

A builder outlives the bot: a restarted bot finds the folder, sees by its lock whether the builder
lives, and goes on. One daemon is one cache, hence untrusted builds are refused, always.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from bot.core.builds import Ended, LogLine, NotThere, Observation, OutcomeClass, Running
from bot.executors.docker import builders
from bot.executors.docker.daemon import Daemon
from bot.executors.docker.folder import AttemptFolder
from bot.executors.docker.lines import LogReader
from bot.executors.docker.preparation import Surroundings, prepare
from bot.ports import AttemptSpec, Clock, HostError, Permanent, Temporary

__all__ = ["BUILDER", "DockerExecutor", "Surroundings"]

BUILDER = (sys.executable, "-I", "-m", "bot.builder")
"""-I and a start in /: a repository that holds bot/builder.py or json.py must not have them
imported."""

_GRACE = 15.0
"""Seconds that a cancelled builder has to stop what it started."""

_DAEMON_PATIENCE = 3600.0
"""Seconds for which a folder waits for a daemon that is down, to remove a pushed image from it."""

_ORPHAN = 7 * 86400.0
"""Seconds after which an ended attempt goes that nobody asked us to forget: its row is gone."""


class _Builder(subprocess.Popen[bytes]):
    """Outlives whoever started it, on purpose: it is no mistake to let go of one that runs."""

    def __del__(self) -> None:
        """In place of the warning that it still runs."""


class DockerExecutor:
    """Satisfies `bot.ports.Executor`. `builder` is the command that gets the recipe's path."""

    def __init__(
        self, surroundings: Surroundings, clock: Clock, builder: Sequence[str] = BUILDER
    ) -> None:
        self._around = surroundings
        self._clock = clock
        self._builder = tuple(builder)
        self._children: dict[str, _Builder] = {}
        self._logs = LogReader()

    def refuses(self, *, trusted: bool) -> str | None:
        if trusted:
            return None
        return "this installation builds on one docker daemon, which never runs untrusted code"

    @property
    def look_seconds(self) -> float:
        """A look is a lock and a file."""
        return 0.25

    def changed(self) -> Sequence[str]:
        return ()

    def start(self, spec: AttemptSpec) -> None:
        folder = self._folder(spec.name)
        if not spec.trusted:
            raise Permanent(str(self.refuses(trusted=False)))
        try:
            folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = folder.take_lock()
            if descriptor is None:
                _must_be_ours(folder, spec)
                return
            try:
                self._start(folder, spec, descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Temporary(
                f"the builder could not be started in {folder.path}: {error.strerror}"
            ) from error

    def _start(self, folder: AttemptFolder, spec: AttemptSpec, descriptor: int) -> None:
        """With the lock in hand: nobody else starts it, and no builder of it lives."""
        _must_be_ours(folder, spec)
        if folder.result.exists() or folder.cancelled.exists():
            return
        builders.end_leftovers(folder.work)
        self._logs.forget(spec.name)
        prepare(folder, spec, self._around)
        self._spawn(folder, spec.name, descriptor)

    def observe(self, name: str) -> Observation:
        folder = self._folder(name)
        self._reap(name)
        try:
            started = folder.recipe.stat().st_mtime
        except FileNotFoundError:
            return NotThere()
        if folder.alive():
            self._insist(folder)
            return Running(started)
        result = folder.read_result()
        if result is not None:
            return Ended(result, outcome=result.outcome)
        builders.end_leftovers(folder.work)
        if folder.cancelled.exists():
            return Ended(None, "cancelled", OutcomeClass.CANCELLED)
        words = folder.last_words()
        cause = f"the builder ended without a result{': ' + words if words else ''}"
        return Ended(None, cause, OutcomeClass.BUILDER_LOST)

    def running(self) -> Sequence[str]:
        if not self._around.folder.is_dir():
            return ()
        entries = self._around.folder.iterdir()
        return tuple(sorted(entry.name for entry in entries if entry.is_dir()))

    def cancel(self, name: str) -> None:
        folder = self._folder(name)
        if not folder.exists():
            return
        if not folder.cancelled.exists():
            # A full disk keeps no builder from being stopped; it is only not killed later.
            with contextlib.suppress(OSError):
                folder.cancelled.write_text(str(self._clock.now()))
        builders.terminate(folder.recipe, folder.lock)

    def read_log(self, name: str, after: int, limit: int) -> Sequence[LogLine]:
        return self._logs.read(name, self._folder(name).log, after, limit)

    def forget(self, name: str) -> None:
        """Raises Temporary where the builder lives, or the daemon can't be asked to remove what the
        builder left there."""
        folder = self._folder(name)
        if folder.alive():
            raise Temporary(f"attempt {name} still runs")
        self._reap(name)
        self._logs.forget(name)
        builders.end_leftovers(folder.work)
        try:
            folder.remove_private()
            self._remove_image(folder)
            folder.remove()
        except OSError as error:
            raise Temporary(f"{folder.path} could not be removed: {error.strerror}") from error

    def housekeeping(self) -> None:
        self._forget_orphans()
        docker = self._around.docker()
        if not docker.dedicated:
            return
        daemon = Daemon(docker.host)
        try:
            daemon.prune_images()
            if daemon.cache_bytes() > docker.cache_limit_bytes:
                # To 80 %, so that the next build does not start another pruning.
                daemon.prune_cache(docker.cache_limit_bytes * 8 // 10)
        except HostError as error:
            raise Temporary(f"the docker daemon's disk was not cleaned: {error}") from error

    def _folder(self, name: str) -> AttemptFolder:
        if not name or "/" in name or name.startswith("."):
            raise Permanent(f"{name!r} is no name of an attempt")
        return AttemptFolder(self._around.folder / name)

    def _spawn(self, folder: AttemptFolder, name: str, descriptor: int) -> None:
        with folder.log.open("wb") as log, folder.errors.open("wb") as errors:
            self._children[name] = _Builder(
                [*self._builder, str(folder.recipe)],
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
        # A clock that was turned back would wait for ever, hence either way.
        if abs(self._clock.now() - asked) >= _GRACE:
            builders.kill(folder.recipe, folder.lock, folder.work)

    def _remove_image(self, folder: AttemptFolder) -> None:
        """A client that builds, then pushes, leaves the image in the daemon under the name of this
        attempt, which is ours alone: also on a shared daemon nobody else's is touched."""
        recipe = folder.read_recipe()
        reference = _reference(recipe)
        docker = recipe.get("docker") if recipe else None
        host = docker.get("host") if isinstance(docker, Mapping) else None
        if recipe is None or reference is None or not isinstance(host, str):
            return
        others = (self._folder(name) for name in self.running() if name != folder.path.name)
        if any(other.alive() and _reference(other.read_recipe()) == reference for other in others):
            return  # a rebuild of the same recipe is about to push it
        try:
            Daemon(host).remove_image(reference)
        except Temporary:
            if abs(self._clock.now() - folder.recipe.stat().st_mtime) < _DAEMON_PATIENCE:
                raise
        except Permanent:
            return  # somebody's container uses it

    def _forget_orphans(self) -> None:
        for name in self.running():
            folder = self._folder(name)
            with contextlib.suppress(OSError, HostError):
                newest = max(p.stat().st_mtime for p in (folder.path, *folder.path.iterdir()))
                if self._clock.now() - newest > _ORPHAN:
                    self.forget(name)


def _must_be_ours(folder: AttemptFolder, spec: AttemptSpec) -> None:
    """What can't be read is what another start is about to write, or did not come to write."""
    found = folder.read_recipe()
    if found is not None and found.get("recipe_hash") != spec.recipe_hash:
        raise Permanent(
            f"the folder of attempt {spec.name} holds another recipe; "
            f"remove {folder.path} and build again"
        )


def _reference(recipe: Mapping[str, object] | None) -> str | None:
    push = recipe.get("push") if recipe else None
    reference = push.get("reference") if isinstance(push, Mapping) else None
    return reference if isinstance(reference, str) else None


def _environment() -> dict[str, str]:
    """PATH, and the way out; nothing else of the bot's environment concerns a builder."""
    kept = (
        "PATH",
        "SSL_CERT_FILE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    )
    environment = {key: os.environ[key] for key in kept if key in os.environ}
    return environment | {"HOME": "/nonexistent", "LANG": "C.UTF-8", "TZ": "UTC"}
