"""The commands that run the bot, and those that ask it through the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.arguments import ref, rows
from bot.verbs import add, late

if TYPE_CHECKING:
    from bot.verbs import Commands


def processes(commands: Commands) -> None:
    add(
        commands,
        "serve",
        late("processes", "serve"),
        "run web and worker in one command, for one machine",
        "PUSHWRIGHT_CONFIG=pushwright.yaml pushwright serve",
    )
    add(
        commands,
        "web",
        late("processes", "web"),
        "run the webhook receiver and the pages",
        "pushwright web",
    )
    add(
        commands,
        "worker",
        late("processes", "worker"),
        "decide, build and report what the web process received",
        "pushwright worker",
    )
    add(
        commands,
        "migrate",
        late("processes", "migrate"),
        "bring the database to this release's schema",
        "PUSHWRIGHT_DATABASE_URL=postgresql+psycopg://bot@db/pushwright pushwright migrate",
    )


def operations(commands: Commands) -> None:
    build = add(
        commands,
        "build",
        late("operations", "build"),
        "build a ref again, whatever its filters say",
        "pushwright build acme/app refs/heads/main api",
    )
    build.add_argument("repository", metavar="REPO", help="its path at the host (acme/app)")
    build.add_argument(
        "ref", type=ref, metavar="REF", help="a branch, refs/tags/TAG or request/NUMBER"
    )
    build.add_argument("image", nargs="*", metavar="IMAGE", help="keys of images (default: all)")
    build.add_argument("--source", metavar="NAME", help="where several sources have the repository")
    deliveries = add(
        commands,
        "deliveries",
        late("operations", "deliveries"),
        "list what Git hosts sent, what became of it, and the page that says why",
        "pushwright deliveries --state ignored",
    )
    deliveries.add_argument(
        "--state",
        choices=("new", "done", "ignored", "malformed", "dead"),
        help="only those (default: all)",
    )
    deliveries.add_argument(
        "--limit", type=rows, default=50, metavar="N", help="how many, newest first (default: 50)"
    )
    replay = add(
        commands,
        "replay",
        late("operations", "replay"),
        "handle a delivery again",
        "pushwright replay 72d3162e-cc78-11e3-81ab-4c9367dc0958",
    )
    replay.add_argument("delivery", metavar="DELIVERY", help="id or the start of one")
    logs = add(
        commands,
        "logs",
        late("operations", "logs"),
        "print a build's log",
        "pushwright logs 3f2a91",
    )
    logs.add_argument("build", metavar="BUILD", help="id or the start of one")
    logs.add_argument("--follow", action="store_true", help="until the build ends")
    cancel = add(
        commands,
        "cancel",
        late("operations", "cancel"),
        "stop a build",
        "pushwright cancel 3f2a91",
    )
    cancel.add_argument("build", metavar="BUILD", help="id or the start of one")
