"""Who may give which command: by the role that the host's permission API tells, by being the
author of the request, and by the administrator's table; and until when it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bot.core import reports_commands as said
from bot.core.commands import BY_NAME, TABLE, Command, Orders, Refusal, Spec
from bot.core.ids import Role

ORDER: Final = tuple(Role)
"""Lowest first, as `Role` lists them."""
LATEST: Final = 2 * 3600.0
"""Seconds after which a command that changes something is not acted on any more: an outage of an
hour is made good, and nobody's `/cancel` of yesterday stops what was started since."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody who comments. `author`: of the request that the comment stands on; `fork`: that
    request comes from a fork; `start`: what commands begin with there."""

    role: Role
    author: bool = False
    fork: bool = False
    start: str = "/"


def needed(spec: Spec, *tables: Mapping[str, Role]) -> Role:
    """The role that a command needs: the first table's where it names the command, else the usual
    one; further tables (a repository rule's) only raise it. None goes below the floor."""
    first, *others = tables or ({},)
    need = at_least(first.get(spec.name, spec.role), spec.floor)
    for table in others:
        need = at_least(table.get(spec.name, need), need)
    return need


def at_least(one: Role, other: Role) -> Role:
    return max(one, other, key=ORDER.index)


def why_not(spec: Spec, asker: Asker, need: Role) -> str | None:
    """Why the asker may not give this command; None: they may. Being the author counts as long as
    no table asks for more than write."""
    counts = spec.author == "any" or (spec.author == "own" and not asker.fork)
    author = counts and ORDER.index(need) <= ORDER.index(Role.WRITE)
    if ORDER.index(asker.role) >= ORDER.index(need) or (author and asker.author):
        return None
    return said.role_needed(spec, need, asker.role, asker.start, author=author)


def usable(asker: Asker, *tables: Mapping[str, Role]) -> tuple[Spec, ...]:
    """The rows of the command table that the asker may use, for the help."""
    return tuple(spec for spec in TABLE if why_not(spec, asker, needed(spec, *tables)) is None)


def allowed(orders: Orders, asker: Asker, *tables: Mapping[str, Role]) -> Orders:
    """The same orders; commands that the asker may not give are refusals."""
    commands: list[Command] = []
    refused = list(orders.refused)
    for command in orders.commands:
        spec = BY_NAME[command.name]
        why = why_not(spec, asker, needed(spec, *tables))
        if why is None:
            commands.append(command)
        else:
            refused.append(Refusal(command.text, why, command.name))
    return Orders(tuple(commands), tuple(refused))


def timely(orders: Orders, age: float) -> Orders:
    """The same orders; commands that change something are refusals where the comment is `age`
    seconds old and that is too much. What only asks is answered at any age."""
    return orders if age <= LATEST else _kept_back(orders, said.too_old(LATEST))


def overtaken(orders: Orders) -> Orders:
    """The same orders of a comment that was found so late that one after it had been handled: what
    was said later holds. Commands that change something are refusals."""
    return _kept_back(orders, said.OVERTAKEN)


def _kept_back(orders: Orders, why: str) -> Orders:
    late = [one for one in orders.commands if changes(one.name)]
    refused = [Refusal(one.text, why, one.name) for one in late]
    kept = tuple(one for one in orders.commands if not changes(one.name))
    return Orders(kept, (*orders.refused, *refused))


def changes(name: str) -> bool:
    """Whether a command of that name may change something."""
    return BY_NAME[name].floor is Role.WRITE
