"""`pushwright commands`: what a comment asks for, with no network and no database."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.core.commands import Command, Orders, Place, Value, start_of
from bot.core.commands_access import Asker, allowed
from bot.core.commands_parsing import Manners, read_comment
from bot.core.ids import Role
from bot.core.logtext import plain

_BYTES = 4 * 65_536 + 4
"""UTF-8 of one character more than any comment that is read."""


def commands(options: argparse.Namespace) -> int:
    """0: all that was meant for the bot is done; 1: something is refused."""
    try:
        comment = _read(options.comment)
    except OSError as error:
        name = "standard input" if options.comment == "-" else options.comment
        reason = error.strerror or error
        print(plain(f"pushwright: {name} can't be read: {reason}"), file=sys.stderr)
        return 1
    images = None if options.images is None else [i for i in options.images.split(",") if i]
    orders = read_comment(comment, Place(options.on), Manners(bare=options.bare), images)
    if options.role is not None:
        orders = allowed(orders, _asker(options.role, start_of(bare=options.bare)))
    if options.json:
        print(json.dumps(document(orders), indent=2))
    else:
        for line in table(orders):
            print(plain(line))
    return 1 if orders.refused else 0


def _read(path: str) -> str:
    if path == "-":
        data = sys.stdin.buffer.read(_BYTES)
    else:
        with Path(path).open("rb") as file:
            data = file.read(_BYTES)
    return data.decode("utf-8-sig", "replace")


def _asker(word: str, start: str) -> Asker:
    author = word == "author"
    return Asker(Role.READ if author else Role(word), author=author, start=start)


def document(orders: Orders) -> Mapping[str, Any]:
    """What `--json` prints."""
    return {
        "commands": [
            {
                "name": one.name,
                "images": list(one.images),
                "options": {name: _json(value) for name, value in one.options.items()},
                "text": one.text,
            }
            for one in orders.commands
        ],
        "refused": [{"text": one.text, "why": one.why} for one in orders.refused],
    }


def _json(value: Value) -> object:
    return list(value) if isinstance(value, tuple) else value


def table(orders: Orders) -> list[str]:
    """The same for people: one line a command."""
    rows = [("do", one.name, _meaning(one)) for one in orders.commands]
    rows += [("refused", one.text[:60], one.why) for one in orders.refused]
    if not rows:
        return ["no commands"]
    wide = max(len(subject) for _, subject, _ in rows)
    return [f"{word:<8} {subject:<{wide}}  {text}".rstrip() for word, subject, text in rows]


def _meaning(command: Command) -> str:
    images = ", ".join(command.images)
    options = ", ".join(f"{name}: {_shown(value)}" for name, value in command.options.items())
    return "; ".join(part for part in (images, options) if part)


def _shown(value: Value) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple():
            return " ".join(value)
        case _:
            return str(value)
