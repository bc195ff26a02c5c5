"""`pushwright check-config FILE`: what is wrong with a config file, repository's or central."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.configfile import missing_files
from bot.core.centralconfig import CentralConfig
from bot.core.centralfile import parse_central
from bot.core.centralkeys import CENTRAL_FILE
from bot.core.mistakes import Mistake, Notes, counted
from bot.core.rehearsal import mistakes_of_plans
from bot.core.repoconfig import RepoConfig
from bot.core.repofile import parse_repo_file
from bot.core.repokeys import REPOSITORY_FILE
from bot.core.yamltree import CENTRAL_LIMITS, Mapping, read_tree


@dataclass(frozen=True, slots=True)
class Checked:
    """Lines for people, the mistakes for machines, and the command's exit code (0 or 1)."""

    lines: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    code: int


def check_config(path: str) -> Checked:
    """Reads the file and says all that is wrong with it, or what it holds."""
    try:
        data = _read(Path(path))
    except OSError as error:
        mistake = Mistake(path, 0, 0, f"it can't be read: {error.strerror or error}")
        return Checked((str(mistake),), (mistake,), 1)
    if is_central(data):
        return _central(parse_central(data, path))
    return _repository(data, path)


def _read(path: Path) -> bytes:
    """At most one byte more than any config may have: the parsers refuse that much."""
    with path.open("rb") as file:
        return file.read(CENTRAL_LIMITS.size + 1)


def is_central(data: bytes) -> bool:
    """Whether more keys of the file are the central config's than a repository's."""
    root = read_tree(data, Notes(""), CENTRAL_LIMITS)
    if not isinstance(root, Mapping):
        return False
    written = {entry.key for entry in root.entries}
    central = len(written & {key.name for key in CENTRAL_FILE.keys})
    return central > len(written & {key.name for key in REPOSITORY_FILE.keys})


def _repository(data: bytes, path: str) -> Checked:
    found = parse_repo_file(data, path)
    if not isinstance(found, RepoConfig):
        return _wrong(found)
    if later := mistakes_of_plans(found, data, path):
        return _wrong(later)
    names = ", ".join(image.key for image in found.images)
    return _right(f"ok: {_count(len(found.images), 'image')}: {names}", found.warnings)


def _central(found: CentralConfig | tuple[Mistake, ...]) -> Checked:
    if not isinstance(found, CentralConfig):
        return _wrong(found)
    missing = tuple(
        Mistake(path, 0, 0, f"the file of {what} can't be read: {why}")
        for path, what, why in dict.fromkeys(missing_files(found))
    )
    if missing:
        return Checked(_lines(found.warnings, "warning: ") + _lines(missing), missing, 1)
    counts = (
        _count(len(found.sources), "source"),
        _count(len(found.repositories), "repository rule"),
        _count(len(found.registries), "registry", "registries"),
        _count(len(found.secrets), "secret"),
    )
    return _right(f"ok: {', '.join(counts)}", found.warnings)


def _wrong(mistakes: tuple[Mistake, ...]) -> Checked:
    return Checked((*_lines(mistakes), counted(len(mistakes))), mistakes, 1)


def _right(summary: str, warnings: tuple[Mistake, ...]) -> Checked:
    return Checked((*_lines(warnings, "warning: "), summary), (), 0)


def _lines(mistakes: tuple[Mistake, ...], before: str = "") -> tuple[str, ...]:
    return tuple(f"{before}{one}" for one in mistakes)


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"
