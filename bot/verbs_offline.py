"""The commands that need no network: the debugger and the documentation in one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bot.arguments import moment, registry
from bot.core.ids import HostKind
from bot.verbs import add, late

if TYPE_CHECKING:
    from bot.verbs import Commands


def offline(commands: Commands) -> None:
    check = add(
        commands,
        "check-config",
        late("offline", "check"),
        "check a .pushwright.yaml or a central config and print every mistake",
        "pushwright check-config .pushwright.yaml",
    )
    check.add_argument("file", metavar="FILE", help="a repository's file or the central config")
    plan = add(
        commands,
        "plan",
        late("offline", "plan"),
        "show what an event builds, and why or why not; needs no network",
        "pushwright plan --host github --event push --payload push.json --config .pushwright.yaml",
    )
    _event_options(plan)
    trust = plan.add_mutually_exclusive_group()
    trust.add_argument(
        "--trusted",
        dest="trusted",
        action="store_true",
        default=None,
        help="plan as if the commit came from the repository itself (default unless from a fork)",
    )
    trust.add_argument(
        "--untrusted",
        dest="trusted",
        action="store_false",
        help="plan as if it came from a fork (default for forks)",
    )
    plan.add_argument(
        "--why", action="store_true", help="show for each image every rule and what it says"
    )
    tags = add(
        commands,
        "tags",
        late("offline", "tags"),
        "show the tags and labels that an event gives an image; needs no network",
        "pushwright tags --host github --event push --payload push.json --json",
    )
    _event_options(tags)
    tags.add_argument("--image", metavar="KEY", help="which image, where the file has several")
    _comment(commands)


def _comment(commands: Commands) -> None:
    comment = add(
        commands,
        "commands",
        late("commandcheck", "commands"),
        "show what a comment asks the bot to do, and what is refused; needs no network",
        "pushwright commands --comment comment.md --role write --images api,web",
    )
    comment.add_argument(
        "--comment", required=True, metavar="FILE", help="the comment's text; - is standard input"
    )
    comment.add_argument(
        "--role",
        choices=("none", "read", "write", "maintain", "admin", "author"),
        help="refuse what this role may not do (default: nobody is asked)",
    )
    comment.add_argument(
        "--on",
        choices=("pull-request", "commit"),
        default="pull-request",
        help="where the comment stands (default: %(default)s)",
    )
    comment.add_argument(
        "--images",
        metavar="KEYS",
        help="keys of images with commas between: other names are refused, globs are filled in",
    )
    comment.add_argument(
        "--no-bare",
        dest="bare",
        action="store_false",
        help="as for a source with `bare-commands: false`: /build alone is another bot's",
    )
    comment.add_argument("--json", action="store_true", help="print one JSON document")


def pods(commands: Commands) -> None:
    pod = add(
        commands,
        "render-pod",
        late("podrendering", "render_pod"),
        "show the pods that an event's builds would be; needs no network",
        "pushwright render-pod --host github --event push --payload push.json "
        "--central pushwright.yaml",
    )
    _event_options(pod)
    pod.add_argument(
        "--central",
        required=True,
        metavar="FILE",
        help="the central config, whose section `kubernetes` says where pods run",
    )
    pod.add_argument("--source", metavar="NAME", help="where it has several of that host")
    pod.add_argument("--image", metavar="KEY", help="only this one (default: all that are built)")


def _event_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", required=True, choices=tuple(map(str, HostKind)), help="whose webhook it is"
    )
    parser.add_argument(
        "--event",
        required=True,
        metavar="NAME",
        help="as the host names it: push, pull_request, merge_group; Push Hook or push, "
        "tag_push, merge_request; Gitea's X-Gitea-Event-Type",
    )
    parser.add_argument(
        "--payload", required=True, metavar="FILE", help="the webhook's body; - is standard input"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the repository's .pushwright.yaml; without it the rules for repositories that have "
        "none hold",
    )
    parser.add_argument(
        "--changed",
        action="append",
        metavar="FILE",
        help="a path that changed, may be repeated; without it the diff is unknown (names of tags "
        "do not depend on it)",
    )
    parser.add_argument(
        "--registry",
        type=registry,
        default="registry.example.com",
        metavar="HOST",
        help="where images without a name of their own go (default: %(default)s)",
    )
    parser.add_argument(
        "--now",
        type=moment,
        metavar="TIME",
        help="ISO 8601 (UTC unless it says otherwise), for dates in tags and labels",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
