"""Who owns a mutable tag: the success with the highest key (docs/tags.md).

Versions compare with versions, heads with heads; where both kinds meet, the later arrival has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot.core.ids import Digest


@dataclass(frozen=True, slots=True)
class TagKey:
    """`kind` version: `key` sorts like the versions do. `sequence`: of the asking head."""

    kind: Literal["version", "sequence"]
    key: str
    version: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Owner:
    key: TagKey
    digest: Digest


@dataclass(frozen=True, slots=True)
class Take:
    """Write the tag."""


@dataclass(frozen=True, slots=True)
class Yield:
    """Leave the tag to its owner; `note` says so to the user."""

    note: str


def decide(tag: str, owner: Owner | None, wish: TagKey) -> Take | Yield:
    """Whether a proven success with the key `wish` may write `tag`."""
    if owner is None:
        return Take()
    held = owner.key
    if wish.kind == "version" and held.kind == "version":
        if wish.key > held.key:
            return Take()
        if wish.key == held.key and wish.sequence >= held.sequence:
            return Take()
        return Yield(f"{tag} stays at {held.version}")
    if wish.sequence >= held.sequence:
        return Take()
    return Yield(f"{tag} stays with a newer commit")
