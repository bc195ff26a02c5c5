"""`/promote`: which tags may be given to a built image, and what is said of it.

The file of the default branch lists the tags. Names of requests, attempts and caches are never
among them: other rules of ours rest on who writes those.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.core.globs import glob
from bot.core.ids import Digest, ImageKey, Sha

_OURS: Final = re.compile(r"(?:pr-\d+|git-[0-9a-f]{12}|cache-(?:un)?trusted)(?:-.*)?")


@dataclass(frozen=True, slots=True)
class Promotion:
    """What was done: `tags` of every name in `names` are `digest` now; `before`: what each
    `name:tag` was."""

    image: ImageKey
    digest: Digest
    sha: Sha
    names: tuple[str, ...]
    tags: tuple[str, ...]
    before: Mapping[str, Digest | None]


@dataclass(frozen=True, slots=True)
class GivenTag:
    """`name:tag` was made `digest`, from the manifest that `from_name` has."""

    name: str
    tag: str
    from_name: str
    digest: Digest


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
    """The answer, plain text: what is what now, and the line that takes it back, which begins as
    commands do at the source (`start`)."""
    lines = [f"{done.image}@{done.digest} (built from {done.sha[:12]}) is now also"]
    for name in done.names:
        for tag in done.tags:
            reference = f"{name}:{tag}"
            was = done.before.get(reference)
            old = "new" if was is None else "as before" if was == done.digest else f"was {was}"
            lines.append(f"  {reference}  ({old})")
    first = {tag: done.before.get(f"{done.names[0]}:{tag}") for tag in done.tags}
    undo = [
        f"{start}promote {done.image}@{was} to {tag}"
        for tag, was in first.items()
        if was is not None and was != done.digest
    ]
    if undo:
        lines += ["to undo:", *(f"  {line}" for line in undo)]
    return "\n".join(lines)
