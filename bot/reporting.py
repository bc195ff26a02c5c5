"""What users see: statuses are rendered from the rows as they are, written to the host in the order
of their importance, and read back; tags are moved the same way.

A write is repeated until it took or the host says that it never will. Rows hold the latest desired
value only, so a backlog collapses and a late writer can not turn a result back for longer than a
lease: what was written is read back at once and once more a lease later.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

from bot.core.ids import HostKind
from bot.core.reports import shows
from bot.core.reports_details import with_details
from bot.core.reports_render import image_states, render
from bot.core.reports_rows import Known, Shown
from bot.evidence import EvidenceReader
from bot.flow import Ports
from bot.ports import (
    Forbidden,
    NotFound,
    Permanent,
    Registry,
    TagRefused,
    Temporary,
)
from bot.records import (
    DueReport,
    JournalEntry,
    LeaseLost,
    WantedStatus,
    WantedTag,
)
from bot.telemetry import fields

LOG = logging.getLogger("pushwright.reporting")

LEASE = 30.0
_LIMITED = 5.0
"""Seconds: a host that wants to be left alone for so long means all that we ask of it."""


class Reporter:
    """Renders the statuses of commits whose builds or claims changed, and comments on requests."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._evidence = EvidenceReader(ports.store)

    def step(self) -> bool:
        due = self._ports.store.due_reports(self._ports.clock.now(), LEASE, 50)
        for report in due:
            try:
                self._render(report)
            except LeaseLost:
                continue
        return bool(due)

    def _render(self, report: DueReport) -> None:
        now = self._ports.clock.now()
        central = self._ports.central()
        source = central.sources.get(report.repository.source)
        page = report.claims[0].page if report.claims else ""
        known = Known(
            report_url=f"{central.public_url}/reports/{page}" if page else None,
            # At GitLab a second `pending` is an error: waiting reasons stand on the page.
            repeat_pending=source is None or source.kind is not HostKind.GITLAB,
            limit=central.limits.builds,
            shown={
                context: Shown(status.state, status.description, at)
                for context, (status, at) in report.shown.items()
            },
        )
        rendered = render(report, now, central.public_url, known)
        url = central.public_url.rstrip("/")
        if source is not None and source.reports == "checks":
            rendered = with_details(report, rendered, self._evidence.of_checks(report), url)
        states = image_states(report, now, known)
        start = source.start if source is not None else "/"
        comments = self._evidence.comments(report, states, url, start)
        self._ports.store.want_reports(report, rendered, comments, now)


class StatusWriter:
    """Writes wanted statuses, one at a time per row, paced per credential."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._free_at = 0.0

    def due(self) -> float:
        """Seconds until the credential that was used last may write again: what it is to write then
        is left where it is until then, and no commit rings for it."""
        left = self._free_at - self._ports.clock.now()
        return left if left > 0 else math.inf

    def step(self) -> bool:
        gap, now = self._ports.central().pace_seconds, self._ports.clock.now()
        # One by one: what the host says to it (not before then) holds for the next as well.
        due = self._ports.store.due_statuses(now, LEASE, 1, gap)
        for wanted in due:
            if not wanted.checking:
                self._free_at = now + (wanted.wait or gap)
            try:
                self._write(wanted)
            except LeaseLost:
                continue
        return bool(due)

    def _write(self, wanted: WantedStatus) -> None:
        if wanted.wait > 0:
            self._later(wanted, wanted.wait, "")
            return
        try:
            if wanted.checking and not self._older_value_of_ours(wanted):
                self._ports.store.status_applied(wanted, self._ports.clock.now(), None)
                return
            host = self._ports.hosts.get(wanted.repository.source)
            taken = host.set_status(wanted.repository.repository, wanted.sha, wanted.status)
        except Temporary as error:
            after = error.after or _backoff(wanted.tries)
            if error.after is not None and error.after >= _LIMITED:
                # A rate limit is the credential's, not this status's: the others wait as well.
                until = self._ports.clock.now() + after
                self._ports.store.hold_pace(wanted.repository.source, until)
            self._later(wanted, after, str(error))
        except NotFound as error:
            self._dead(wanted, f"the commit is gone: {error}")
        except Forbidden as error:
            # An administrator can mend it: asked again, seldom.
            self._later(wanted, 300.0, str(error))
        except Permanent as error:
            self._dead(wanted, str(error))
        else:
            now = self._ports.clock.now()
            check = now + LEASE if wanted.final and not wanted.checking else None
            self._ports.store.status_applied(wanted, now, check, taken)
            LOG.info(
                "%s %s: %s",
                wanted.status.context,
                wanted.status.state,
                wanted.status.description,
                extra=_about(wanted),
            )

    def _older_value_of_ours(self, wanted: WantedStatus) -> bool:
        """Whether the host shows something that we wrote before: only that is put right. A value
        that we never wrote is somebody else's; it stays and is journalled."""
        host = self._ports.hosts.get(wanted.repository.source)
        shown = host.read_status(
            wanted.repository.repository, wanted.sha, wanted.status.context, wanted.status.fork
        )
        if shown is None:
            return True  # accepted and lost: hosts do that
        kind = self._ports.central().sources[wanted.repository.source].kind
        if shows(kind, shown, wanted.status):
            return False
        if shown.description in wanted.ours:
            return True
        self._ports.store.journal(
            JournalEntry(
                self._ports.clock.now(),
                "status-overwritten",
                f"{wanted.status.context} of {wanted.sha[:12]} was set by somebody else to "
                f"{shown.state} {shown.description!r}; left as it is",
                wanted.repository.id,
            )
        )
        return False

    def _later(self, wanted: WantedStatus, after: float, error: str) -> None:
        self._ports.store.status_delayed(wanted, self._ports.clock.now() + after, error)
        if error:
            LOG.warning("status later: %s", error, extra=_about(wanted))

    def _dead(self, wanted: WantedStatus, error: str) -> None:
        now = self._ports.clock.now()
        self._ports.store.status_delayed(wanted, now, error, dead=True)
        LOG.error("status given up: %s", error, extra=_about(wanted))


class Tagger:
    """Moves mutable tags, serially per tag, by putting the proven manifest under the name."""

    def __init__(self, ports: Ports, registry: Registry) -> None:
        self._ports = ports
        self._registry = registry

    def step(self) -> bool:
        due = self._ports.store.due_tags(self._ports.clock.now(), LEASE, 8)
        for wanted in due:
            try:
                self._write(wanted)
            except LeaseLost:
                continue
        return bool(due)

    def _write(self, wanted: WantedTag) -> None:
        store, clock = self._ports.store, self._ports.clock
        try:
            if wanted.checking and not self._ours_to_mend(wanted):
                store.tag_applied(wanted, clock.now(), None)
                return
            if wanted.name == wanted.from_name:
                self._registry.move(wanted.name, wanted.tag, wanted.digest)
            else:
                self._registry.copy(wanted.from_name, wanted.digest, wanted.name, wanted.tag)
        except Temporary as error:
            until = clock.now() + (error.after or _backoff(wanted.tries))
            store.tag_delayed(wanted, until, str(error))
            LOG.warning("tag later: %s", error, extra=_about_tag(wanted))
        except (TagRefused, NotFound, Forbidden, Permanent) as error:
            store.tag_delayed(wanted, clock.now(), str(error), refused=True)
            LOG.warning("tag refused: %s", error, extra=_about_tag(wanted))
        else:
            check = None if wanted.checking else clock.now() + LEASE
            store.tag_applied(wanted, clock.now(), check)
            LOG.info(
                "%s:%s is %s now", wanted.name, wanted.tag, wanted.digest, extra=_about_tag(wanted)
            )

    def _ours_to_mend(self, wanted: WantedTag) -> bool:
        shown = self._registry.digest(wanted.name, wanted.tag)
        if shown == wanted.digest:
            return False
        if shown is None or shown in wanted.ours:
            return shown is not None
        self._ports.store.journal(
            JournalEntry(
                self._ports.clock.now(),
                "tag-overwritten",
                f"{wanted.name}:{wanted.tag} was moved by somebody else to {shown}; left as it is",
                wanted.repository.id,
                wanted.build_id,
            )
        )
        return False


def _backoff(tries: int) -> float:
    return float(min(300.0, 2.0 ** min(tries, 9)))


def _about(wanted: WantedStatus) -> Mapping[str, object]:
    return fields(repository=wanted.repository.repository.path, sha=wanted.sha[:12])


def _about_tag(wanted: WantedTag) -> Mapping[str, object]:
    return fields(repository=wanted.repository.repository.path, build=wanted.build_id)
