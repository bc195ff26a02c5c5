"""`/promote`: which tags may be given to a built image, and what is said of it.

The file of the default branch lists the tags. Names of requests, attempts and caches are never
among them: other rules of ours rest on who writes those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bot.core.globs import glob
from bot.core.ids import Digest, ImageKey, Sha

_OURS: Final = re.compile(r"(?:pr-\d+|git-[0-9a-f]{12}|cache-(?:un)?trusted)(?:-.*)?")


@dataclass(frozen=True, slots=True)
class Promotion:
    """What was done: each reference in `before` (`name:tag`, and what it was) is `digest` now;
    `refused`: those that the registry did not take, and why. `ours`: digests that can be promoted,
    so that a command takes this back."""

    image: ImageKey
    digest: Digest
    sha: Sha
    before: Mapping[str, Digest | None]
    refused: Mapping[str, str] = field(default_factory=dict)
    ours: frozenset[Digest] = frozenset()


@dataclass(frozen=True, slots=True)
class GivenTag:
    """`name:tag` was made `digest`, from the manifest that `from_name` has."""

    name: str
    tag: str
    from_name: str
    digest: Digest

    @property
    def reference(self) -> str:
        return f"{self.name}:{self.tag}"


def tag_refused(tag: str, allowed: Sequence[str]) -> str | None:
    """Why nobody may promote to this tag; None where they may."""
    if not allowed:
        return "the file of the default branch allows no tag (`promote: {allow: [...]}`)"
    if _OURS.fullmatch(tag):
        return f"{tag} is a name that builds write themselves"
    if any(glob(pattern).matches(tag) for pattern in allowed):
        return None
    return f"the file of the default branch does not allow {tag}; it allows {', '.join(allowed)}"


def promoted(done: Promotion, start: str) -> str:
    """The answer, plain text: what is what now, and the lines that take it back, which begin as
    commands do at the source (`start`)."""
    lines = [f"{done.image}@{done.digest} (built from {done.sha[:12]}) is now also"]
    for reference, was in done.before.items():
        old = "new" if was is None else "as before" if was == done.digest else f"was {was}"
        lines.append(f"  {reference}  ({old})")
    if done.refused:
        lines += ["not taken by the registry:"]
        lines += [f"  {reference}  ({why})" for reference, why in done.refused.items()]
    undo = list(dict.fromkeys(_undo(done, start)))
    return "\n".join([*lines, *(["to undo:"] if undo else []), *undo])


def _undo(done: Promotion, start: str) -> Iterator[str]:
    """A command, where one line makes all names what they were: it takes builds of ours alone."""
    for reference, was in done.before.items():
        tag = reference.rpartition(":")[2]
        alike = {old for other, old in done.before.items() if other.rpartition(":")[2] == tag}
        if was in (None, done.digest):
            continue
        if was in done.ours and len(alike) == 1:
            yield f"  {start}promote {done.image}@{was} to {tag}"
        else:
            yield f"  {reference} by hand to {was}"
