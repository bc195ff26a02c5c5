"""The central config as it is on disk, re-read within seconds of a change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bot.core.centralconfig import CentralConfig
from bot.core.centralfile import parse_central
from bot.ports import Clock
from bot.settings import SettingsMistake

LOG = logging.getLogger("pushwright.config")

_LOOK_EVERY = 5.0

Files = Callable[[CentralConfig], Iterable[tuple[str, str]]]
"""Paths of files that the config names, each with what names it."""


class ConfigFile:
    """Holds the last good config. A file with mistakes leaves it in force and says so once."""

    def __init__(self, path: Path, clock: Clock, files: Files | None = None) -> None:
        """`files`: those that this process reads; it may have no sight of others.
        Raises SettingsMistake when there is no good config to begin with."""
        self._path = path
        self._clock = clock
        self._files = files or all_files
        self._lock = threading.Lock()
        self._looked_at = clock.monotonic()
        self._text = self._read()
        parsed = parse_central(self._text, str(path))
        if not isinstance(parsed, CentralConfig):
            raise SettingsMistake("\n".join(str(mistake) for mistake in parsed))
        self._current = parsed
        self._remark()

    def current(self) -> CentralConfig:
        """Looks at the file at most every five seconds. Thread-safe."""
        with self._lock:
            if self._clock.monotonic() - self._looked_at >= _LOOK_EVERY:
                self._looked_at = self._clock.monotonic()
                self._look()
            return self._current

    def _look(self) -> None:
        try:
            text = self._read()
        except SettingsMistake as error:
            LOG.warning("%s; the last good config stays in force", error)
            return
        if text == self._text:
            return
        self._text = text
        parsed = parse_central(text, str(self._path))
        if isinstance(parsed, CentralConfig):
            self._current = parsed
            LOG.info("read %s again", self._path)
            self._remark()
            return
        for mistake in parsed:
            LOG.error("%s", mistake)
        LOG.error("%s has mistakes; the last good config stays in force", self._path)

    def _remark(self) -> None:
        """What does not keep the config from being used, and still wants to be mended."""
        for warning in self._current.warnings:
            LOG.warning("%s", warning)
        for path, what, why in missing_files(self._current, self._files):
            LOG.warning("%s: the file %s of %s can't be read: %s", self._path, path, what, why)

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as error:
            raise SettingsMistake(
                f"the central config {self._path} can't be read: {error.strerror}; "
                "set PUSHWRIGHT_CONFIG to its path"
            ) from error


def missing_files(
    config: CentralConfig, files: Files | None = None
) -> tuple[tuple[str, str, str], ...]:
    """Files that the config names and that can't be opened: path, what names it, why not."""
    found = []
    for path, what in (files or all_files)(config):
        try:
            with Path(path).open("rb"):
                pass
        except OSError as error:
            found.append((path, what, error.strerror or str(error)))
    return tuple(found)


def all_files(config: CentralConfig) -> Iterator[tuple[str, str]]:
    yield from credential_files(config)
    yield from webhook_files(config)


def webhook_files(config: CentralConfig) -> Iterator[tuple[str, str]]:
    """What the web process reads, and nothing else does."""
    for source in config.sources.values():
        for path in (*source.webhook_secret_files, *source.signing_key_files):
            yield path, f"source {source.name}"


def credential_files(config: CentralConfig) -> Iterator[tuple[str, str]]:
    """What the worker reads: credentials, certificates, build secrets."""
    for source in config.sources.values():
        where = f"source {source.name}"
        key = source.app and source.app.private_key_file
        yield from ((path, where) for path in (source.token_file, source.ca_file, key) if path)
    for registry in config.registries.values():
        paths = (
            registry.bot_auth_file,
            registry.pod_auth_file,
            registry.untrusted_auth_file,
            registry.ca_file,
        )
        yield from ((path, f"registry {registry.host}") for path in paths if path)
    if config.executor == "kubernetes" and config.kubernetes and config.kubernetes.kubeconfig:
        yield config.kubernetes.kubeconfig, "kubernetes"
    for secret in config.secrets.values():
        if secret.file is not None:
            yield secret.file, f"secret {secret.name}"
