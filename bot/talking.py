"""What the bot says to people: that a comment was read, at once; what came of it, by a reaction;
then comments. Serial per comment, paced per credential, written again until the host took them or
says that it never will.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping

from bot.core.conversation import Reaction
from bot.core.ids import SourceName
from bot.flow import Ports
from bot.obeying import Heard
from bot.ports import Forbidden, GitHost, NotFound, Permanent, Temporary
from bot.records import LeaseLost, RepositoryRow
from bot.records_talk import WantedReaction, WantedReply
from bot.telemetry import fields

LOG = logging.getLogger("pushwright.talking")

LEASE = 30.0
_LIMITED = 5.0
"""Seconds: a host that wants to be left alone for so long means all that we ask of it."""
_LONGEST = 120.0
"""Seconds between two tries."""
_TRIES = 64
"""Of a reaction: some two hours, as long as a command counts; nobody waits for it any longer."""
_REMEMBERED = 1000


class Receipt:
    """Shows that a comment was read, before anything of it is decided. Only where the credential
    may write at this moment, and never again: what came of it is the word that is not lost."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._shown: OrderedDict[int, None] = OrderedDict()
        """Deliveries that are done with, the newest last."""

    def show(self, heard: Heard) -> None:
        if heard.delivery.id in self._shown:
            return
        self._shown[heard.delivery.id] = None
        while len(self._shown) > _REMEMBERED:
            self._shown.popitem(last=False)
        source, gap = heard.source.name, self._ports.central().pace_seconds
        store, now = self._ports.store, self._ports.clock.now()
        if (gap > 0 and store.talk_due(source, now)) or store.reserve_pace(source, now, gap) > 0:
            return
        try:
            repository = heard.event.repository
            self._ports.hosts.get(source).react(repository, heard.spot, Reaction.RECEIVED)
        except Temporary as error:
            if error.after is not None and error.after >= _LIMITED:
                store.hold_pace(source, now + error.after)
        except Permanent as error:
            LOG.info("no receipt: %s", error, extra=fields(repository=heard.event.repository.path))


class Talker:
    """Writes one reaction or, where none is due, one comment a step."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._free: dict[SourceName, float] = {}
        """When a credential may write again: until then nothing of its source is taken up."""

    def step(self) -> bool:
        store, now = self._ports.store, self._ports.clock.now()
        self._free = {source: at for source, at in self._free.items() if now < at < now + 86400}
        try:
            for reaction in store.due_reactions(now, LEASE, 1, self._free.keys()):
                return self._react(reaction)
            for reply in store.due_replies(now, LEASE, 1, self._free.keys()):
                return self._answer(reply)
        except LeaseLost:
            return True
        return False

    def _host(self, owner: RepositoryRow) -> GitHost:
        return self._ports.hosts.get(owner.source)

    def _wait(self, owner: RepositoryRow) -> float:
        """Seconds until the credential may write; 0: the slot is taken."""
        gap, now = self._ports.central().pace_seconds, self._ports.clock.now()
        wait = self._ports.store.reserve_pace(owner.source, now, gap)
        if wait > 0:
            self._free[owner.source] = now + wait
        return wait

    def _later(self, owner: RepositoryRow, error: Temporary, tries: int) -> float:
        """When to try again. A rate limit is the credential's: everything else waits as well."""
        after = error.after or min(_LONGEST, 2.0 ** min(tries, 9))
        until = self._ports.clock.now() + after
        if error.after is not None and error.after >= _LIMITED:
            self._ports.store.hold_pace(owner.source, until)
        return until

    # -- reactions ---------------------------------------------------------------------------

    def _react(self, wanted: WantedReaction) -> bool:
        owner, store = wanted.repository, self._ports.store
        wait = self._wait(owner)
        if wait > 0:
            store.reaction_delayed(wanted, self._ports.clock.now() + wait, "")
            return True
        try:
            host = self._host(owner)
            taken = host.react(owner.repository, wanted.spot, wanted.reaction)
        except Temporary as error:
            if wanted.tries >= _TRIES:
                store.reaction_done(wanted, str(error))
            else:
                store.reaction_delayed(wanted, self._later(owner, error, wanted.tries), str(error))
        except (NotFound, Forbidden, Permanent) as error:
            LOG.warning("no reaction: %s", error, extra=_about(owner))
            store.reaction_done(wanted, str(error))
        else:
            store.reaction_done(wanted, "" if taken else "the conversation takes no reaction")
        return True

    # -- comments ----------------------------------------------------------------------------

    def _answer(self, wanted: WantedReply) -> bool:
        owner, store = wanted.repository, self._ports.store
        wait = self._wait(owner)
        if wait > 0:
            store.reply_delayed(wanted, self._ports.clock.now() + wait, "")
            return True
        try:
            remote = self._write(wanted)
        except Temporary as error:
            store.reply_delayed(wanted, self._later(owner, error, wanted.tries), str(error))
        except Forbidden as error:
            # An administrator can mend it: asked again, seldom.
            store.reply_delayed(wanted, self._ports.clock.now() + 300.0, str(error))
            LOG.warning("a reply is not allowed: %s", error, extra=_about(owner))
        except Permanent as error:
            LOG.warning("no reply: %s", error, extra=_about(owner))
            store.reply_done(wanted, None, gone=True, error=str(error))
        else:
            gone = remote is None and wanted.reply.number is not None
            store.reply_done(wanted, remote, gone=gone)
        return True

    def _write(self, wanted: WantedReply) -> int | None:
        """The comment's id at the host; None: it stays away, or is on a commit."""
        reply, repository = wanted.reply, wanted.repository.repository
        host = self._host(wanted.repository)
        if reply.number is not None:
            return host.upsert_comment(
                repository, reply.number, reply.marker, reply.body, wanted.remote_id
            )
        if reply.sha is not None:
            host.comment_on_commit(repository, reply.sha, reply.marker, reply.body)
        return None


def _about(owner: RepositoryRow) -> Mapping[str, object]:
    return fields(repository=owner.repository.path)
