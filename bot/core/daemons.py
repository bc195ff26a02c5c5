"""Versions of dockerd whose inline cache is known to be broken, and what to do there.

One table for whoever warns of them: the worker after a build, `pushwright doctor` before one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Flaw:
    """A defect of dockerd from version `since` on, gone in `fixed`.

    `what` goes after "dockerd 27.0.3: "; `source` is where it was reported or mended. `lived_with`:
    the candidates that every build is given make up for it, so that nobody has to act.
    """

    since: Version
    fixed: Version
    what: str
    todo: str
    source: str
    lived_with: bool = False


FLAWS = (
    Flaw(
        (0, 0, 0),
        (27, 0, 0),
        "an image that was built from a cache holds records without layers, so that every second "
        "build misses",
        "the last build without cache is offered as well, which makes up for it; "
        "Docker 27.1.2 or later has it mended",
        "https://github.com/moby/buildkit/pull/4796",
        lived_with=True,
    ),
    Flaw(
        (23, 0, 0),
        (23, 0, 1),
        "dockerd crashes when it writes an inline cache",
        "update to 23.0.1 or later, or set `cache: none`",
        "https://github.com/moby/moby/issues/44918",
    ),
    Flaw(
        (27, 0, 0),
        (27, 1, 2),
        "an inline cache is written and not found again",
        "update to Docker 29, or go back to 26.1",
        "https://github.com/moby/buildkit/issues/5242",
    ),
)
"""The fix of the last one was not identified: 27.1.1 is the newest version it was seen with."""

LAZY: Version = (29, 0, 1)
"""From here on a hit needs no layer, with the containerd image store.
https://github.com/moby/moby/pull/51494"""


def flaws(daemon: str) -> tuple[Flaw, ...]:
    """What is known to be wrong with this dockerd (`20.10.24+dfsg1`); empty for unknown versions,
    such as a build without a number."""
    version = parse_version(daemon)
    if version is None:
        return ()
    return tuple(flaw for flaw in FLAWS if flaw.since <= version < flaw.fixed)


def sentence(daemon: str, flaw: Flaw) -> str:
    """For pages, logs and terminals: what is wrong, what to do, where to read on."""
    return f"dockerd {daemon}: {flaw.what}; {flaw.todo} ({flaw.source})"


def parse_version(daemon: str) -> Version | None:
    """The numbers in front: `28.5.1-rc.1` is taken as 28.5.1. None where there are none."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", daemon)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3] or 0))
