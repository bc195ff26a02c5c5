"""Admission: exact limits, fair turns, groups, and no price for a long queue."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from sqlalchemy import Connection, event

from bot.core.builds import BuildState
from bot.records import AdmissionLimits, Move
from bot.store import SqlStore, admission
from tests.contract.databases import LEASE, Address, Bench, branch, image, sha


def fill(bench: Bench, count: int, **more: Any) -> None:
    """Queue that many builds in one plan."""
    number = bench.number
    images = [image(f"i{n}", sha(number), repository_id=number) for n in range(count)]
    bench.push(branch(sha(number), *images, **more))


def benches(store: SqlStore, count: int) -> list[Bench]:
    return [Bench(store, number=n, now=1000.0 + n / 10) for n in range(1, count + 1)]


def test_limits_hold_in_all_and_per_repository(store: SqlStore) -> None:
    one, two, three = benches(store, 3)
    for bench in (one, two, three):
        fill(bench, 5)
    limits = AdmissionLimits(builds=5, per_repository=2)
    first = store.admit(limits, 2000.0, LEASE)
    assert Counter(build.repository_id for build in first) == {
        one.row.id: 2,
        two.row.id: 2,
        three.row.id: 1,
    }
    assert store.admit(limits, 2001.0, LEASE) == []
    assert store.active_count() == 5
    store.move_build(first[0], Move(BuildState.FAILED), 2002.0)
    assert len(store.admit(limits, 2003.0, LEASE)) == 1
    assert store.active_count() == 5


def test_tagging_takes_no_slot(bench: Bench) -> None:
    fill(bench, 2)
    limits = AdmissionLimits(1, 1)
    (build,) = bench.admit(limits)
    assert bench.admit(limits) == []
    bench.store.move_build(build, Move(BuildState.TAGGING), bench.tick())
    assert len(bench.admit(limits)) == 1


def test_an_idle_repository_waits_for_one_slot_at_most(store: SqlStore) -> None:
    busy, idle = benches(store, 2)
    fill(busy, 50)
    limits = AdmissionLimits(builds=2, per_repository=2)
    running = list(store.admit(limits, 2000.0, LEASE))
    fill(idle, 1)
    store.move_build(running[0], Move(BuildState.FAILED), 2001.0)
    (next_,) = store.admit(limits, 2002.0, LEASE)
    assert next_.repository_id == idle.row.id


def test_with_equal_load_the_longest_waiting_repository_is_next(store: SqlStore) -> None:
    all_ = benches(store, 3)
    for bench in all_:
        fill(bench, 3)
    limits = AdmissionLimits(builds=1, per_repository=1)
    turns = []
    for n in range(6):
        (build,) = store.admit(limits, 2000.0 + n, LEASE)
        turns.append(build.repository_id)
        store.move_build(build, Move(BuildState.FAILED), 2000.5 + n)
    assert turns[:3] == turns[3:]
    assert len(set(turns)) == 3


def test_a_group_has_a_limit_of_its_own(bench: Bench) -> None:
    fill(bench, 3, group="deploy", group_limit=1)
    bench.push(branch(sha(99), image("free", sha(99)), name="other"))
    admitted = bench.admit()
    assert sorted(build.image == "free" for build in admitted) == [False, True]
    grouped = next(build for build in admitted if build.image != "free")
    assert bench.admit() == []
    bench.fail(grouped)
    assert len(bench.admit()) == 1


def test_another_attempt_waits_its_time_and_counts(bench: Bench) -> None:
    fill(bench, 1)
    (build,) = bench.admit()
    later = bench.now + 60
    bench.store.move_build(build, Move(BuildState.QUEUED, "node lost", next_at=later), bench.tick())
    assert bench.admit() == []
    bench.now = later
    (again,) = bench.admit()
    assert (again.attempt, again.started_at) == (2, None)
    names = [str(row["name"]) for row in bench.store.attempts(build.id)]
    assert names == [f"{build.id}-1", f"{build.id}-2"]
    assert bench.store.unforgotten(9) == [(build.id, f"{build.id}-1")]
    assert bench.store.forgotten([*names, "foreign-1"]) == []
    bench.store.forget_attempt(f"{build.id}-1")
    assert bench.store.unforgotten(9) == []
    assert bench.store.forgotten([*names, "foreign-1"]) == [f"{build.id}-1"]


def test_a_long_queue_is_not_walked_through(store: SqlStore) -> None:
    """Thousands of queued builds of one repository, its group full: the work is counted in
    statements, and each finds its rows by an index; on SQLite, whose plans are not of a planner's
    moods, without sorting."""
    busy, idle = benches(store, 2)
    for start in range(4):
        images = [image(f"i{start}x{n}", sha(start + 1)) for n in range(500)]
        busy.push(branch(sha(start + 1), *images, name=f"b{start}", group="g", group_limit=1))
    limits = AdmissionLimits(builds=4, per_repository=4)
    assert len(store.admit(limits, 2000.0, LEASE)) == 1
    fill(idle, 1)
    statements = _explained(store, limits)
    assert len(statements) < 25
    for sql, plan in statements:
        if "FROM build" in sql and "LIMIT" in sql and "queued" in plan:
            assert "ix_build_" in plan
            assert "TEMP B-TREE" not in plan
            assert "Seq Scan" not in plan


def _explained(store: SqlStore, limits: AdmissionLimits) -> list[tuple[str, str]]:
    """The statements of one admission with their plans."""
    found: list[tuple[str, str]] = []
    words = "EXPLAIN QUERY PLAN " if store._database.sqlite else "EXPLAIN "

    def work(tx: Connection) -> None:
        if not store._database.sqlite:
            # Of 5,000 rows it may as well read all; shown is that an index would serve among many.
            tx.exec_driver_sql("SET LOCAL enable_seqscan = off")

        def seen(
            connection: Connection,
            _cursor: object,
            statement: str,
            parameters: object,
            _context: object,
            _many: bool,
        ) -> None:
            if statement.startswith("SELECT"):
                cursor = connection.connection.cursor()
                cursor.execute(words + statement, parameters)  # type: ignore[arg-type]
                found.append((statement, str(cursor.fetchall())))

        event.listen(tx, "before_cursor_execute", seen)
        (build,) = admission.admit(tx, limits, 2001.0, LEASE)
        assert build.image == "i0"

    store._database.write(work)
    return found


def test_two_stores_never_admit_one_build_twice_or_too_many(address: Address) -> None:
    """Two processes' worth of stores, four threads each, while builds end."""
    limits = AdmissionLimits(builds=5, per_repository=2)
    stores = [address.open(), address.open()]
    for bench in benches(stores[0], 6):
        fill(bench, 6)
    seen: list[str] = []
    errors: list[BaseException] = []
    most = 0
    lock = threading.Lock()

    def work(store: SqlStore) -> None:
        nonlocal most
        try:
            for _ in range(40):
                for build in store.admit(limits, 2000.0, LEASE):
                    with lock:
                        seen.append(f"{build.id}-{build.attempt}")
                    active = store.active_count()
                    with lock:
                        most = max(most, active)
                    store.move_build(build, Move(BuildState.FAILED), 2000.0)
                if len(seen) == 36:
                    return
        except BaseException as error:  # noqa: BLE001  told by the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(store,)) for store in stores for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert errors == []
    assert most <= 5
    assert len(seen) == len(set(seen)) == 36


def test_admitted_builds_belong_to_whoever_admitted_them(bench: Bench) -> None:
    fill(bench, 1)
    (build,) = bench.admit()
    assert bench.store.due_builds(bench.now + 1, LEASE, 9) == []
    (found,) = bench.store.due_builds(bench.now + LEASE + 1, LEASE, 9)  # its worker died
    assert found.fence > build.fence
