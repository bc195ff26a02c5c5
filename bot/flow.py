"""What the flows share: the ports that they are given, and deliveries of their own."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from bot.core.centralconfig import CentralConfig
from bot.core.hints import MANUAL, Hint, write
from bot.ports import Clock, Executor, HostFactory
from bot.records import IncomingDelivery
from bot.storage import Store


@dataclass(frozen=True, slots=True)
class Ports:
    """What the flows share."""

    store: Store
    hosts: HostFactory
    executor: Executor
    clock: Clock
    central: Callable[[], CentralConfig]


def incoming(hint: Hint, delivery: str, now: float) -> IncomingDelivery:
    """A hint as a delivery of the source `manual`."""
    body = write(hint)
    return IncomingDelivery(
        MANUAL, delivery, "hint", "application/json", zlib.compress(body, 1), len(body), now
    )
