"""The wall clock jumps while a delivery is in hand: whoever holds the fence handles it, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.records import LeaseLost
from bot.store import SqlStore, open_store
from tests.contract.databases import LEASE, incoming

DAY = 86400.0
NOW = 1_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    made = open_store(f"sqlite:///{tmp_path}/bot.db", create=True)
    made.put_deliveries([incoming("one", at=NOW)])
    yield made
    made.close()


def test_a_jump_forward_passes_the_lease_on_and_fences_the_first(store: SqlStore) -> None:
    first = store.claim_delivery(NOW, LEASE)
    second = store.claim_delivery(NOW + DAY, LEASE)
    assert first is not None
    assert second is not None
    assert second.fence > first.fence
    with pytest.raises(LeaseLost):
        store.finish_delivery(first, "done", "by the first", NOW + DAY)
    store.finish_delivery(second, "done", "by the second", NOW + DAY)
    (row,) = store.deliveries(10)
    assert (row["state"], row["reason"]) == ("done", "by the second")


def test_a_jump_back_leaves_the_lease_with_its_holder(store: SqlStore) -> None:
    first = store.claim_delivery(NOW, LEASE)
    assert first is not None
    assert store.claim_delivery(NOW - DAY, LEASE) is None
    store.finish_delivery(first, "done", "by the first", NOW - DAY)
    assert store.claim_delivery(NOW + DAY, LEASE) is None
    (row,) = store.deliveries(10)
    assert row["state"] == "done"
