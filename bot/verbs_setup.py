"""The commands that set the bot up and look at what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.verbs import add, late

if TYPE_CHECKING:
    from bot.verbs import Commands


def setup(commands: Commands) -> None:
    doctor = add(
        commands,
        "doctor",
        late("doctor.command", "doctor"),
        "look at everything that the bot needs and name what is missing",
        "PUSHWRIGHT_CONFIG=pushwright.yaml pushwright doctor",
    )
    doctor.add_argument(
        "--deep",
        action="store_true",
        help="try out what leaves traces as well: uploads that are given up, probe pods, three "
        "chained builds; look at all repositories",
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON document")
    hooks = add(
        commands,
        "hooks",
        late("hooksync", "command"),
        "create and repair the webhooks of all served repositories",
        "pushwright hooks sync --dry-run",
    )
    hooks.add_argument("action", choices=("sync",), metavar="sync", help="the only thing to do")
    hooks.add_argument("--dry-run", action="store_true", help="only say what would be done")
    hooks.add_argument(
        "--secret",
        action="store_true",
        help="write the secret again everywhere, after it was changed",
    )
    hooks.add_argument(
        "--secret-file",
        metavar="FILE",
        help="a file with the secret instead of the config's last; - is standard input",
    )
    hooks.add_argument("--source", metavar="NAME", help="only this one (default: all)")
    hooks.add_argument(
        "--repository",
        action="append",
        metavar="PATH",
        help="only this one, may be repeated (default: all that are served)",
    )
