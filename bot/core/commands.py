"""The commands that people write in comments: one table, from which the parser, the help, the
documentation and the permission checks come (`docs/contributors.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from bot.core.ids import Role

PREFIX: Final = "pushwright"
"""`/pushwright build` and `@pushwright build` work where the bare words belong to another bot."""

Value = str | int | bool | tuple[str, ...]


def start_of(*, bare: bool) -> str:
    """What a command begins with where people are told what to write, so that they can paste it."""
    return "/" if bare else f"/{PREFIX} "


class Place(StrEnum):
    """Where a comment stands."""

    REQUEST = "pull-request"
    COMMIT = "commit"


class Slot(StrEnum):
    """What a command takes beside its options, in the order in which it is written."""

    IMAGES = "[image…]"
    IMAGE = "[image]"
    ONE = "<image>"
    SHA = "[commit|cancel]"
    REASON = "[reason]"
    FROM = "<image>[@commit|@sha256:…|:tag]"
    TAGS = "to <tag…>"
    COMMAND = "[command]"


@dataclass(frozen=True, slots=True)
class Option:
    """`--name`, or `name=value` where `form` says what a value has to be."""

    name: str
    form: Literal["flag", "number"]
    help: str


@dataclass(frozen=True, slots=True)
class Spec:
    """One row of the table. `role`: what the asker needs; `author`: the author of the request may,
    too (`own`: not that of a fork, or an approved stranger builds without end). `floor`: an
    administrator's table can not ask for less. `ref`: on a commit it takes `branch:` or `tag:`."""

    name: str
    help: str
    role: Role
    slots: tuple[Slot, ...] = ()
    aliases: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    places: tuple[Place, ...] = (Place.REQUEST, Place.COMMIT)
    author: Literal["no", "own", "any"] = "no"
    floor: Role = Role.WRITE
    ref: bool = False
    answers: bool = False
    """Whether it is answered by a comment when it went well; refusals always are."""

    @property
    def usage(self) -> str:
        return self.written("/")

    def written(self, start: str) -> str:
        """The usage where commands begin with `start`."""
        words = [f"{start}{self.name}", *self.slots]
        words += [_shown(option) for option in self.options]
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a comment, as it was written (`text`) and what it means."""

    name: str
    images: tuple[str, ...] = ()
    options: Mapping[str, Value] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was meant for us and is not done, and why. `name`: the command, where one was
    recognised."""

    text: str
    why: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Orders:
    """All that one comment asks for, each in the order of its lines."""

    commands: tuple[Command, ...] = ()
    refused: tuple[Refusal, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.commands or self.refused)


NO_CACHE: Final = Option("no-cache", "flag", "run every step again, on bases asked for anew")
LINES: Final = Option("lines", "number", "how many lines of the log, 1 to 200 (50)")

TABLE: Final[tuple[Spec, ...]] = (
    Spec(
        "build",
        "builds the named images (all that this event can build when none is named), whatever "
        "changed; what succeeded is built again",
        Role.WRITE,
        (Slot.IMAGES,),
        options=(NO_CACHE,),
        author="own",
        ref=True,
    ),
    Spec(
        "rebuild",
        "`/build --no-cache`: nothing is taken from a cache, and bases are asked for anew",
        Role.WRITE,
        (Slot.IMAGES,),
        ref=True,
    ),
    Spec(
        "retest",
        "builds what failed, was cancelled or never ran for this commit; a named image always",
        Role.WRITE,
        (Slot.IMAGES,),
        aliases=("retry",),
        author="any",
        ref=True,
    ),
    Spec(
        "cancel",
        "stops queued and running builds that nothing else wants",
        Role.WRITE,
        (Slot.IMAGES,),
        author="any",
        ref=True,
    ),
    Spec(
        "ok-to-test",
        "approves one commit of a fork for a build without credentials that pushes nothing; "
        "holds for 24 hours and for that commit alone; `cancel` takes it back and stops its builds",
        Role.WRITE,
        (Slot.SHA,),
        places=(Place.REQUEST,),
    ),
    Spec(
        "skip",
        "shows this image's status as success for this commit, with your name and reason; an "
        "image that is `required` asks for maintain",
        Role.WRITE,
        (Slot.ONE, Slot.REASON),
        places=(Place.REQUEST,),
    ),
    Spec(
        "promote",
        "gives a built image more tags by its digest, without building again",
        Role.MAINTAIN,
        (Slot.FROM, Slot.TAGS),
        answers=True,
    ),
    Spec(
        "status",
        "answers with the state, tags and digest of each image",
        Role.READ,
        (Slot.IMAGES,),
        floor=Role.NONE,
        ref=True,
        answers=True,
    ),
    Spec(
        "logs",
        "answers with the last lines of a build's log",
        Role.READ,
        (Slot.IMAGE,),
        options=(LINES,),
        floor=Role.READ,
        ref=True,
        answers=True,
    ),
    Spec(
        "why",
        "answers with what was decided for each image, and by which rule",
        Role.READ,
        (Slot.IMAGE,),
        floor=Role.NONE,
        ref=True,
        answers=True,
    ),
    Spec(
        "help",
        "answers with the commands that you may use",
        Role.NONE,
        (Slot.COMMAND,),
        floor=Role.NONE,
        answers=True,
    ),
)

BY_NAME: Final[Mapping[str, Spec]] = {
    word: spec for spec in TABLE for word in (spec.name, *spec.aliases)
}
"""Names and aliases."""

MAINTAIN_FOR_REQUIRED: Final = Role.MAINTAIN
"""What `/skip` of a `required` image asks for: it opens a merge gate."""


def _shown(option: Option) -> str:
    return f"[--{option.name}]" if option.form == "flag" else f"[{option.name}=n]"
