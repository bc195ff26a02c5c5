"""The inbox: nothing acknowledged is lost, and what came twice is handled again."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.records import IncomingDelivery, LeaseLost
from bot.store import SqlStore
from tests.contract.databases import LEASE, SOURCE, incoming


def test_deliveries_are_claimed_oldest_first_and_once(store: SqlStore) -> None:
    store.put_deliveries([incoming("b", 102.0), incoming("a", 101.0), incoming("c", 900.0)])
    first = store.claim_delivery(200.0, LEASE)
    second = store.claim_delivery(200.0, LEASE)
    assert first is not None
    assert second is not None
    assert (first.delivery, second.delivery) == ("a", "b")
    assert (first.body, first.event, first.tries, first.seen) == (b"{}", "push", 0, 1)
    assert store.claim_delivery(200.0, LEASE) is None  # c is not due yet


def test_a_redelivery_is_handled_again(store: SqlStore) -> None:
    store.put_deliveries([incoming("a")])
    claimed = store.claim_delivery(200.0, LEASE)
    assert claimed is not None
    store.finish_delivery(claimed, "done", "planned", 201.0, '{"x": 1}')
    assert store.claim_delivery(300.0, LEASE) is None
    store.put_deliveries([incoming("a", 400.0, b"again")])
    again = store.claim_delivery(400.0, LEASE)
    assert again is not None
    assert (again.id, again.body, again.seen, again.tries) == (claimed.id, b"again", 2, 0)


def test_one_batch_may_hold_a_delivery_twice(store: SqlStore) -> None:
    store.put_deliveries([incoming("a"), incoming("b"), incoming("a")])
    found = store.deliveries(10)
    assert {(row["delivery"], row["seen"]) for row in found} == {("a", 2), ("b", 1)}


def test_what_was_found_again_stays_as_it_is(store: SqlStore) -> None:
    assert store.put_new_deliveries([incoming("a", 100.0), incoming("b", 101.0)]) == 2
    claimed = store.claim_delivery(200.0, LEASE)
    assert claimed is not None
    store.finish_delivery(claimed, "done", "obeyed", 201.0)
    assert store.put_new_deliveries([incoming("a", 300.0), incoming("c", 301.0)]) == 1
    found = {row["delivery"]: (row["state"], row["seen"]) for row in store.deliveries(10)}
    assert found == {"a": ("done", 1), "b": ("new", 1), "c": ("new", 1)}


@pytest.mark.parametrize("ending", ["finish", "delay"])
def test_a_redelivery_while_it_is_handled_is_handled_afterwards(
    store: SqlStore, ending: str
) -> None:
    store.put_deliveries([incoming("a", 100.0)])
    claimed = store.claim_delivery(110.0, LEASE)
    assert claimed is not None
    store.put_deliveries([incoming("a", 120.0)])
    assert store.claim_delivery(121.0, LEASE) is None  # not by two at once
    if ending == "finish":
        store.finish_delivery(claimed, "done", "", 122.0)
    else:
        store.delay_delivery(claimed, 9000.0, "later", counted=True)
    again = store.claim_delivery(123.0, LEASE)
    assert again is not None
    assert again.seen == 2
    store.finish_delivery(again, "done", "", 124.0)
    assert store.claim_delivery(9999.0, LEASE) is None


def test_a_lost_lease_changes_nothing(store: SqlStore) -> None:
    store.put_deliveries([incoming("a")])
    slow = store.claim_delivery(200.0, LEASE)
    fast = store.claim_delivery(231.0, LEASE)
    assert slow is not None
    assert fast is not None
    with pytest.raises(LeaseLost):
        store.finish_delivery(slow, "dead", "", 232.0)
    with pytest.raises(LeaseLost):
        store.delay_delivery(slow, 500.0, "", counted=True)
    store.finish_delivery(fast, "done", "", 233.0)
    assert [row["state"] for row in store.deliveries(10)] == ["done"]


def test_a_holder_that_died_counts_as_a_try(store: SqlStore) -> None:
    """A delivery that kills its worker every time must come to an end."""
    store.put_deliveries([incoming("poison")])
    tries = []
    for round_ in range(4):
        claimed = store.claim_delivery(200.0 + round_ * 100, LEASE)
        assert claimed is not None
        tries.append(claimed.tries)
    assert tries == [0, 1, 2, 3]


def test_delays_count_only_when_told_to(store: SqlStore) -> None:
    store.put_deliveries([incoming("a")])
    for counted, expected in ((False, 0), (True, 1), (False, 1)):
        claimed = store.claim_delivery(200.0, LEASE)
        assert claimed is not None
        store.delay_delivery(claimed, 150.0, "later", counted=counted)
        (row,) = store.deliveries(1)
        assert (row["tries"], row["reason"]) == (expected, "later")


def test_replay_takes_the_start_of_an_id(store: SqlStore) -> None:
    store.put_deliveries([incoming("abc1"), incoming("abc2"), incoming("a%c3")])
    for _ in range(3):
        claimed = store.claim_delivery(200.0, LEASE)
        assert claimed is not None
        store.finish_delivery(claimed, "done", "", 201.0)
    assert store.replay("", 300.0) == 0
    assert store.replay("a%", 300.0) == 1
    assert store.replay("abc", 300.0) == 2
    assert len(store.deliveries(10, "new")) == 3


def test_a_body_never_grows_beyond_what_was_counted(store: SqlStore) -> None:
    packed = zlib.compress(b"0" * 1_000_000)
    store.put_deliveries(
        [IncomingDelivery(SOURCE, "bomb", "push", "application/json", packed, 1000, 1.0)]
    )
    claimed = store.claim_delivery(2.0, LEASE)
    assert claimed is not None
    assert claimed.body == b"0" * 1000


hostile = st.text(st.characters(codec=None), min_size=1, max_size=300)


@settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(delivery=hostile, event=hostile, reason=hostile)
def test_any_text_can_be_kept(store: SqlStore, delivery: str, event: str, reason: str) -> None:
    """NUL, lone surrogates and long headers come from outside."""
    packed = zlib.compress(b"x")
    one = IncomingDelivery(SOURCE, delivery, event, "application/json", packed, 1, 1.0)
    store.put_deliveries([one])
    store.put_deliveries([one])
    claimed = store.claim_delivery(2.0, LEASE)
    assert claimed is not None
    assert claimed.seen % 2 == 0
    store.finish_delivery(claimed, "malformed", reason, 3.0)
    assert store.claim_delivery(4.0, LEASE) is None
