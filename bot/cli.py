"""`pushwright`: the composition root of the command line.

Each command imports what it needs when it runs, so that `tags` and `plan` start at once.
Exit codes: 0 yes, 1 no (the reason on standard error), 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import NoReturn

from bot.arguments import moment, ref, registry

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    if isinstance(sys.stdout, TextIOWrapper):
        # What a terminal's encoding lacks is escaped, as standard error does it by itself.
        sys.stdout.reconfigure(errors="backslashreplace")
    options = make_parser().parse_args(arguments)
    command: Command = options.command
    try:
        code = command(options)
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


def _late(module: str, name: str) -> Command:
    """Imported when the command runs: `tags` needs neither a database nor a web server."""

    def run(options: argparse.Namespace) -> int:
        from importlib import import_module

        command: Command = getattr(import_module(f"bot.{module}"), name)
        return command(options)

    return run


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
    _processes(commands)
    _offline(commands)
    _pods(commands)
    _operations(commands)
    _setup(commands)
    return parser


class _Version(argparse.Action):
    """Looked up when it is asked for: reading the package's metadata costs 20 ms."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        from importlib.metadata import version

        print(f"pushwright {version('pushwright')}")
        parser.exit()


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
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


def _processes(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _add(
        commands,
        "serve",
        _late("processes", "serve"),
        "run web and worker in one command, for one machine",
        "PUSHWRIGHT_CONFIG=pushwright.yaml pushwright serve",
    )
    _add(
        commands,
        "web",
        _late("processes", "web"),
        "run the webhook receiver and the pages",
        "pushwright web",
    )
    _add(
        commands,
        "worker",
        _late("processes", "worker"),
        "decide, build and report what the web process received",
        "pushwright worker",
    )
    _add(
        commands,
        "migrate",
        _late("processes", "migrate"),
        "bring the database to this release's schema",
        "PUSHWRIGHT_DATABASE_URL=postgresql+psycopg://bot@db/pushwright pushwright migrate",
    )


def _offline(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = _add(
        commands,
        "check-config",
        _late("offline", "check"),
        "check a .pushwright.yaml or a central config and print every mistake",
        "pushwright check-config .pushwright.yaml",
    )
    check.add_argument("file", metavar="FILE", help="a repository's file or the central config")
    plan = _add(
        commands,
        "plan",
        _late("offline", "plan"),
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
    tags = _add(
        commands,
        "tags",
        _late("offline", "tags"),
        "show the tags and labels that an event gives an image; needs no network",
        "pushwright tags --host github --event push --payload push.json --json",
    )
    _event_options(tags)
    tags.add_argument("--image", metavar="KEY", help="which image, where the file has several")
    _comment(commands)


def _comment(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    comment = _add(
        commands,
        "commands",
        _late("commandcheck", "commands"),
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
        help="as for a source with commands: {bare: false}: /build alone is another bot's",
    )
    comment.add_argument("--json", action="store_true", help="print one JSON document")


def _pods(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    pod = _add(
        commands,
        "render-pod",
        _late("podrendering", "render_pod"),
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
        "--host", required=True, choices=("github", "gitlab"), help="whose webhook it is"
    )
    parser.add_argument(
        "--event",
        required=True,
        metavar="NAME",
        help="as the host names it: push, pull_request, merge_group; Push Hook or push, "
        "tag_push, merge_request",
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


def _operations(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    build = _add(
        commands,
        "build",
        _late("operations", "build"),
        "build a ref again, whatever its filters say",
        "pushwright build acme/app refs/heads/main api",
    )
    build.add_argument("repository", metavar="REPO", help="its path at the host (acme/app)")
    build.add_argument(
        "ref", type=ref, metavar="REF", help="a branch, refs/tags/TAG or request/NUMBER"
    )
    build.add_argument("image", nargs="*", metavar="IMAGE", help="keys of images (default: all)")
    build.add_argument("--source", metavar="NAME", help="where several sources have the repository")
    deliveries = _add(
        commands,
        "deliveries",
        _late("operations", "deliveries"),
        "list what Git hosts sent, what became of it, and the page that says why",
        "pushwright deliveries --state ignored",
    )
    deliveries.add_argument(
        "--state",
        choices=("new", "done", "ignored", "malformed", "dead"),
        help="only those (default: all)",
    )
    deliveries.add_argument(
        "--limit", type=int, default=50, metavar="N", help="how many, newest first (default: 50)"
    )
    replay = _add(
        commands,
        "replay",
        _late("operations", "replay"),
        "handle a delivery again",
        "pushwright replay 72d3162e-cc78-11e3-81ab-4c9367dc0958",
    )
    replay.add_argument("delivery", metavar="DELIVERY", help="id or the start of one")
    logs = _add(
        commands,
        "logs",
        _late("operations", "logs"),
        "print a build's log",
        "pushwright logs 3f2a91",
    )
    logs.add_argument("build", metavar="BUILD", help="id or the start of one")
    logs.add_argument("--follow", action="store_true", help="until the build ends")
    cancel = _add(
        commands,
        "cancel",
        _late("operations", "cancel"),
        "stop a build",
        "pushwright cancel 3f2a91",
    )
    cancel.add_argument("build", metavar="BUILD", help="id or the start of one")


def _setup(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = _add(
        commands,
        "doctor",
        _late("doctor.command", "doctor"),
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
    hooks = _add(
        commands,
        "hooks",
        _late("hooksync", "command"),
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


if __name__ == "__main__":
    sys.exit(main())
