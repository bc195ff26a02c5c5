"""The commands that set the bot up and look at what it needs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bot.arguments import port
from bot.verbs import add, late

if TYPE_CHECKING:
    from bot.verbs import Commands


def setup(commands: Commands) -> None:
    _register(commands)
    _look(commands)


def _register(commands: Commands) -> None:
    new = add(
        commands,
        "setup",
        late("appsetup", "github"),
        "register a GitHub App with what the bot needs, by a page in your browser",
        "pushwright setup github --public-url https://builds.example.com --org acme",
    )
    new.add_argument("host", choices=("github",), metavar="github", help="the only host with Apps")
    new.add_argument(
        "--public-url",
        metavar="URL",
        help="where the bot is reached from outside (default: the central config's)",
    )
    new.add_argument("--org", metavar="NAME", help="the App's owner (default: who is signed in)")
    new.add_argument(
        "--name",
        metavar="NAME",
        help="the App's name, which no other App has; can be changed on the page (default: "
        "pushwright-NAME of the organization)",
    )
    new.add_argument(
        "--reports",
        choices=("checks", "statuses"),
        default="checks",
        help="what the bot writes at commits, and so which permission it needs (default: "
        "%(default)s)",
    )
    new.add_argument(
        "--source",
        default="github",
        metavar="NAME",
        help="its name in the central config, and in the webhook's address (default: %(default)s)",
    )
    new.add_argument("--url", metavar="URL", help="a GitHub Enterprise Server's address")
    new.add_argument("--api-url", metavar="URL", help="where its API is not at URL/api/v3")
    new.add_argument("--ca-file", metavar="FILE", help="a private CA of that server (PEM)")
    new.add_argument("--proxy", metavar="URL", help="an HTTP proxy on the way to it")
    _secrets_and_browser(new)


def _secrets_and_browser(new: argparse.ArgumentParser) -> None:
    new.add_argument(
        "--folder",
        default="secrets",
        metavar="DIR",
        help="where the private key and the webhook secret are written (default: %(default)s)",
    )
    new.add_argument(
        "--overwrite", action="store_true", help="replace the files of an earlier run there"
    )
    new.add_argument(
        "--port",
        type=port,
        default=8642,
        metavar="N",
        help="of this machine's loopback, for the page (default: %(default)s)",
    )
    by_hand = new.add_mutually_exclusive_group()
    by_hand.add_argument(
        "--page",
        metavar="FILE",
        help="write the page into a file for a browser elsewhere, and end",
    )
    by_hand.add_argument(
        "--code",
        metavar="CODE",
        help="what GitHub put into the browser's address behind code=, where the browser could not "
        "come back to this machine",
    )


def _look(commands: Commands) -> None:
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
