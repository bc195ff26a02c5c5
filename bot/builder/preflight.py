"""The caches that a build is offered: which of them answer, and whether they hold any records."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from bot.builder.manifests import Registry, RegistryError
from bot.builder.references import parse_reference

_GO_ON = "the build goes on without it"


@dataclass(frozen=True, slots=True)
class Found:
    """`references` answer; `notes` tell of each one for the log."""

    references: Sequence[str]
    notes: Sequence[str]


def look(registry: Registry, sources: Sequence[str]) -> Found:
    """One HEAD each, all at once: a reference that does not answer would only delay the build.

    Threads live in here alone: the builder's children are started by a process with one thread.
    """
    problems: dict[str, str | None] = dict.fromkeys(sources, " was not asked")

    def ask(text: str) -> None:
        problems[text] = _ask(registry, text)

    asking = [threading.Thread(target=ask, args=(text,)) for text in problems]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    pairs = list(problems.items())
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
