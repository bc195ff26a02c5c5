"""The sources by the last part of their webhook address, following the central config."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from bot.core.centralconfig import CentralConfig, Source
from bot.core.ids import SourceName
from bot.settings import SettingsMistake
from bot.web.secretfiles import SourceSecrets, source_secrets

_LOG = logging.getLogger(__name__)


class Sources(Protocol):
    """Where the receiver looks a source up; any mapping will do."""

    def get(self, name: SourceName, /) -> SourceSecrets | None: ...


class ConfiguredSources:
    """The sources of the central config in force. Thread-safe.

    A change that can't be followed (a new source whose secret file is missing) is logged and leaves
    that source as it was.
    """

    def __init__(
        self, current: Callable[[], CentralConfig], monotonic: Callable[[], float]
    ) -> None:
        """Raises SettingsMistake where a source's secrets can't be used."""
        self._current = current
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._config = current()
        self._secrets: Mapping[SourceName, SourceSecrets] = {
            name: self._read(source) for name, source in self._config.sources.items()
        }

    def get(self, name: SourceName, /) -> SourceSecrets | None:
        config = self._current()
        if config is not self._config:
            with self._lock:
                if config is not self._config:
                    self._follow(config)
        return self._secrets.get(name)

    def _follow(self, config: CentralConfig) -> None:
        old, known = self._config, self._secrets
        self._secrets = {
            name: secrets
            for name, source in config.sources.items()
            if (
                secrets := known[name]
                if old.sources.get(name) == source and name in known
                else self._read_or_keep(source, known.get(name))
            )
        }
        self._config = config

    def _read_or_keep(self, source: Source, known: SourceSecrets | None) -> SourceSecrets | None:
        try:
            return self._read(source)
        except SettingsMistake as mistake:
            _LOG.error("%s", mistake)
            return known

    def _read(self, source: Source) -> SourceSecrets:
        return source_secrets(
            source.name,
            source.kind,
            source.webhook_secret_files,
            source.signing_key_files,
            self._monotonic,
        )
