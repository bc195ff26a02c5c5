"""Deliveries become plans: one at a time per repository, each in one transaction.

Whatever happens, a delivery stays in the inbox until it was decided: a host that is down only
delays it, a bug quarantines it (`dead`) for `pushwright replay`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping

from bot.commanding import Commander
from bot.core.centralconfig import CentralConfig
from bot.core.centralfile import rule_for
from bot.core.events import (
    BranchDeleted,
    BranchPushed,
    CommentCreated,
    Event,
    Ignored,
    InstallationChanged,
    Malformed,
    MergeGroupDestroyed,
    MergeGroupRequested,
    Parsed,
    Pinged,
    Released,
    Repository,
    RequestChanged,
    RequestClosed,
    RerunRequested,
    TagDeleted,
    TagPushed,
)
from bot.core.explain import explain_all
from bot.core.facts import PlannedEvent
from bot.core.hints import COMMENT, INTERNAL, Found, Hint, read, read_found
from bot.core.ids import HostKind, ImageKey, RepositoryId, Sha, SourceName
from bot.core.naming import CONTEXT_LENGTH
from bot.core.planning import plan
from bot.core.plans import lasting_key
from bot.flow import Ports, incoming
from bot.hinted import NothingToRead, event_of
from bot.ports import Forbidden, GitHost, NotFound, Permanent, Registry, Temporary
from bot.reading import Reader, Subject
from bot.records import (
    Decided,
    Delivery,
    JournalEntry,
    LeasedRepository,
    LeaseLost,
    StaleFacts,
)
from bot.telemetry import fields

LOG = logging.getLogger("pushwright.intake")

LEASE = 60.0
"""Seconds that a delivery and its repository are ours; host reads must end within."""

_ASKED_AGAIN = 120.0
"""Seconds: the longest pause before a host that does not answer is asked again. What waited for it
is then done within five minutes of its return, with time for what follows."""
_MENDED_WITHIN = 86400.0
"""Seconds in which a credential that may not read something is waited for."""
_TRIES = 5
"""Failures of our own after which a delivery is put aside."""

Codec = Callable[[str, bytes, str], Parsed]


class Intake:
    """Handles deliveries, one a step. Several may run side by side."""

    def __init__(self, ports: Ports, codecs: Mapping[HostKind, Codec], registry: Registry) -> None:
        self._ports = ports
        self._codecs = codecs
        self._commander = Commander(ports, registry)

    def step(self) -> bool:
        """Handle one due delivery; False: there was none."""
        now = self._ports.clock.now()
        delivery = self._ports.store.claim_delivery(now, LEASE)
        if delivery is None:
            return False
        try:
            self._handle(delivery)
        except LeaseLost:
            LOG.warning("lost the lease of a delivery", extra=_about(delivery))
        except Temporary as error:
            self._later(delivery, str(error), error.after)
        except Forbidden as error:
            self._forbidden(delivery, error)
        except Permanent as error:
            self._finish(delivery, "dead", f"the host refused: {error}")
        except Exception as error:
            LOG.exception("a delivery could not be handled", extra=_about(delivery))
            self._failed(delivery, error)
        return True

    def _handle(self, delivery: Delivery) -> None:
        parsed = self._parse(delivery)
        match parsed:
            case Ignored(reason):
                self._finish(delivery, "ignored", reason)
            case Malformed(reason, where):
                self._finish(delivery, "malformed", f"{where}: {reason}" if where else reason)
            case Hint():
                self._hinted(delivery, parsed)
            case Found():
                self._found(delivery, parsed)
            case _:
                self._event(delivery, parsed)

    def _parse(self, delivery: Delivery) -> Parsed | Hint | Found:
        if delivery.body is None:
            return Ignored("the body was removed by its retention; nothing to read")
        if delivery.source in INTERNAL:
            reading = read_found if delivery.event == COMMENT else read
            return reading(delivery.body)
        source = self._ports.central().sources.get(delivery.source)
        if source is None:
            return Ignored(f"the source {delivery.source} is not in the central config any more")
        return self._codecs[source.kind](delivery.event, delivery.body, delivery.content_type)

    def _event(self, delivery: Delivery, event: Event) -> None:
        match event:
            case Pinged(hook_id, events):
                text = f"hook {hook_id} sends: {', '.join(events) or 'nothing'}"
                self._finish(delivery, "done", text)
            case InstallationChanged():
                self._finish(delivery, "done", f"installation {event.action} by {event.account}")
            case CommentCreated():
                self._commander.handle(delivery, event, delivery.source)
            case Released():
                self._finish(delivery, "ignored", "a release is built by the push of its tag")
            case RerunRequested():
                self._rerun(delivery, event)
            case (
                BranchPushed()
                | BranchDeleted()
                | TagPushed()
                | TagDeleted()
                | RequestChanged()
                | RequestClosed()
                | MergeGroupRequested()
                | MergeGroupDestroyed()
            ):
                self._planned(delivery, delivery.source, event.repository, lambda: event)

    def _hinted(self, delivery: Delivery, hint: Hint) -> None:
        host = self._ports.hosts.get(hint.source)
        repository = self._named(delivery, host, hint.repository)
        if repository is None:
            return
        self._planned(
            delivery,
            hint.source,
            repository,
            lambda: event_of(host, hint, repository),
            hint,
        )

    def _found(self, delivery: Delivery, found: Found) -> None:
        """What a webhook would have told, so that it goes the same way."""
        host = self._ports.hosts.get(found.source)
        repository = self._named(delivery, host, found.repository)
        if repository is not None:
            self._commander.handle(delivery, found.event(repository), found.source)

    def _named(
        self, delivery: Delivery, host: GitHost, named: RepositoryId | str
    ) -> Repository | None:
        """As it is now; None: it is gone, and the delivery with it."""
        try:
            return host.repository(named)
        except NotFound as error:
            self._finish(delivery, "ignored", f"the repository is gone: {error}")
            return None

    def _planned(
        self,
        delivery: Delivery,
        source: SourceName,
        repository: Repository,
        told: Callable[[], PlannedEvent],
        hint: Hint | None = None,
    ) -> None:
        central, store = self._ports.central(), self._ports.store
        rule = rule_for(central, source, repository.path)
        if rule is None:
            reason = f"{repository.path} matches no repository of the central config"
            self._finish(delivery, "ignored", reason)
            return
        row = store.repository_row(source, repository)
        leased = store.lease_repository(row.id, self._ports.clock.now(), LEASE)
        if leased is None:
            store.delay_delivery(
                delivery, self._ports.clock.now() + 0.2, "its repository is busy", counted=False
            )
            return
        try:
            reader = self._reader(self._ports.hosts.get(source), central)
            event = told()
            subject = Subject(
                event,
                leased.row,
                store.repository_state(row.id),
                rule,
                delivery.received_at,
                hint,
            )
            self._decide(delivery, leased, reader, subject, again=bool(hint and hint.again))
        except NothingToRead as nothing:
            self._finish(delivery, "ignored", str(nothing))
        except (Temporary, Forbidden):
            store.delivery_of(delivery, row.id)  # approvals of others need not wait for it
            raise
        finally:
            store.release_repository(leased)

    def _decide(
        self,
        delivery: Delivery,
        leased: LeasedRepository,
        reader: Reader,
        subject: Subject,
        *,
        again: bool,
    ) -> None:
        facts = reader.facts(subject)
        decided = plan(facts)
        explained = json.dumps(explain_all(decided, facts))
        try:
            applied = self._ports.store.apply_plan(
                leased,
                subject.state.version,
                Decided(decided, explained, again, _named(subject)),
                delivery,
                self._ports.clock.now(),
            )
        except StaleFacts:
            # Somebody recorded refs meanwhile: the same delivery is planned again at once.
            self._ports.store.delay_delivery(
                delivery, self._ports.clock.now(), "refs moved meanwhile", counted=False
            )
            return
        builds = ", ".join(f"{image} {how}" for image, _, how in applied.builds)
        LOG.info("%s: %s", decided.note, builds or "no build", extra=_about(delivery))

    def _reader(self, host: GitHost, central: CentralConfig) -> Reader:
        return Reader(host, self._ports.store, central, self._ports.executor, self._ports.clock)

    def _rerun(self, delivery: Delivery, event: RerunRequested) -> None:
        """Re-run on the host's page: every live claim of the commit is asked for again."""
        central, store = self._ports.central(), self._ports.store
        if rule_for(central, delivery.source, event.repository.path) is None:
            self._finish(delivery, "ignored", f"{event.repository.path} is not configured")
            return
        if event.check is not None and event.check.partition("/")[0].split(" ")[0] != "pushwright":
            self._finish(delivery, "ignored", f"{event.check} is no check of ours")
            return
        row = store.repository_row(delivery.source, event.repository)
        state = store.repository_state(row.id)
        found = [lasting_key(c.kind, c.name) for c in state.claims if c.sha == event.sha]
        # A hint means what a ref shows now: a commit that a newer head followed is not built again.
        keys = [k for k in found if k in state.refs and state.refs[k].sha == event.sha]
        image = _image_of(event.check)
        hints = [
            Hint(
                delivery.source,
                event.repository.id,
                key,
                (image,) if image else (),
                again=True,
                by=event.sender.login,
            )
            for key in dict.fromkeys(keys)
        ]
        now = self._ports.clock.now()
        store.put_deliveries([incoming(h, f"{delivery.delivery}:{h.key}", now) for h in hints])
        asked = keys or [f"nothing: no ref shows {event.sha[:12]} any more"]
        self._finish(delivery, "done", f"asked again for {', '.join(asked)}")

    def _finish(self, delivery: Delivery, state: str, reason: str) -> None:
        self._ports.store.finish_delivery(delivery, state, reason, self._ports.clock.now())
        LOG.info("%s: %s", state, reason, extra=_about(delivery))

    def _later(self, delivery: Delivery, reason: str, after: float | None) -> None:
        age = self._ports.clock.now() - delivery.received_at
        # Nothing is given up while a host is down.
        pause = after if after is not None else min(_ASKED_AGAIN, max(1.0, age / 4))
        until = self._ports.clock.now() + pause
        self._ports.store.delay_delivery(delivery, until, reason, counted=False)
        LOG.warning("later: %s", reason, extra=_about(delivery))

    def _forbidden(self, delivery: Delivery, error: Forbidden) -> None:
        """An administrator can mend it, and what a comment asked for no sweep finds again."""
        age = self._ports.clock.now() - delivery.received_at
        if age < _MENDED_WITHIN:
            self._later(delivery, str(error), min(3600.0, max(60.0, age / 2)))
        else:
            self._finish(delivery, "dead", f"the host refused for a day: {error}")

    def _failed(self, delivery: Delivery, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        now = self._ports.clock.now()
        if delivery.tries + 1 >= _TRIES:
            self._finish(delivery, "dead", f"put aside after {_TRIES} tries: {text}")
            self._ports.store.journal(JournalEntry(now, "delivery-dead", text))
            return
        until = now + 2.0**delivery.tries
        self._ports.store.delay_delivery(delivery, until, text, counted=True)


def _image_of(check: str | None) -> ImageKey | None:
    """The image whose check that is; None for the aggregate, a whole suite, and a name that was
    cut: then all that did not succeed is built again."""
    name = (check or "").removesuffix(" (tag)").removeprefix("pushwright/")
    if check is None or name == "pushwright" or len(check) >= CONTEXT_LENGTH:
        return None
    return ImageKey(name)


def _named(subject: Subject) -> tuple[str, Sha] | None:
    """The request and the commit that the delivery itself named as its head."""
    event = subject.event
    if not isinstance(event, RequestChanged):
        return None
    return str(event.request.number), event.request.head_sha


def _about(delivery: Delivery) -> Mapping[str, object]:
    return fields(delivery=delivery.delivery, source=delivery.source)
