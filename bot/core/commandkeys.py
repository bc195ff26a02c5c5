"""The keys of the central config that say who may command, and what they come to."""

from __future__ import annotations

from bot.core import centraltext
from bot.core.centralconfig import CommandPolicy
from bot.core.commands import BY_NAME, TABLE
from bot.core.fieldtext import Problem
from bot.core.forms import Choice, Fields, Flag, Key, Listing, Named, Record, Text, Whole
from bot.core.ids import Role
from bot.core.mistakes import nearest, show


def command_name(text: str) -> str | Problem:
    """An alias is as good as its command."""
    spec = BY_NAME.get(text.removeprefix("/"))
    if spec is None:
        return Problem(f"there is no command {show(text)}", nearest(text, BY_NAME))
    return spec.name


_ROLE: Choice[str] = Choice(
    tuple(map(str, Role)),
    renamed={"owner": "admin", "owners": "admin"},
    otherwise="teams, owners and lists of people are the Git host's to keep: give them the role "
    "there, and name the role here",
)
_BY_COMMAND = Named(Text("command", command_name), _ROLE, most=2 * len(TABLE))

ROLES = Key(
    "roles",
    _BY_COMMAND,
    "The role that a command needs. None goes below what steers builds: write.",
    "[as listed](administrators.md#who-may-command)",
)
BOTS = Key(
    "bots",
    Listing(Text("login", centraltext.login), alone=True, most=100),
    "Logins of bots whose comments are obeyed. Ours never are. Who is a bot only GitHub says; on "
    "GitLab it is known of project and group tokens' users, on Gitea of nobody.",
    "none",
)
PER_MINUTE = Key(
    "per-minute", Whole(1, 1000), "Comments with commands of one person in a minute.", "`10`"
)
COMMANDS = Record("commands", (ROLES, BOTS, PER_MINUTE))

COMMANDS_KEY = Key("commands", COMMANDS, "Who may command in comments.", "see there")
BARE = Key(
    "bare-commands",
    Flag(),
    "Whether `/build` alone is ours; `/pushwright build` and `@bot build` always are.",
    "`true`",
)
RULE_ROLES = Key(
    "commands",
    _BY_COMMAND,
    "Roles that commands need in these repositories; they only raise what holds for all.",
    "none",
)


def command_policy(fields: Fields | None) -> CommandPolicy:
    usual = CommandPolicy()
    if fields is None:
        return usual
    return CommandPolicy(
        roles=roles(fields.get(ROLES)),
        bots=fields.get(BOTS) or (),
        per_minute=fields.get(PER_MINUTE) or usual.per_minute,
    )


def roles(found: dict[str, str] | None) -> dict[str, Role]:
    return {name: Role(role) for name, role in (found or {}).items()}
