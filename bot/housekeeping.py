"""What is not needed any more goes: old rows, folders of ended attempts, the daemon's cache."""

from __future__ import annotations

import logging

from bot.flow import Ports
from bot.ports import HostError, Registry, Temporary

LOG = logging.getLogger("pushwright.housekeeping")

_ROWS_EVERY = 600.0
_DISK_EVERY = 300.0
_SPARES = 50


class Housekeeper:
    """One `step` does what is due."""

    def __init__(self, ports: Ports, registry: Registry) -> None:
        self._ports = ports
        self._registry = registry
        self._rows_at = 0.0
        self._disk_at = 0.0

    def step(self) -> bool:
        now = self._ports.clock.now()
        forgot = self._forget()
        if now - self._rows_at >= _ROWS_EVERY:
            self._rows_at = now
            self._rows(now)
        if now - self._disk_at >= _DISK_EVERY:
            self._disk_at = now
            self._disk()
            self._spare_tags(now)
        return forgot

    def _forget(self) -> bool:
        """Ended attempts whose log and result are stored leave the executor."""
        attempts = self._ports.store.unforgotten(100)
        for _, name in attempts:
            try:
                self._ports.executor.forget(name)
            except HostError as error:
                LOG.warning("attempt %s stays: %s", name, error)
                continue
            self._ports.store.forget_attempt(name)
        return bool(attempts)

    def _rows(self, now: float) -> None:
        kept = self._ports.central().retention
        days = {
            "bodies": kept.bodies,
            "deliveries": kept.deliveries,
            "logs": kept.logs,
            "builds": kept.builds,
        }
        removed = self._ports.store.housekeeping(now, days)
        if any(removed.values()):
            LOG.info("removed %s", ", ".join(f"{n} {what}" for what, n in removed.items() if n))

    def _spare_tags(self, now: float) -> None:
        """Single tags only, and only where the registry can remove one; never a digest."""
        for spare in self._ports.store.spare_tags(now, _SPARES):
            try:
                gone = self._registry.delete_tag(spare.name, spare.tag)
            except Temporary as error:
                LOG.warning("tag %s:%s stays for now: %s", spare.name, spare.tag, error)
                return
            except HostError as error:
                LOG.warning("tag %s:%s stays: %s", spare.name, spare.tag, error)
                gone = False
            self._ports.store.spare_removed(spare)
            if gone:
                LOG.info("removed the tag %s:%s", spare.name, spare.tag)

    def _disk(self) -> None:
        try:
            self._ports.executor.housekeeping()
            self._late()
        except HostError as error:
            LOG.warning("%s", error)

    def _late(self) -> None:
        """What turned up after it was forgotten: the answer to a start was lost, its build ended,
        and only then the request went through. It would run for nobody."""
        executor = self._ports.executor
        for name in self._ports.store.forgotten(executor.running()):
            LOG.info("removing %s: it turned up after its build had ended", name)
            executor.forget(name)
