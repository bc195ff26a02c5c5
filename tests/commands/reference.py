"""Writes what `docs/commands.md`, `docs/settings.md` and the pages for
contributors, maintainers and administrators say of arguments,
settings and commands in comments:
`python -m tests.commands.reference`. The prose around it is written by hand."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from bot.cli import make_parser
from bot.core import hostneeds
from bot.core.commands import MAINTAIN_FOR_REQUIRED, TABLE
from bot.core.ids import Role
from bot.settings import SETTINGS

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = r"(<!-- generated: {name} -->\n).*?(<!-- end -->)"


def commands() -> Mapping[str, argparse.ArgumentParser]:
    """The parser of each command, in the order of `pushwright --help`."""
    for action in make_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return action.choices
    raise AssertionError("the parser has no commands")


def example(parser: argparse.ArgumentParser) -> str:
    assert parser.epilog is not None
    return parser.epilog.removeprefix("example: ")


def blocks() -> Iterator[tuple[Path, str, str]]:
    """Page, name and text of everything that is generated."""
    for name, parser in commands().items():
        yield DOCS / "commands.md", name, _command(parser)
    yield DOCS / "settings.md", "settings", _settings()
    yield DOCS / "git-hosts.md", "permissions", _permissions()
    yield DOCS / "git-hosts.md", "scopes", _scopes()
    yield DOCS / "git-hosts.md", "events", _events()
    yield DOCS / "contributors.md", "table", _table()
    yield DOCS / "maintainers.md", "roles", _roles()
    yield DOCS / "administrators.md", "floors", _floors()


def _command(parser: argparse.ArgumentParser) -> str:
    shown = [f"{parser.description}\n", f"```sh\n{example(parser)}\n```\n"]
    rows = [
        f"| {_written(action)} | {_meaning(action)} |\n"
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction)
    ]
    if rows:
        shown.append("| argument | meaning |\n|---|---|\n" + "".join(rows))
    return "\n".join(shown)


def _written(action: argparse.Action) -> str:
    if not action.option_strings:
        many = " …" if action.nargs == "*" else ""
        return f"`{action.metavar}`{many}"
    value = action.metavar or ("|".join(action.choices) if action.choices else "")
    return f"`{action.option_strings[0]}{f' {value}' if value else ''}`".replace("|", "\\|")


def _meaning(action: argparse.Action) -> str:
    text = (action.help or "").replace("%(default)s", str(action.default))
    return f"{text} (required)" if action.option_strings and action.required else text


AUTHOR = {"no": "", "any": ", author", "own": ", author (not of a fork)"}


def _table() -> str:
    """The commands of comments with who may."""
    rows = []
    for spec in TABLE:
        also = "".join(f", `/{alias}`" for alias in spec.aliases)
        who = f"{spec.role}{AUTHOR[spec.author]}".replace("none", "anybody")
        where = "requests and commits" if len(spec.places) == 2 else "requests"
        usage = spec.usage.replace("|", "\\|")
        rows.append(f"| `{usage}`{also} | {spec.help} | {who} | {where} |\n")
    return "| command | | who | on |\n|---|---|---|---|\n" + "".join(rows)


def _roles() -> str:
    """What each role may beyond those above it."""
    rows = []
    for name, wanted in (("anybody", Role.NONE), *((str(role), role) for role in list(Role)[1:])):
        mine = [f"`/{spec.name}`" for spec in TABLE if spec.role == wanted]
        if wanted is MAINTAIN_FOR_REQUIRED:
            mine.append("`/skip` of an image that is `required`")
        if mine:
            rows.append(f"| {name} | {', '.join(mine)} |\n")
        if wanted is Role.READ:
            own = [
                f"`/{s.name}`{AUTHOR[s.author].removeprefix(', author')}"
                for s in TABLE
                if s.author != "no"
            ]
            rows.append(f"| author | {', '.join(own)} |\n")
    return "| role | may |\n|---|---|\n" + "".join(rows)


def _floors() -> str:
    """How far an administrator's table can go down."""
    rows = [
        f"| `{spec.name}` | {spec.role}{AUTHOR[spec.author]} | {spec.floor} |\n" for spec in TABLE
    ]
    return "| command | who, unless set | least that can be set |\n|---|---|---|\n" + "".join(rows)


def _settings() -> str:
    rows = [f"| `{one.name}` | {one.default} | {one.meaning} |\n" for one in SETTINGS]
    return "| variable | default | meaning |\n|---|---|---|\n" + "".join(rows)


def _permissions() -> str:
    either = {"statuses": ", where `reports: statuses`", "checks": ", where `reports: checks`"}
    kinds = (hostneeds.github_permissions(checks=checks) for checks in (False, True))
    known = dict.fromkeys(one for kind in kinds for one in kind)
    rows = [
        f"| {one.title} | {one.access} | {one.use}{either.get(one.key, '')} |\n" for one in known
    ]
    return "| Permission | Access | Used for |\n|---|---|---|\n" + "".join(rows)


def _scopes() -> str:
    """Of a Gitea token."""
    rows = [f"| `{one.access}:{one.key}` | {one.use} |\n" for one in hostneeds.GITEA_SCOPES]
    return "| Scope | Used for |\n|---|---|\n" + "".join(rows)


def _events() -> str:
    rows = []
    for name, events in (
        ("GitHub", hostneeds.GITHUB_EVENTS),
        ("GitHub Apps, besides", hostneeds.GITHUB_APP_EVENTS[len(hostneeds.GITHUB_EVENTS) :]),
        ("GitLab", hostneeds.GITLAB_EVENTS),
        ("Gitea", hostneeds.GITEA_EVENTS),
    ):
        rows += [
            f"| {name} | {one.title} | {'yes' if one.needed else 'no'} | {one.use} |\n"
            for one in events
        ]
    return "| Host | Event | Needed | For |\n|---|---|---|---|\n" + "".join(rows)


def pages() -> Iterator[tuple[Path, str]]:
    """Each page with its generated parts as they have to be."""
    texts = {page: page.read_text("utf-8") for page in dict.fromkeys(one for one, _, _ in blocks())}
    for page, name, text in blocks():
        pattern = re.compile(_BLOCK.format(name=re.escape(name)), re.DOTALL)
        found = pattern.search(texts[page])
        if found is None:
            raise ValueError(f"{page.name} has no place for {name}")
        whole = texts[page]
        texts[page] = f"{whole[: found.end(1)]}{text}{whole[found.start(2) :]}"
    yield from texts.items()


def main() -> None:
    for page, text in pages():
        page.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
