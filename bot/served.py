"""Which repositories of a source the central config means, as the host shows them."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.binding import repository_matches, rule_for
from bot.core.centralconfig import CentralConfig, Source
from bot.core.events import Repository
from bot.core.globs import glob
from bot.ports import Forbidden, GitHost, NotFound


@dataclass(frozen=True, slots=True)
class Served:
    """`unseen`: paths that a rule names and the host does not show, with what it said;
    `unmatched`: patterns that no repository has."""

    repositories: tuple[Repository, ...]
    unseen: tuple[tuple[str, str], ...] = ()
    unmatched: tuple[str, ...] = ()


def served(config: CentralConfig, source: Source, host: GitHost) -> Served:
    """Those that rules name come first. Raises what `bot.ports` names."""
    found: dict[int, Repository] = {}
    unseen = []
    for path, sure in _named(config, source):
        try:
            repository = host.repository(path)
        except (NotFound, Forbidden) as error:
            if sure:
                unseen.append((path, str(error)))
            continue
        found[repository.id] = repository
    patterns = _patterns(config, source)
    listed = sorted(host.repositories(), key=lambda one: one.path) if patterns else []
    for repository in listed:
        if rule_for(config, source.name, repository.path) is not None:
            found.setdefault(repository.id, repository)
    unmatched = tuple(
        pattern
        for pattern in patterns
        if not any(repository_matches(pattern, source.name, one.path) for one in found.values())
    )
    return Served(tuple(found.values()), tuple(unseen), unmatched)


def _named(config: CentralConfig, source: Source) -> list[tuple[str, bool]]:
    """Paths without a wildcard. Surely this source's where the rule says so, or it is alone."""
    alone = len(config.sources) == 1
    return [
        (path, alone or name == source.name)
        for name, path in _rules(config)
        if name in (source.name, "*") and not _wild(path)
    ]


def _patterns(config: CentralConfig, source: Source) -> list[str]:
    """Rules with a wildcard that may mean this source."""
    return [
        f"{name}:{path}"
        for name, path in _rules(config)
        if name in (source.name, "*") and _wild(path)
    ]


def _rules(config: CentralConfig) -> list[tuple[str, str]]:
    """Source or `*`, and path."""
    split = (rule.match.partition(":") for rule in config.repositories)
    return [(name, path) if colon else ("*", name) for name, colon, path in split]


def _wild(path: str) -> bool:
    pattern = glob(path)
    return bool(pattern.regex) or pattern.excludes
