"""The webhook secrets of a source: read from files, and read again when they change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.core import signatures
from bot.core.ids import HostKind, SourceName
from bot.settings import SettingsMistake

LOOK_SECONDS: Final = 5.0
"""How long a change of a file may go unnoticed; half of what is promised."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What of a file changes when its content does. A mounted Secret swaps a link: new inode."""

    inode: int
    size: int
    modified_ns: int


class SecretFiles:
    """Some secrets, each in a file of its own, so that a new one can stand beside the old one.

    What was read last stays in force while a file is missing, empty or weak; that is logged once.
    Thread-safe. `monotonic` gives seconds.
    """

    def __init__(
        self,
        files: Sequence[str | Path],
        understand: Callable[[bytes], bytes],
        monotonic: Callable[[], float],
    ) -> None:
        """Raises SettingsMistake where a file can't be read or its secret must not be used."""
        self._files = [Path(file) for file in files]
        self._understand = understand
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._stamps = [_stamp(file) for file in self._files]
        self._secrets = tuple(self._read(file) for file in self._files)
        self._looked = monotonic()

    def current(self) -> tuple[bytes, ...]:
        """The secrets in force."""
        if self._monotonic() - self._looked >= LOOK_SECONDS:
            with self._lock:
                if self._monotonic() - self._looked >= LOOK_SECONDS:
                    self._look()
                    self._looked = self._monotonic()
        return self._secrets

    def _look(self) -> None:
        stamps = [_stamp(file) for file in self._files]
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._secrets = tuple(self._read(file) for file in self._files)
        except SettingsMistake as mistake:
            _LOG.error("webhook secret not changed: %s", mistake)
        else:
            _LOG.info("webhook secrets read again: %s", ", ".join(map(str, self._files)))

    def _read(self, file: Path) -> bytes:
        try:
            return self._understand(file.read_bytes())
        except signatures.WeakSecret as weak:
            hint = "make one with: openssl rand -hex 32"
            raise SettingsMistake(f"{file}: the webhook secret {weak}; {hint}") from weak
        except OSError as error:
            raise SettingsMistake(f"{file}: {error.strerror or error}") from error


def _stamp(file: Path) -> _Stamp | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return _Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class SourceSecrets:
    """What the web process knows of a source: nothing that could be used towards its host."""

    kind: HostKind
    secrets: SecretFiles
    signing_keys: SecretFiles

    def __post_init__(self) -> None:
        if not (self.secrets.current() or self.signing_keys.current()):
            raise SettingsMistake(
                "a source has neither webhook-secret-files nor signing-key-files: "
                "anybody could send it events"
            )


def source_secrets(
    name: SourceName,
    kind: HostKind,
    secret_files: Sequence[str | Path],
    signing_key_files: Sequence[str | Path],
    monotonic: Callable[[], float],
) -> SourceSecrets:
    """Read the secrets of one source. Raises SettingsMistake, which names the source."""
    try:
        return SourceSecrets(
            kind,
            SecretFiles(secret_files, signatures.secret, monotonic),
            SecretFiles(signing_key_files, signatures.signing_key, monotonic),
        )
    except SettingsMistake as mistake:
        raise SettingsMistake(f"source {name}: {mistake}") from mistake
