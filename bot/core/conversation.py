"""Where people and the bot talk: comments on requests and commits, and how one is acknowledged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.core.ids import Sha


class Reaction(StrEnum):
    """How a comment with commands is acknowledged: that it was read, then what came of it."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOTHING = "nothing"
    """It was understood, and there was nothing to do."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A comment at its host: on a request (`number`), or else on the commit `sha`."""

    comment_id: int
    number: int | None = None
    sha: Sha | None = None
