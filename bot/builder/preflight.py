"""The caches that a build is offered: which of them answer, and whether they hold any records."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from bot.builder.manifests import Registry, RegistryError
from bot.builder.references import parse_reference

_AT_ONCE = 8
_GO_ON = "the build goes on without it"


@dataclass(frozen=True, slots=True)
class Found:
    """`references` answer; `notes` tell of each one for the log."""

    references: tuple[str, ...]
    notes: tuple[str, ...]


def look(registry: Registry, sources: Sequence[str]) -> Found:
    """One HEAD each, all at once: a reference that does not answer would only delay the build.

    Threads live in here alone: the builder's children are started by a process with one thread.
    """
    wanted = list(dict.fromkeys(sources))
    if not wanted:
        return Found((), ())
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda text: _ask(registry, text), wanted))
    pairs = list(zip(wanted, answers, strict=True))
    return Found(
        tuple(text for text, problem in pairs if problem is None),
        tuple(
            f"cache: {text} found" if problem is None else f"cache: {text}{problem}; {_GO_ON}"
            for text, problem in pairs
        ),
    )


def _ask(registry: Registry, text: str) -> str | None:
    """What is wrong with it; None: it is there."""
    try:
        digest = registry.digest(parse_reference(text))
    except RegistryError as error:
        return f": {error}"
    return " does not exist" if digest is None else None


def blank(registry: Registry, references: Sequence[str]) -> bool:
    """Whether none of these images holds cache records. False where that can't be found out."""
    with suppress(RegistryError):
        return not any(registry.has_records(parse_reference(text)) for text in references)
    return False
