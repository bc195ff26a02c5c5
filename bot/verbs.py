"""How a command of `pushwright` is declared: its name, its help, and what runs it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

Command = Callable[[argparse.Namespace], int]

if TYPE_CHECKING:
    # What `ArgumentParser.add_subparsers` gives; it has no public name.
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001


def late(module: str, name: str) -> Command:
    """Imported when the command runs: `tags` needs neither a database nor a web server."""

    def run(options: argparse.Namespace) -> int:
        from importlib import import_module

        command: Command = getattr(import_module(f"bot.{module}"), name)
        return command(options)

    return run


def add(
    commands: Commands,
    name: str,
    command: Command,
    text: str,
    example: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=command)
    return parser
