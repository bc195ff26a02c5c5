"""Comments become what their writers asked for: each once, in one transaction.

Who may is asked of the host at this moment, by numeric id. What cannot be done is answered where
the writer sees it; what is not for us leaves no trace but the delivery's row.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bot.core.centralconfig import RepositoryRule, Source
from bot.core.centralfile import rule_for
from bot.core.commands import PREFIX, Orders, Place
from bot.core.commands_access import Asker, allowed, at_least, changes, overtaken, timely
from bot.core.commands_parsing import Manners, read_comment
from bot.core.events import CommentCreated
from bot.core.ids import Role, SourceName
from bot.flow import Ports
from bot.obeying import Heard, Present, obeyed
from bot.ports import Forbidden, GitHost, Registry, Temporary
from bot.promoting import Promoter
from bot.records import Delivery, JournalEntry, LeasedRepository, RepositoryRow
from bot.scene import NotYet, Scene
from bot.talking import Receipt
from bot.telemetry import fields

LOG = logging.getLogger("pushwright.commanding")

LEASE = 60.0
WITHDRAWN = "the comment was deleted before it was handled"
_MINUTE = 60.0
_DECIDED_WITHIN = 300.0
"""Seconds after which what waited for a host is decided, once it answers."""
_LOOKS = 5.0
"""Seconds between two looks whether it is."""
_SHOWN_WITHIN = 10.0
"""Seconds that a host may need until its API shows a comment that its webhook told of."""


class Commander:
    """Handles deliveries that are comments."""

    def __init__(self, ports: Ports, registry: Registry) -> None:
        self._ports = ports
        self._registry = registry
        self._receipt = Receipt(ports)

    def handle(self, delivery: Delivery, event: CommentCreated, source: SourceName) -> None:
        """A comment at that source, whoever told of it."""
        wanted = wants(self._ports, source, event)
        if isinstance(wanted, str):
            self._finish(delivery, wanted)
            return
        heard = Heard(delivery, event, *wanted)
        store, clock = self._ports.store, self._ports.clock
        row = store.repository_row(source, event.repository)
        if store.obeyed(row.id, heard.spot):
            self._finish(delivery, "this comment was handled before", "done")
            return
        if self._put_off(heard, row):
            return
        if heard.takes_reactions:
            self._receipt.show(heard)
        leased = store.lease_repository(row.id, clock.now(), LEASE)
        if leased is None:
            text = "its repository is busy"
            store.delay_delivery(delivery, clock.now() + 0.2, text, counted=False)
            return
        try:
            self._obey(heard, leased)
        except NotYet as wait:
            store.delay_delivery(delivery, clock.now() + 1.0, str(wait), counted=False)
        except (Temporary, Forbidden):
            store.delivery_of(delivery, row.id)  # approvals in others need not wait for it
            raise
        finally:
            store.release_repository(leased)

    def _finish(self, delivery: Delivery, reason: str, state: str = "ignored") -> None:
        self._ports.store.finish_delivery(delivery, state, reason, self._ports.clock.now())

    def _put_off(self, heard: Heard, row: RepositoryRow) -> bool:
        """Whether it is handled later, or is not heard at all."""
        store, now, delivery = self._ports.store, self._ports.clock.now(), heard.delivery
        if heard.swept and self._may_be_told(heard, row):
            text = "deliveries before it are not decided yet: one of them may be its own"
            store.delay_delivery(delivery, now + _LOOKS, text, counted=False)
            return True
        over = self._over_the_rate(heard)
        if over is None:
            return False
        if heard.swept:
            # They are found together, whenever they were written.
            store.delay_delivery(delivery, now + _MINUTE, over, counted=False)
        else:
            store.pass_over(row, heard.spot, delivery, over, now)
        return True

    def _may_be_told(self, heard: Heard, row: RepositoryRow) -> bool:
        """Whether the webhook of a comment that the sweep found may be here and wait for its host.
        What that comes to says more."""
        found = heard.delivery.received_at
        if self._ports.clock.now() - found > _DECIDED_WITHIN:
            return False
        return self._ports.store.undecided_before(heard.source.name, found, row.id)

    def _over_the_rate(self, heard: Heard) -> str | None:
        """Asked before anything is read for a stranger."""
        most = self._ports.central().commands.per_minute
        person, since = heard.event.author, self._ports.clock.now() - _MINUTE
        count = self._ports.store.obeyed_since(heard.source.name, person.id or 0, since)
        if count < most:
            return None
        return f"{person.login} gave commands in {count} comments within a minute; at most {most}"

    # -- what becomes of it ------------------------------------------------------------------

    def _obey(self, heard: Heard, leased: LeasedRepository) -> None:
        host = self._ports.hosts.get(heard.source.name)
        present = self._present(heard, host)
        if present is None:
            self._finish(heard.delivery, f"request {heard.event.number} does not exist")
            return
        orders = timely(heard.orders, self._age(heard))
        if heard.swept and self._ports.store.overtaken(leased.row.id, heard.spot):
            orders = overtaken(orders)
        orders = allowed(orders, present.asker, *self._tables(heard))
        if self._withdrawn(heard, host, orders):
            self._forget(heard, leased, orders)
            return
        promoter = Promoter(self._ports, self._registry, host)
        scene = Scene(self._ports, heard, leased, host, present, promoter)
        done = [scene.act(command) for command in orders.commands]
        now = self._ports.clock.now()
        told = obeyed(heard, present, done, orders.refused, now)
        if self._ports.store.obey(leased, told, heard.delivery, now):
            LOG.info("%s", told.note, extra=_about(heard.delivery))

    def _present(self, heard: Heard, host: GitHost) -> Present | None:
        """Who asks, and the request as it is now; None where there is no such request."""
        event = heard.event
        request = None
        if event.number is not None:
            request = host.request(event.repository, event.number)
            if request is None:
                return None
        role = host.role(event.repository, event.author.id, event.author.login)
        if not event.repository.private:
            role = at_least(role, Role.READ)
        if request is None:
            return Present(Asker(role, start=heard.source.start), None)
        author = request[0].author.id == event.author.id
        fork = request[0].from_fork(event.repository)
        return Present(Asker(role, author, fork, heard.source.start), request)

    def _withdrawn(self, heard: Heard, host: GitHost, orders: Orders) -> bool:
        """Whether the comment would change something and was deleted meanwhile. A host may need a
        moment until it shows what it told. Raises NotYet."""
        if not any(changes(one.name) for one in orders.commands):
            return False
        try:
            there = host.has_comment(heard.event.repository, heard.spot)
        except Forbidden:
            return False  # a token that may not read comments: what we were told has to do
        if not there and self._ports.clock.now() - heard.delivery.received_at < _SHOWN_WITHIN:
            raise NotYet("the host does not show the comment")
        return not there

    def _forget(self, heard: Heard, leased: LeasedRepository, orders: Orders) -> None:
        event, now = heard.event, self._ports.clock.now()
        said = "; ".join(command.text for command in orders.commands)
        text = f"@{event.author.login} on {heard.where}: not done, {WITHDRAWN}: {said}"
        data = {"person": event.author.id, "comment": event.comment_id}
        entry = JournalEntry(now, "command", text, leased.row.id, data=data)
        self._ports.store.journal(entry)
        self._finish(heard.delivery, WITHDRAWN)

    def _age(self, heard: Heard) -> float:
        """Seconds since the comment was made, or since we were told of it: two clocks may differ,
        and either may be the later."""
        told, made = heard.delivery.received_at, heard.event.created_at
        return self._ports.clock.now() - (told if made is None else min(told, made))

    def _tables(self, heard: Heard) -> tuple[Mapping[str, Role], ...]:
        return self._ports.central().commands.roles, heard.rule.commands


def wants(  # noqa: PLR0911 - one line for each reason
    ports: Ports, source_name: SourceName, event: CommentCreated
) -> tuple[Orders, Source, RepositoryRule] | str:
    """What a comment asks for, by which source and rule it is heard; or why it is nothing to us."""
    central = ports.central()
    source = central.sources.get(source_name)
    if source is None:
        return f"the source {source_name} is not in the central config any more"
    manners = Manners(source.bare_commands, _names(source))
    place = Place.COMMIT if event.number is None else Place.REQUEST
    orders = read_comment(event.body, place, manners)
    if not orders:
        return "a comment without a command"
    rule = rule_for(central, source.name, event.repository.path)
    if rule is None:
        return f"{event.repository.path} matches no repository of the central config"
    if event.author.id is None:
        return "the comment's author is gone"
    if event.author.bot and event.author.login not in central.commands.bots:
        return f"{event.author.login} is a bot, and not one that is obeyed"
    if ports.hosts.get(source.name).is_own(event.repository, event.author):
        return "our own comment"
    return orders, source, rule


def _names(source: Source) -> frozenset[str]:
    """Whom a mention has to name."""
    own = {PREFIX}
    if source.bot_login:
        own.add(source.bot_login.lower().removesuffix("[bot]"))
    return frozenset(own)


def _about(delivery: Delivery) -> Mapping[str, object]:
    return fields(delivery=delivery.delivery, source=delivery.source)
