"""The sweep: what hosts show, held against what we know, so that a lost webhook costs minutes only.

Hosts send no event for more than three tags in one push, disable hooks, and lose deliveries. One
`git ls-remote`, one listing of open requests and one of new comments per repository and round find
all of that. A find becomes a delivery of the source `sweep`, hence there is one way in.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping, Sequence

from bot.core.centralconfig import CentralConfig
from bot.core.centralfile import rule_for
from bot.core.events import Repository
from bot.core.hints import SWEEP, Hint, write
from bot.core.ids import Sha, SourceName
from bot.flow import Ports
from bot.intake import LEASE
from bot.overhearing import overheard
from bot.ports import GitHost, HostError, NotFound, RequestRefs, Temporary
from bot.records import (
    IncomingDelivery,
    LeasedRepository,
    LeaseLost,
    RefRow,
)
from bot.telemetry import fields

LOG = logging.getLogger("pushwright.reconcile")

_DISCOVERY = 3600.0
"""Seconds between two listings of all repositories that a credential may see."""
_AGAIN = 30.0
"""Seconds after which what could not be read is asked for again. The sweep wakes with each commit,
so without a time of its own a host that is down would be asked as fast as it fails."""


class Sweeper:
    """One `step` looks at the repositories whose round is due."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._discover_at: dict[SourceName, float] = {}
        self._look_at: dict[int, float] = {}
        """By repository, where its last round failed. Like the others, by the monotonic clock."""
        self._rest_until: dict[SourceName, float] = {}
        """By source, where the host said how long it wants to be left alone."""
        self._seen: CentralConfig | None = None

    def step(self) -> bool:
        """True when anything was found."""
        self._discover()
        now, moment = self._ports.clock.now(), self._ports.clock.monotonic()
        interval = self._ports.central().sweep_seconds
        found = False
        for row in self._ports.store.repositories():
            if row.source not in self._ports.central().sources:
                continue
            if moment < max(self._rest_until.get(row.source, 0.0), self._look_at.get(row.id, 0.0)):
                continue
            if row.swept_at is not None and now - row.swept_at < interval:
                continue
            if rule_for(self._ports.central(), row.source, row.repository.path) is None:
                continue
            leased = self._ports.store.lease_repository(row.id, now, LEASE)
            if leased is not None:
                found |= self._guarded(leased)
        return found

    def _guarded(self, leased: LeasedRepository) -> bool:
        about = fields(source=leased.row.source, repository=leased.row.repository.path)
        try:
            return self._look(leased)
        except LeaseLost:
            return False
        except NotFound as error:
            LOG.warning("not swept, it is gone or hidden: %s", error, extra=about)
            self._ports.store.swept(leased, self._ports.clock.now())
        except HostError as error:
            LOG.warning("not swept: %s", error, extra=about)
            self._look_at[leased.row.id] = self._after(leased.row.source, error)
        finally:
            self._ports.store.release_repository(leased)
        return False

    def _after(self, source: SourceName, error: HostError) -> float:
        """When what failed is asked for again."""
        now = self._ports.clock.monotonic()
        if not isinstance(error, Temporary):
            return now + self._ports.central().sweep_seconds  # somebody has to mend it
        if error.after is None:
            return now + _AGAIN
        self._rest_until[source] = now + error.after
        return now + max(error.after, _AGAIN)

    def _look(self, leased: LeasedRepository) -> bool:
        row, store = leased.row, self._ports.store
        host = self._ports.hosts.get(row.source)
        known = store.repository_state(row.id).refs
        shown: dict[str, Sha | None] = dict(host.refs(row.repository))
        requests = host.open_requests(row.repository)
        shown |= {f"request/{r.number}": r.head_sha for r in requests.requests}
        changed = differences(known, shown, requests)
        now = self._ports.clock.now()
        limit = self._ports.central().limits.new_refs
        new = [key for key in changed if known.get(key) is None]
        if row.swept_at is None:
            store.record_refs(leased, changed, now, f"first sight: {len(shown)} refs recorded")
            changed = {}
        elif len(new) > limit:
            note = (
                f"{len(new)} new refs at once, more than {limit}: recorded, not built; "
                f"`pushwright build {row.repository.path} REF` builds one"
            )
            store.record_refs(leased, {key: changed[key] for key in new}, now, note)
            LOG.warning("%s", note, extra=fields(repository=row.repository.path))
            changed = {key: sha for key, sha in changed.items() if key not in set(new)}
        if changed:
            store.put_deliveries([_find(leased, key, sha, now) for key, sha in changed.items()])
            LOG.info(
                "the sweep found %s",
                ", ".join(sorted(changed)[:10]),
                extra=fields(repository=row.repository.path),
            )
        heard = overheard(self._ports, leased, host)
        if heard:
            text = "the sweep found comments that no webhook told of: %d"
            LOG.info(text, heard, extra=fields(repository=row.repository.path))
        store.swept(leased, now)
        return bool(changed or heard)

    def _discover(self) -> None:
        """Repositories of which no webhook ever came are known from the credential's own list and
        from rules that name one repository."""
        central, now = self._ports.central(), self._ports.clock.monotonic()
        if central is not self._seen:
            self._seen = central
            self._discover_at.clear()
        for source in central.sources:
            if now < max(self._discover_at.get(source, 0.0), self._rest_until.get(source, 0.0)):
                continue
            try:
                host = self._ports.hosts.get(source)
                for repository in (*self._named(host, source), *host.repositories()):
                    if rule_for(central, source, repository.path) is not None:
                        self._ports.store.repository_row(source, repository)
            except HostError as error:
                LOG.warning("repositories not listed: %s", error, extra=fields(source=source))
                self._discover_at[source] = self._after(source, error)
            else:
                self._discover_at[source] = now + _DISCOVERY

    def _named(self, host: GitHost, source: SourceName) -> Sequence[Repository]:
        found = []
        for rule in self._ports.central().repositories:
            prefix, colon, path = rule.match.rpartition(":")
            if any(sign in path for sign in "*?[!") or (colon and prefix != source):
                continue
            try:
                found.append(host.repository(path))
            except NotFound:
                continue
        return found


def differences(
    known: Mapping[str, RefRow], shown: Mapping[str, Sha | None], requests: RequestRefs
) -> dict[str, Sha | None]:
    """Keys whose commit is another one than we know; None: the host shows them no more."""
    changed = {key: sha for key, sha in shown.items() if key not in known or known[key].sha != sha}
    for key, row in known.items():
        if row.sha is None or key in shown:
            continue
        if key.startswith("request/") and not requests.complete:
            continue
        changed[key] = None
    return changed


def _find(leased: LeasedRepository, key: str, sha: Sha | None, now: float) -> IncomingDelivery:
    row = leased.row
    body = write(Hint(row.source, row.repository.id, key, by="sweep"))
    return IncomingDelivery(
        SWEEP,
        _bounded(f"{row.source}:{row.repository.id}:{key}:{sha or 'gone'}"),
        "hint",
        "application/json",
        zlib.compress(body, 1),
        len(body),
        now,
    )


def _bounded(delivery: str) -> str:
    """Ids of deliveries hold 200 characters; ref names may be longer."""
    if len(delivery) <= 200:
        return delivery
    import hashlib

    return f"{delivery[:120]}#{hashlib.sha256(delivery.encode()).hexdigest()}"
