"""The bot of the scenarios: its flows run by `step`, one after another, until none has anything to
do. A scenario is the same in every run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from bot.core.centralconfig import CentralConfig
from bot.flow import Ports
from bot.hosts.factory import Hosts
from bot.housekeeping import Housekeeper
from bot.intake import Intake
from bot.logreading import LogReading
from bot.ports import Clock, Executor, Registry, Temporary
from bot.promoting import PromotionKeeper
from bot.reconcile import Sweeper
from bot.reporting import Reporter, StatusWriter, Tagger
from bot.scheduling import Scheduler
from bot.storage import Store
from bot.talking import Talker
from bot.worker import CODECS


class Surroundings(Protocol):
    """What is outside the bot. `central` may change on the way."""

    @property
    def central(self) -> CentralConfig: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def executor(self) -> Executor: ...
    @property
    def registry(self) -> Registry: ...


class Bot:
    """The flows of one worker. `step` runs one of them once, `settle` all until they rest."""

    def __init__(self, world: Surroundings, store: Store, log_threads: int = 0) -> None:
        """`log_threads` 0: logs are read in the steps themselves, so that order is known."""
        hosts = Hosts(world.central.sources, world.clock)
        ports = Ports(store, hosts, world.executor, world.clock, lambda: world.central)
        self.store = store
        self._hosts = hosts
        self.flows: Mapping[str, Callable[[], bool]] = {
            "decide": Intake(ports, CODECS, world.registry).step,
            "schedule": Scheduler(ports, world.registry, LogReading(ports, log_threads)).step,
            "report": Reporter(ports).step,
            "status": StatusWriter(ports).step,
            "talk": Talker(ports).step,
            "tag": Tagger(ports, world.registry).step,
            "promoted": PromotionKeeper(ports, world.registry).step,
            "sweep": Sweeper(ports).step,
            "house": Housekeeper(ports, world.registry).step,
        }

    def step(self, flow: str) -> bool:
        """As the worker's loops do: what is temporary is waited out."""
        try:
            return self.flows[flow]()
        except Temporary:
            return False

    def settle(self, most: int = 400) -> None:
        """Until no flow has anything to do at this moment."""
        for _ in range(most):
            done = [self.step(flow) for flow in self.flows]
            if not any(done):
                return
        raise AssertionError(f"still busy after {most} rounds")

    def close(self) -> None:
        self._hosts.close()
