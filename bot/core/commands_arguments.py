"""What stands behind a command: options, images, commits, tags, as its row of the table says."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import Final

from bot.core import reports_commands as said
from bot.core.commands import BY_NAME, Command, Place, Slot, Spec, Value
from bot.core.commands_words import lower, meant

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


class Wrong(Exception):
    """What was written is no such command; the text says why."""


@dataclass(slots=True)
class _Words:
    """The arguments of one command while they are read."""

    spec: Spec
    place: Place
    start: str
    left: list[str]
    images: list[str] = field(default_factory=list)
    options: dict[str, Value] = field(default_factory=dict)


def read_arguments(spec: Spec, rest: str, place: Place, line: str, start: str) -> Command:
    """Raises Wrong, whose text names commands as people can write them: behind `start`."""
    if place not in spec.places:
        raise Wrong(said.not_here(spec, place, start))
    if Slot.REASON in spec.slots:
        # A reason is prose: an apostrophe in it opens no quote.
        image, _, reason = rest.strip().partition(" ")
        words = _Words(spec, place, start, [image] if image else [])
        if reason.strip():
            words.options["reason"] = reason.strip()
    else:
        words = _Words(spec, place, start, _split(rest))
        _take_options(words)
    for slot in spec.slots:
        _SLOTS[slot](words)
    if words.left:
        raise Wrong(said.left_over(spec, words.left[0], start))
    return Command(spec.name, tuple(dict.fromkeys(words.images)), words.options, line)


def _split(rest: str) -> list[str]:
    try:
        return shlex.split(rest)
    except ValueError as error:
        raise Wrong(said.OPEN_QUOTE) from error


def _take_options(words: _Words) -> None:
    left: list[str] = []
    for word in words.left:
        name, equals, value = word.partition("=")
        kind, colon, ref = word.partition(":")
        if word.startswith("--") or (equals and Slot.FROM not in words.spec.slots):
            _option(words, name.removeprefix("--"), value if equals else None)
        elif words.spec.ref and colon and kind.lower() in ("branch", "tag"):
            _ref(words, kind.lower(), ref)
        else:
            left.append(word)
    words.left = left


def _option(words: _Words, name: str, value: str | None) -> None:
    known = {option.name: option for option in words.spec.options}
    option = known.get(name.lower())
    if option is None:
        raise Wrong(said.no_option(words.spec, name, value, words.start))
    if option.form == "flag":
        if value is not None:
            raise Wrong(said.takes_no_value(option))
        words.options[option.name] = True
        return
    number = int(value) if value and value.isascii() and value.isdigit() and len(value) < 5 else 0
    if not 1 <= number <= 200:
        raise Wrong(said.wants_number(option))
    words.options[option.name] = number


def _ref(words: _Words, kind: str, name: str) -> None:
    if words.place is not Place.COMMIT:
        raise Wrong(said.REF_ON_REQUEST)
    if not name:
        raise Wrong(said.empty_ref(kind))
    if "branch" in words.options or "tag" in words.options:
        raise Wrong(said.ONE_REF)
    words.options[kind] = name


def _images(words: _Words) -> None:
    for word in words.left:
        if not _IMAGE.fullmatch(word):
            raise Wrong(said.no_name(word))
    words.images, words.left = words.left, []


def _image(words: _Words) -> None:
    if words.left:
        word = words.left.pop(0)
        if not _IMAGE.fullmatch(word):
            raise Wrong(said.no_name(word))
        words.images.append(word)


def _one(words: _Words) -> None:
    if not words.left:
        raise Wrong(said.name_an_image(words.spec, words.start))
    if set(words.left[0]) & set("*?[]!"):
        raise Wrong(said.no_glob(words.spec, words.start))
    _image(words)


def _sha(words: _Words) -> None:
    if not words.left:
        return
    word = words.left.pop(0)
    if word.lower() == "cancel":
        words.options["cancel"] = True
    elif _SHA.fullmatch(word.lower()) and word.isascii():
        words.options["sha"] = word.lower()
    elif _HEX.fullmatch(word):
        raise Wrong(said.SHORT_SHA)
    else:
        raise Wrong(said.no_sha(word))


def _from(words: _Words) -> None:
    if not words.left:
        raise Wrong(said.usage(words.spec, words.start))
    word = words.left.pop(0)
    found = _FROM.fullmatch(word)
    if found is None:
        raise Wrong(said.no_source(word))
    words.images.append(found["image"])
    for kind in ("digest", "sha", "tag"):
        if found[kind]:
            words.options[f"from-{kind}"] = found[kind].lower() if kind == "sha" else found[kind]


def _tags(words: _Words) -> None:
    if len(words.left) < 2 or words.left[0].lower() != "to":
        raise Wrong(said.usage(words.spec, words.start))
    tags = words.left[1:]
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise Wrong(said.no_tag(tag))
    words.options["to"], words.left = tuple(dict.fromkeys(tags)), []


def _topic(words: _Words) -> None:
    if words.left:
        word = words.left.pop(0).removeprefix("/")
        spec = BY_NAME.get(lower(word))
        if spec is None:
            raise Wrong(said.no_command(word, meant(word), words.start))
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
