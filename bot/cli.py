"""`pushwright`: the composition root of the command line.

Each command imports what it needs when it runs, so that `tags` and `plan` start at once.
Exit codes: 0 yes, 1 no (the reason on standard error), 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import NoReturn

from bot import verbs_offline, verbs_processes, verbs_setup
from bot.verbs import Command


def main(arguments: Sequence[str] | None = None) -> int:
    if isinstance(sys.stdout, TextIOWrapper):
        # What a terminal's encoding lacks is escaped, as standard error does it by itself.
        sys.stdout.reconfigure(errors="backslashreplace")
    options = make_parser().parse_args(arguments)
    command: Command = options.command
    try:
        code = command(options)
        if sys.stdout is not None:  # closed before we began
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _leave_the_pipe()
        return 0
    except Exception as error:  # noqa: BLE001  raised again unless it was written for people
        return _explained(error)
    return code


def _leave_the_pipe() -> None:
    """The reader (`head`) has what it wanted. What is still buffered must not fail at exit:
    https://docs.python.org/3/library/signal.html#note-on-sigpipe."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explained(error: Exception) -> int:
    """Errors that are written for people are printed as they are; others keep their trace."""
    from bot.settings import SettingsMistake

    kinds: tuple[type[Exception], ...] = (SettingsMistake, OSError)
    if "bot.ports" in sys.modules:
        from bot.ports import HostError

        kinds += (HostError,)
    if "bot.records" in sys.modules:
        from bot.records import SchemaTooNew, SchemaTooOld

        kinds += (SchemaTooNew, SchemaTooOld)
    if not isinstance(error, kinds):
        raise error
    print(f"pushwright: {error}", file=sys.stderr)
    return 1


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pushwright",
        description="Turns Git pushes into container images.",
        epilog="Settings come from PUSHWRIGHT_* variables; docs/settings.md lists them.",
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=18),
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    verbs_processes.processes(commands)
    verbs_offline.offline(commands)
    verbs_offline.pods(commands)
    verbs_processes.operations(commands)
    verbs_setup.setup(commands)
    return parser


class _Version(argparse.Action):
    """Looked up when it is asked for: reading the package's metadata costs 20 ms."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        from importlib.metadata import version

        print(f"pushwright {version('pushwright')}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
