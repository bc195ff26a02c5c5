"""The commands that need neither a network nor a database: `check-config`, `plan` and `tags`.

They import what they need when they run: `tags` has to answer at once.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.core.events import Event, Ignored, Malformed, Parsed
from bot.core.ids import HostKind
from bot.core.logtext import plain
from bot.core.mistakes import Mistake, nearest, show

if TYPE_CHECKING:
    from bot.core.explain import Offline
    from bot.core.facts import EventFacts
    from bot.core.plans import ClaimWish, PlannedImage
    from bot.core.repoconfig import Image, RepoConfig

Codec = Callable[[str, bytes], Parsed]

PAYLOAD_BYTES_MAX = 25 * 1024 * 1024
"""As the receiver takes them (GitHub's own limit)."""

CONFIG_BYTES_MAX = 1024 * 1024 + 1
"""One more than any config may have: the parser refuses that much with words."""

_NO_TAGS: Mapping[str, Any] = {"tags": [], "labels": {}, "version": "", "renamed": {}}


class InputMistake(Exception):
    """What was given can't be used; the text says which part and why."""


def check(options: argparse.Namespace) -> int:
    """`pushwright check-config FILE`: mistakes and warnings on standard error, `ok: …` else."""
    from bot.configcheck import check_config

    checked = check_config(options.file)
    good = () if checked.code else checked.lines[-1:]
    complain(checked.lines[: len(checked.lines) - len(good)])
    print_lines(good)
    return checked.code


def plan(options: argparse.Namespace) -> int:
    """`pushwright plan`: what the event builds and why."""
    from bot.core.explain import decide_offline, explain, explain_all, table

    try:
        given = read_given(options)
    except InputMistake as mistake:
        return refuse(str(mistake))
    decided = decide_offline(given)
    if isinstance(decided, str):
        return tell_ignored(decided, as_json=options.json)
    made, facts = decided
    mistakes = [one for wish in made.claims for one in wish.mistakes]
    if options.json:
        print_json(explain_all(made, facts) if options.why else explain(made, facts))
    else:
        print_lines(table(made, facts, why=options.why).splitlines())
    complain(mistakes)
    _warn(facts, (image for wish in made.claims for image in wish.images))
    return 1 if mistakes else 0


def tags(options: argparse.Namespace) -> int:
    """`pushwright tags`: the names and labels of one image, whatever filters and trust say."""
    from bot.core.explain import offline_facts

    try:
        given = read_given(options)
        facts = offline_facts(given)
        if isinstance(facts, str):
            return tell_ignored(facts, as_json=options.json)
        found = named_image(facts, options.image, given.config_name)
    except InputMistake as mistake:
        return refuse(str(mistake))
    if isinstance(found, str):
        return tell_ignored(found, as_json=options.json)
    image, mistakes = found
    document = dict(_NO_TAGS) if image is None else tags_json(image)
    if options.json:
        print_json(document)
    else:
        print_lines(tags_text(document))
    if image is not None and image.check_only:
        complain(["pushwright: this event's build is not pushed, hence no tags"])
    complain(mistakes)
    _warn(facts, () if image is None else (image,))
    return 1 if mistakes else 0


# -- what was given ------------------------------------------------------------------------


def read_given(options: argparse.Namespace) -> Offline:
    """The files and options of `plan` and `tags` as a value. Raises InputMistake."""
    from bot.core.explain import Offline

    host = HostKind(options.host)
    body = read_file(options.payload, PAYLOAD_BYTES_MAX)
    event = read_event(host, options.event, body)
    if isinstance(event, Malformed):
        place = f"{event.where}: " if event.where else ""
        raise InputMistake(f"{_name(options.payload)} is no {options.event}: {place}{event.reason}")
    known = Offline(
        host,
        event,
        options.now or datetime.now(UTC),
        changed=None if options.changed is None else tuple(options.changed),
        trusted=getattr(options, "trusted", None),
        registry=options.registry,
    )
    if options.config is None:
        return known
    config = read_file(options.config, CONFIG_BYTES_MAX, cut=True)
    return replace(known, config=config, config_name=_name(options.config))


def read_event(host: HostKind, name: str, body: bytes) -> Event | Ignored | Malformed:
    """What the host's codec makes of it. `name` as in the host's header; GitLab's also as in the
    body's `object_kind` (`push`, `tag_push`, `merge_request`)."""
    match host:
        case HostKind.GITHUB:
            from bot.hosts.github.codec import parse

            return parse(name, body)
        case HostKind.GITLAB:
            from bot.hosts.gitlab import codec

            return codec.parse(gitlab_event(name), body)
        case HostKind.GITEA:
            from bot.hosts.gitea.codec import parse as parse_gitea

            return parse_gitea(name, body)


def gitlab_event(name: str) -> str:
    """`push`, `tag_push` or `Merge Request Hook`: as the header names it, where it is known."""
    from bot.hosts.gitlab.vocabulary import KINDS, SYSTEM_HOOK

    title = name.replace("_", " ").replace("-", " ").strip().title()
    for candidate in (title, f"{title} Hook"):
        if candidate in KINDS or candidate == SYSTEM_HOOK:
            return candidate
    return name


def read_file(path: str, limit: int, *, cut: bool = False) -> bytes:
    """At most `limit` bytes of a file, or of standard input for `-`. `cut`: more is left unread,
    because the reader of these bytes refuses them in better words."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputMistake(f"{_name(path)} can't be read: {reason}") from error
    if len(data) > limit and not cut:
        raise InputMistake(f"{_name(path)} is over {limit // 1024**2} MiB, as no webhook is")
    return data[:limit]


def _name(path: str) -> str:
    return "standard input" if path == "-" else path


# -- one image's names ---------------------------------------------------------------------


def named_image(
    facts: EventFacts, key: str | None, file: str
) -> tuple[PlannedImage | None, tuple[Mistake, ...]] | str:
    """The planned image, or what is wrong with the config; a text where the event tags nothing.

    Filters, skip tokens and trust are left out: which names there would be is the question.
    Raises InputMistake where `key` names no image, or is missing and there are several.
    """
    from bot.core.explain import named_as
    from bot.core.facts import NoConfig
    from bot.core.ids import Trust
    from bot.core.planning import plan as decide
    from bot.core.repofile import zero_config

    config = facts.config
    if isinstance(config, tuple):
        return None, config
    if isinstance(config, NoConfig):
        config = zero_config(facts.repository.path)
    image = choose_image(config, key)
    asked = replace(facts, config=config, only=(image.key,), trust=Trust.TRUSTED)
    made = named_as(decide(asked), file)
    if not made.claims:
        return made.note
    wish = made.claims[0]
    return _of(wish, image), wish.mistakes


def _of(wish: ClaimWish, image: Image) -> PlannedImage | None:
    return next((one for one in wish.images if one.image == image.key), None)


def choose_image(config: RepoConfig, key: str | None) -> Image:
    """The image of that key, or the only one. Raises InputMistake."""
    keys = [image.key for image in config.images]
    if key is None:
        if len(keys) > 1:
            raise InputMistake(f"there are several images, choose by --image: {', '.join(keys)}")
        return config.images[0]
    found = next((image for image in config.images if image.key == key), None)
    if found is None:
        hint = nearest(key, keys)
        near = f" ({hint})" if hint else ""
        raise InputMistake(f"there is no image {show(key)}{near}; there are: {', '.join(keys)}")
    return found


def tags_json(image: PlannedImage) -> dict[str, Any]:
    """What `pushwright tags --json` prints."""
    return {
        "tags": [tag.reference for tag in image.tags if tag.withheld is None],
        "labels": dict(image.labels),
        "version": image.version,
        "renamed": dict(image.renamed),
    }


def tags_text(document: Mapping[str, Any]) -> list[str]:
    """The same for people, aligned."""
    rows = [("tag", tag) for tag in document["tags"]]
    rows += [("label", f"{name}={value}") for name, value in document["labels"].items()]
    rows += [("version", document["version"])] if document["version"] else []
    rows += [("renamed", f"{old} to {new}") for old, new in document["renamed"].items()]
    return [f"{word:<9} {text}" for word, text in rows] or ["no tags"]


# -- output --------------------------------------------------------------------------------


def tell_ignored(reason: str, *, as_json: bool) -> int:
    if as_json:
        print_json({"ignored": reason})
    else:
        print_lines([f"ignored: {reason}"])
    return 0


def print_json(document: Mapping[str, Any]) -> None:
    """ASCII: whatever a payload holds, a terminal gets no control character from it."""
    print(json.dumps(document, indent=2))


def print_lines(lines: Iterable[object]) -> None:
    for line in lines:
        print(plain(str(line)))


def complain(lines: Iterable[object]) -> None:
    for line in lines:
        print(plain(str(line)), file=sys.stderr)


def _warn(facts: EventFacts, images: Iterable[PlannedImage]) -> None:
    """What the file says oddly, then which tag lines gave nothing, each once."""
    found: tuple[Mistake, ...] = getattr(facts.config, "warnings", ())
    for image in images:
        found += image.warnings
    complain(f"warning: {warning}" for warning in dict.fromkeys(found))


def refuse(why: str) -> int:
    """What was asked for can't be done; the exit code that says so."""
    complain(f"pushwright: {line}" for line in why.splitlines())
    return 1
