"""A comment read into commands. Total: no text makes it raise; what was meant for us and can't be
done is a refusal with its reason, everything else is somebody's conversation."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bot.core import reports_commands as said
from bot.core.commands import (
    BY_NAME,
    PREFIX,
    Command,
    Orders,
    Place,
    Refusal,
    Slot,
    Spec,
    Value,
)
from bot.core.commands_lines import LONGEST, may_command, plain_lines
from bot.core.fieldtext import Problem
from bot.core.globs import parse_glob

MOST: Final = 10
"""Commands of one comment."""
LINE: Final = 4096
"""Characters of one command."""

_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HEX: Final = re.compile(r"[0-9a-fA-F]+")
_IMAGE: Final = re.compile(r"[A-Za-z0-9._*?\[\]!-]{1,128}")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests"""
_FROM: Final = re.compile(
    r"(?P<image>[A-Za-z0-9._-]{1,128})"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64})|@(?P<sha>[0-9a-fA-F]{40,64})|:(?P<tag>[\w][\w.-]{0,127}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Manners:
    """How a source is spoken to: whether `/build` alone is ours, and the logins that are."""

    bare: bool = True
    names: frozenset[str] = frozenset({PREFIX})


class _Wrong(Exception):
    """What was written is no such command; the text says why."""


@dataclass(slots=True)
class _Words:
    """The arguments of one command while they are read."""

    spec: Spec
    place: Place
    left: list[str]
    images: list[str] = field(default_factory=list)
    options: dict[str, Value] = field(default_factory=dict)


def read_comment(
    comment: str,
    place: Place = Place.REQUEST,
    manners: Manners = Manners(),
    images: Sequence[str] | None = None,
) -> Orders:
    """All commands of the comment. `images`: the names that there are; None: not known yet, and
    names and globs stay as they were written (`resolved` looks at them later)."""
    if len(comment) > LONGEST:
        long = Refusal(comment[:80].strip(), said.comment_too_long(LONGEST))
        return Orders((), (long,)) if _ours_anywhere(comment, manners) else Orders()
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
    spec = BY_NAME.get(_lower(verb))
    if spec is None:
        return Refusal(line, said.no_command(verb, _nearest(verb)))
    try:
        return _command(spec, rest, place, line)
    except _Wrong as wrong:
        return Refusal(line, str(wrong), spec.name)


def _addressed(line: str, manners: Manners) -> tuple[str, str] | None:
    """The verb and what follows it, where the line speaks to us."""
    first, _, rest = line.partition(" ")
    word = first[1:]
    if first.startswith("@"):
        named = _lower(word.rstrip(":,")).removesuffix("[bot]") in manners.names
        return _after(rest, always=False) if named else None
    if _lower(word) == PREFIX:
        return _after(rest, always=True)
    if not manners.bare or not word:
        return None
    return (word, rest) if _lower(word) in BY_NAME or _nearest(word) else None


def _after(rest: str, *, always: bool) -> tuple[str, str] | None:
    """Behind `/pushwright` everything is for us; behind a mention only what looks like a command:
    people talk about the bot, too."""
    verb, _, more = rest.strip().partition(" ")
    verb = verb.removeprefix("/")
    if not verb:
        return ("help", "") if always else None
    known = _lower(verb) in BY_NAME or _nearest(verb) is not None
    return (verb, more) if always or known else None


def _nearest(word: str) -> str | None:
    """The command that was meant, where one typing slip explains the word: others own words like
    `/test` or `/hold`."""
    lower = _lower(word)
    if lower in BY_NAME or "/" in word or not 3 < len(word) <= 20:
        return None
    close = difflib.get_close_matches(lower, list(BY_NAME), n=1, cutoff=0.7)
    return close[0] if close and _slip(lower, close[0]) else None


def _lower(word: str) -> str:
    """ASCII letters alone: others have small forms that look like them (the Kelvin sign's is k)."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in word)


def _slip(one: str, other: str) -> bool:
    """Whether one letter was left out, added or changed, or two neighbours were swapped."""
    if len(one) == len(other):
        differing = [at for at in range(len(one)) if one[at] != other[at]]
        match differing:
            case [_]:
                return True
            case [at, after] if after == at + 1:
                return one[at] == other[after] and one[after] == other[at]
            case _:
                return False
    shorter, longer = sorted((one, other), key=len)
    return len(longer) - len(shorter) == 1 and any(
        longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer))
    )


def _ours_anywhere(comment: str, manners: Manners) -> bool:
    """Whether a comment that is too long to be parsed has a line that looks like a command."""
    if not may_command(comment):
        return False
    return any(_addressed(line.strip(), manners) for line in comment.splitlines())


# -- its arguments ---------------------------------------------------------------------------


def _command(spec: Spec, rest: str, place: Place, line: str) -> Command:
    if place not in spec.places:
        raise _Wrong(said.not_here(spec, place))
    if Slot.REASON in spec.slots:
        # A reason is prose: an apostrophe in it opens no quote.
        image, _, reason = rest.strip().partition(" ")
        words = _Words(spec, place, [image] if image else [])
        if reason.strip():
            words.options["reason"] = reason.strip()
    else:
        words = _Words(spec, place, _split(rest))
        _take_options(words)
    for slot in spec.slots:
        _SLOTS[slot](words)
    if words.left:
        raise _Wrong(said.left_over(spec, words.left[0]))
    return Command(spec.name, tuple(dict.fromkeys(words.images)), words.options, line)


def _split(rest: str) -> list[str]:
    try:
        return shlex.split(rest)
    except ValueError as error:
        raise _Wrong(said.OPEN_QUOTE) from error


def _take_options(words: _Words) -> None:
    left: list[str] = []
    for word in words.left:
        name, equals, value = word.partition("=")
        kind, colon, ref = word.partition(":")
        if word.startswith("--") or (equals and Slot.FROM not in words.spec.slots):
            _option(words, name.removeprefix("--").lower(), value if equals else None)
        elif words.spec.ref and colon and kind.lower() in ("branch", "tag"):
            _ref(words, kind.lower(), ref)
        else:
            left.append(word)
    words.left = left


def _option(words: _Words, name: str, value: str | None) -> None:
    known = {option.name: option for option in words.spec.options}
    option = known.get(name)
    if option is None:
        raise _Wrong(said.no_option(words.spec, name, value))
    if option.form == "flag":
        if value is not None:
            raise _Wrong(said.takes_no_value(option))
        words.options[name] = True
        return
    number = int(value) if value and value.isascii() and value.isdigit() and len(value) < 5 else 0
    if not 1 <= number <= 200:
        raise _Wrong(said.wants_number(option))
    words.options[name] = number


def _ref(words: _Words, kind: str, name: str) -> None:
    if words.place is not Place.COMMIT:
        raise _Wrong(said.REF_ON_REQUEST)
    if not name:
        raise _Wrong(said.empty_ref(kind))
    if "branch" in words.options or "tag" in words.options:
        raise _Wrong(said.ONE_REF)
    words.options[kind] = name


def _images(words: _Words) -> None:
    for word in words.left:
        if not _IMAGE.fullmatch(word):
            raise _Wrong(said.no_name(word))
    words.images, words.left = words.left, []


def _image(words: _Words) -> None:
    if words.left:
        word = words.left.pop(0)
        if not _IMAGE.fullmatch(word):
            raise _Wrong(said.no_name(word))
        words.images.append(word)


def _one(words: _Words) -> None:
    if not words.left:
        raise _Wrong(said.name_an_image(words.spec))
    if set(words.left[0]) & set("*?[]!"):
        raise _Wrong(said.no_glob(words.spec))
    _image(words)


def _sha(words: _Words) -> None:
    if not words.left:
        return
    word = words.left.pop(0)
    if _SHA.fullmatch(word.lower()) and word.isascii():
        words.options["sha"] = word.lower()
    elif _HEX.fullmatch(word):
        raise _Wrong(said.SHORT_SHA)
    else:
        raise _Wrong(said.no_sha(word))


def _from(words: _Words) -> None:
    if not words.left:
        raise _Wrong(said.usage(words.spec))
    word = words.left.pop(0)
    found = _FROM.fullmatch(word)
    if found is None:
        raise _Wrong(said.no_source(word))
    words.images.append(found["image"])
    for kind in ("digest", "sha", "tag"):
        if found[kind]:
            words.options[f"from-{kind}"] = found[kind].lower() if kind == "sha" else found[kind]


def _tags(words: _Words) -> None:
    if len(words.left) < 2 or words.left[0].lower() != "to":
        raise _Wrong(said.usage(words.spec))
    tags = words.left[1:]
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise _Wrong(said.no_tag(tag))
    words.options["to"], words.left = tuple(dict.fromkeys(tags)), []


def _topic(words: _Words) -> None:
    if words.left:
        word = words.left.pop(0).removeprefix("/")
        spec = BY_NAME.get(_lower(word))
        if spec is None:
            raise _Wrong(said.no_command(word, _nearest(word)))
        words.options["command"] = spec.name


def _prose(words: _Words) -> None:
    """A reason was taken from the line before it was split."""


_SLOTS: Final = {
    Slot.IMAGES: _images,
    Slot.IMAGE: _image,
    Slot.ONE: _one,
    Slot.SHA: _sha,
    Slot.REASON: _prose,
    Slot.FROM: _from,
    Slot.TAGS: _tags,
    Slot.COMMAND: _topic,
}
