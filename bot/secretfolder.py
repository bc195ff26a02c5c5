"""A folder for secrets that are written once: each file for its owner alone, none lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.settings import SettingsMistake


@dataclass(frozen=True, slots=True)
class SecretFolder:
    """`replace`: files that are there may be replaced."""

    path: Path
    replace: bool = False

    def prepare(self, names: Sequence[str]) -> Sequence[Path]:
        """Make the folder and try it out, since what is to be written can be had only once. The
        files that will be replaced. Raises SettingsMistake."""
        there = [self.path / name for name in names if os.path.lexists(self.path / name)]
        if there and not self.replace:
            shown = ", ".join(map(str, there))
            raise SettingsMistake(
                f"there already: {shown}; move them, write elsewhere with --folder, or replace "
                "them with --overwrite"
            )
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.path, prefix=".try-") as probe:
                probe.write(b"x")
        except OSError as error:
            text = f"{self.path} can't be written: {error.strerror}; choose another --folder"
            raise SettingsMistake(text) from error
        return there

    def write(self, texts: Mapping[str, str]) -> None:
        """All of them, by name, with mode 0600. Raises OSError."""
        for name, text in texts.items():
            handle, made = tempfile.mkstemp(dir=self.path, prefix=f".{name}-")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                self._place(Path(made), self.path / name)
            except BaseException:
                Path(made).unlink(missing_ok=True)
                raise

    def _place(self, made: Path, target: Path) -> None:
        """Under its name, whole. A file that came meanwhile is not replaced unasked."""
        if self.replace:
            made.replace(target)
            return
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        made.replace(target)
