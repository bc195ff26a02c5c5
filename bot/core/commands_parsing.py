"""A comment read into commands. Total: no text makes it raise; what was meant for us and can't be
done is a refusal with its reason, everything else is somebody's conversation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bot.core import reports_commands as said
from bot.core.commands import (
    BY_NAME,
    PREFIX,
    Command,
    Orders,
    Place,
    Refusal,
    start_of,
)
from bot.core.commands_arguments import Wrong, read_arguments
from bot.core.commands_lines import LONGEST, may_command, plain_lines
from bot.core.commands_words import lower, meant
from bot.core.fieldtext import Problem
from bot.core.globs import parse_glob

MOST: Final = 10
"""Commands of one comment."""
LINE: Final = 4096
"""Characters of one command."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a source is spoken to: whether `/build` alone is ours, and the logins that are."""

    bare: bool = True
    names: frozenset[str] = frozenset({PREFIX})

    @property
    def start(self) -> str:
        """What commands begin with in texts for people."""
        return start_of(bare=self.bare)


def read_comment(
    comment: str,
    place: Place = Place.REQUEST,
    manners: Manners = Manners(),
    images: Sequence[str] | None = None,
) -> Orders:
    """All commands of the comment. `images`: the names that there are; None: not known yet, and
    names and globs stay as they were written (`resolved` looks at them later)."""
    if len(comment) > LONGEST:
        ours = _ours_anywhere(comment, manners)
        why = said.comment_too_long(LONGEST)
        return Orders() if ours is None else Orders((), (Refusal(ours[:LINE], why),))
    commands: list[Command] = []
    refused: list[Refusal] = []
    extra: list[str] = []
    for line in plain_lines(comment):
        found = _line(line, place, manners)
        if isinstance(found, Command) and images is not None:
            found = resolved(found, images)
        match found:
            case None:
                continue
            case _ if len(commands) + len(refused) >= MOST:
                extra.append(line)
            case Command():
                commands.append(found)
            case Refusal():
                refused.append(found)
    if extra:
        refused.append(Refusal(extra[0][:LINE], said.too_many(MOST, len(extra))))
    return Orders(tuple(commands), tuple(refused))


def resolved(command: Command, images: Sequence[str]) -> Command | Refusal:
    """The command with its globs filled in, or why a name is none of `images`."""
    named: dict[str, None] = {}
    for word in command.images:
        found = [image for image in images if _matches(word)(image)]
        if not found:
            return Refusal(command.text, said.no_image(word, images), command.name)
        named.update(dict.fromkeys(found))
    return Command(command.name, tuple(named), command.options, command.text)


def _matches(word: str) -> Callable[[str], bool]:
    glob = parse_glob(word)
    if isinstance(glob, Problem) or glob.excludes:
        return lambda image: image == word
    return glob.matches


# -- one line --------------------------------------------------------------------------------


def _line(line: str, place: Place, manners: Manners) -> Command | Refusal | None:
    """None: the line is not for us."""
    text = "".join(" " if character.isspace() else character for character in line)
    visible = "".join(character for character in text if character.isprintable()).strip()
    found = _addressed(visible, manners)
    if found is None:
        return None
    if len(line) > LINE:
        return Refusal(line[:LINE], said.line_too_long(LINE))
    if visible != text.strip():
        return Refusal(line, said.INVISIBLE)
    verb, rest = found
    spec = BY_NAME.get(lower(verb))
    if spec is None:
        return Refusal(line, said.no_command(verb, meant(verb), manners.start))
    try:
        return read_arguments(spec, rest, place, line, manners.start)
    except Wrong as wrong:
        return Refusal(line, str(wrong), spec.name)


def _addressed(line: str, manners: Manners, *, slips: bool = True) -> tuple[str, str] | None:
    """The verb and what follows it, where the line speaks to us; `slips`: misspelt ones, too."""
    first, _, rest = line.partition(" ")
    word = first[1:]
    if first.startswith("@"):
        named = lower(word.rstrip(":,")).removesuffix("[bot]") in manners.names
        return _after(rest, always=False, slips=slips) if named else None
    if lower(word) == PREFIX:
        return _after(rest, always=True, slips=slips)
    if not manners.bare or not word:
        return None
    return (word, rest) if _is_verb(word, slips=slips) else None


def _is_verb(word: str, *, slips: bool) -> bool:
    return lower(word) in BY_NAME or (slips and meant(word) is not None)


def _after(rest: str, *, always: bool, slips: bool) -> tuple[str, str] | None:
    """Behind `/pushwright` everything is for us; behind a mention only what looks like a command:
    people talk about the bot, too."""
    verb, _, more = rest.strip().partition(" ")
    verb = verb.removeprefix("/")
    if not verb:
        return ("help", "") if always else None
    return (verb, more) if always or _is_verb(verb, slips=slips) else None


def _ours_anywhere(comment: str, manners: Manners) -> str | None:
    """The first line that is a command of a comment that is too long to be parsed. Slips are left
    alone: it may have hundreds of thousands of lines, and each would be compared with every name.
    """
    if not may_command(comment):
        return None
    lines = (line.strip() for line in comment.splitlines())
    ours = (line for line in lines if line.startswith(("/", "@")))
    return next((line for line in ours if _addressed(line, manners, slips=False)), None)
