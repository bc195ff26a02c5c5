"""Comments as tests of the store have them handled."""

from __future__ import annotations

from typing import Any

from bot.core.conversation import Reaction, Spot
from bot.records import Delivery, LeasedRepository
from bot.records_talk import Obeyed
from tests.contract.databases import (
    LEASE,
    Bench,
    incoming,
)

SPOT = Spot(70, number=7)
DAY = 86400.0
DAYS = {"bodies": 14, "deliveries": 90, "logs": 30, "builds": 180}


def delivery(bench: Bench, name: str = "comment") -> Delivery:
    bench.store.put_deliveries([incoming(name, bench.tick())])
    found = bench.store.claim_delivery(bench.tick(), LEASE)
    assert found is not None
    return found


def obey(bench: Bench, told: Obeyed, name: str = "comment") -> bool:
    arrived = delivery(bench, name)
    leased = lease(bench)
    try:
        return bench.store.obey(leased, told, arrived, bench.tick())
    finally:
        bench.store.release_repository(leased)


def lease(bench: Bench) -> LeasedRepository:
    leased = bench.store.lease_repository(bench.row.id, bench.tick(), LEASE)
    assert leased is not None
    return leased


def told(spot: Spot = SPOT, **more: Any) -> Obeyed:
    return Obeyed(spot, 5, "done as asked", Reaction.ACCEPTED, **more)
