"""One comment while it is decided: what store and host say of the ref or request it is about, and
what each of its commands comes to."""

from __future__ import annotations

import json
from dataclasses import replace

from bot.commitrefs import CommitRefs
from bot.core import reports_answers as answers
from bot.core import reports_commands as said
from bot.core.commands import BY_NAME, Command
from bot.core.commands_access import needed, usable, why_not
from bot.core.ids import Sha
from bot.core.logtext import log_texts
from bot.core.orders import (
    Act,
    Answer,
    Approve,
    Promote,
    Refuse,
    Revoke,
    ShowLog,
    Situation,
    decide,
)
from bot.core.plans import ClaimKind, claim_key
from bot.core.rulings import read_rulings
from bot.flow import Ports
from bot.obeying import Done, Heard, Present
from bot.ports import GitHost
from bot.promoting import Promoter
from bot.records import LeasedRepository

_UNDECIDED = 30.0
"""Seconds that a bare approval waits for deliveries that came before it."""


class NotYet(Exception):
    """Deliveries that came before this one have to be decided first."""


class Scene:
    """Lives as long as one comment is handled. What a command did counts for those after it."""

    def __init__(
        self,
        ports: Ports,
        heard: Heard,
        leased: LeasedRepository,
        host: GitHost,
        present: Present,
        promoter: Promoter,
    ) -> None:
        self._promoter = promoter
        self._ports = ports
        self._heard = heard
        self._leased = leased
        self._host = host
        self._present = present
        self._approved_until: float | None = None

    def act(self, command: Command) -> Done:
        """What becomes of it. Raises NotYet."""
        key = self._key(command)
        if isinstance(key, Refuse):
            return Done(command, key, self._situation(ClaimKind.BRANCH, ""), "")
        here = self._certain(command, self._situation(*claim_key(key)))
        if command.name == "why":
            here = replace(here, rules=self._rules(here))
        act = self._help(command) if command.name == "help" else decide(command, here)
        if isinstance(act, Approve):
            self._approved_until = act.approval.until
        match act:
            case Revoke():
                self._approved_until = 0.0
            case ShowLog():
                act = self._log(act)
            case Promote():
                heard, leased = self._heard, self._leased
                act = self._promoter.promote(act.command, heard, leased, self._commit)
        return Done(command, act, here, key)

    def _key(self, command: Command) -> str | Refuse:
        """The ref or request that the command is about; "" for none (`/help` on a commit)."""
        if self._present.request is not None:
            return f"request/{self._present.request[0].number}"
        row = self._leased.row
        return CommitRefs(self._host, self._ports.store, row, self._commit).key(command)

    @property
    def _commit(self) -> Sha:
        return self._present.commit(self._heard.event)

    def _situation(self, kind: ClaimKind, name: str) -> Situation:
        store, event, sha = self._ports.store, self._heard.event, self._commit
        now = self._ports.clock.now()
        here = Situation(
            kind,
            name,
            sha,
            self._present.asker,
            event.author,
            store.claims_of(self._leased.row.id, kind, name, sha),
            now,
            self._ports.central().public_url,
            created_at=event.created_at,
            swept=self._heard.swept,
            refused=self._ports.executor.refuses(trusted=False),
            internal=event.internal,
            shared=store.shared_builds(self._leased.row.id, kind, name, sha),
        )
        if self._present.request is None:
            return here
        request, is_open = self._present.request
        standing = store.standing(self._leased.row.id, request.number, sha, now)
        if self._approved_until is not None:
            standing = replace(standing, approved_until=self._approved_until)
        return replace(here, open=is_open, standing=standing, told_head=event.sha)

    def _certain(self, command: Command, here: Situation) -> Situation:
        """A bare approval waits for what came before it: a push may be among that. What can't be
        decided for long counts as one."""
        if command.name != "ok-to-test" or "sha" in command.options or not here.fork:
            return here
        if "cancel" in command.options and here.standing.approved(here.now):
            return here  # what came before could only approve it, too
        delivery = self._heard.delivery
        row_id, store = self._leased.row.id, self._ports.store
        told = delivery.received_at
        if not any(
            store.undecided_before(source, told, row_id)
            for source in {self._heard.source.name, delivery.source}
        ):
            return here
        if here.now - delivery.received_at < _UNDECIDED:
            raise NotYet("deliveries before it are not decided yet")
        return replace(here, standing=replace(here.standing, other_seen_at=here.now))

    def _rules(self, here: Situation) -> answers.Rules:
        """What was kept with the delivery that claimed the commit; nothing after its retention."""
        row_id = self._leased.row.id
        kept = self._ports.store.explained(row_id, here.kind, here.name, here.sha)
        return read_rulings(json.loads(kept).get("rules")) if kept else {}

    def _help(self, command: Command) -> Act:
        """What the asker may use here; of a named command its row, or why they may not."""
        heard, asker = self._heard, self._present.asker
        tables = (self._ports.central().commands.roles, heard.rule.commands)
        rows = [s for s in usable(asker, *tables) if heard.place in s.places]
        if "command" in command.options:
            spec = BY_NAME[str(command.options["command"])]
            if heard.place not in spec.places:
                return Refuse(said.not_here(spec, heard.place, asker.start))
            if spec not in rows:
                return Refuse(str(why_not(spec, asker, needed(spec, *tables))))
            rows = [spec]
        return Answer(answers.help_table(rows, asker.start))

    def _log(self, act: ShowLog) -> Act:
        lines = self._ports.store.tail_log(act.build, act.lines)
        texts = log_texts([line.text for line in lines])
        return Answer(answers.log(act.image, act.build, texts, self._ports.central().public_url))
