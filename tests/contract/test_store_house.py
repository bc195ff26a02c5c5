"""Keeping house, waking up, and what people are told."""

from __future__ import annotations

import threading
import time

import pytest

from bot.core.builds import BuildState
from bot.core.ids import BuildId, ImageKey, Trust
from bot.core.plans import Plan, RefSeen
from bot.core.reports import CommitStatus, StatusState
from bot.ports import Permanent
from bot.records import JournalEntry, Move
from bot.storage import Store
from bot.store import SqlStore, housekeeping
from tests.contract.databases import (
    LEASE,
    SOURCE,
    Address,
    Bench,
    branch,
    digest,
    git_tag,
    head_tag,
    image,
    incoming,
    need,
    repository,
    sha,
)
from tests.contract.tables import contents

DAY = 86400.0
DAYS = {"bodies": 14, "deliveries": 90, "logs": 30, "builds": 180}


def test_deliveries_lose_their_bodies_and_then_their_rows(store: SqlStore) -> None:
    store.put_deliveries([incoming(f"d{n}", n * DAY) for n in range(100)])
    store.put_deliveries([incoming("open", 0.0)])
    for n in range(101):
        claimed = store.claim_delivery(100 * DAY, LEASE)
        assert claimed is not None
        if claimed.delivery != "open":
            store.finish_delivery(claimed, "done", "", 100 * DAY + n)
    counts = store.housekeeping(100 * DAY, DAYS)
    assert (counts["bodies"], counts["deliveries"]) == (86, 10)
    left = {row["delivery"]: row["body"] is None for row in _inbox(store)}
    assert len(left) == 91
    assert not left["open"]  # what was not handled stays whole
    assert left["d85"]
    assert not left["d86"]


def _inbox(store: SqlStore) -> list[dict[str, object]]:
    from sqlalchemy import select

    from bot.store.schema import inbox

    return store._database.read(
        lambda tx: [dict(row) for row in tx.execute(select(inbox)).mappings()]
    )


def build_heads(bench: Bench, count: int, ending: str = "succeeded") -> None:
    for n in range(1, count + 1):
        tags = [head_tag("main")]
        needs = [need("base", sha(n))]
        images = (image("base", sha(n)), image("api", sha(n), tags=tags, needs=needs))
        bench.push(branch(sha(n), *images))
        for _ in images:
            build = bench.start()
            bench.store.append_log(build, [], bench.now)
            if ending == "succeeded":
                bench.succeed(build, digest(n))
            else:
                bench.fail(build)
                break
        bench.admit()


def test_the_newest_success_per_ref_and_image_stays(bench: Bench) -> None:
    build_heads(bench, 5)
    bench.push(git_tag(sha(2), image("api", sha(2), recipe="tag"), name="v2"))
    bench.succeed(bench.start(), digest(22))
    bench.push(branch(sha(6), image("api", sha(6))))
    bench.fail(bench.start())
    later = bench.now + 200 * DAY
    counts = bench.store.housekeeping(later, DAYS)
    kept = {(row.image, row.sha) for row, _ in bench.store.find_builds()}
    # What the heads of main and v2 stand for, and the newest success of main.
    assert kept == {(key, sha(n)) for n in (2, 5) for key in ("api", "base")} | {("api", sha(6))}
    assert (counts["claims"], counts["builds"]) == (3, 6)
    found = bench.store.last_digest(
        bench.row.id, ImageKey("api"), Trust.TRUSTED, ["refs/heads/main"]
    )
    assert found == ("reg.example/api", digest(5))
    assert bench.store.housekeeping(later, DAYS)["builds"] == 0


def test_a_tags_owner_is_known_for_longer_than_its_build(bench: Bench) -> None:
    build_heads(bench, 2)
    bench.apply(Plan("", seen=(RefSeen("refs/heads/main", sha(9)),)))
    bench.store.housekeeping(bench.now + 400 * DAY, DAYS | {"builds": 1})
    bench.push(branch(sha(1), image("api", sha(1), tags=[head_tag("main")])), seen=False)
    bench.prove(bench.start(), digest(7))
    assert bench.write_tags() == [f"reg.example/api:main@{digest(7)}"]  # below 9, above 2


def test_old_logs_go_and_running_things_stay(bench: Bench) -> None:
    from bot.core.builds import LogLine

    bench.push(branch(sha(1), image("api", sha(1)), image("web", sha(1))))
    one, two = bench.admit()
    for build in (one, two):
        bench.store.append_log(build, [LogLine(1, "{}")], bench.now)
    bench.fail(one)
    bench.store.housekeeping(bench.now + 31 * DAY, DAYS)
    assert bench.store.read_log(one.id, None, 0, 9) == []
    assert len(bench.store.read_log(two.id, None, 0, 9)) == 1
    bench.store.housekeeping(bench.now + 900 * DAY, DAYS)
    assert {row.id for row, _ in bench.store.find_builds()} == {one.id, two.id}


def test_statuses_go_with_their_claims(bench: Bench) -> None:
    build_heads(bench, 3, "failed")
    for report in bench.store.due_reports(bench.tick(), LEASE, 10):
        status = CommitStatus("pushwright", StatusState.FAILURE, "no", None)
        bench.want_statuses(report, [(status, True)], bench.now, None)
    counts = bench.store.housekeeping(bench.now + 200 * DAY, DAYS)
    assert (counts["claims"], counts["statuses"], counts["reports"]) == (2, 2, 2)  # not the head's


def test_more_than_a_batch_is_removed(store: SqlStore) -> None:
    for n in range(housekeeping.BATCH * 2 + 5):
        if n % 100 == 0:
            batch = [incoming(f"d{n + each}", 1.0) for each in range(100)]
            store.put_deliveries(batch)
    from sqlalchemy import update

    from bot.store.schema import inbox

    store._database.write(lambda tx: tx.execute(update(inbox).values(state="done")).rowcount)
    assert store.housekeeping(1000 * DAY, DAYS)["deliveries"] == 700
    assert store.deliveries(9) == []


def test_keeping_house_while_it_is_built_in_changes_nothing_young(bench: Bench) -> None:
    build_heads(bench, 2)
    before = contents(bench.store)
    bench.store.housekeeping(bench.now + DAY, DAYS)
    assert contents(bench.store) == before


def test_the_journal_can_only_grow(bench: Bench) -> None:
    build = BuildId("0" * 32)
    entry = JournalEntry(5.0, "note", "nul \0 and \ud800", bench.row.id, build, {"n": 1})
    bench.store.journal(entry)
    bench.store.journal(JournalEntry(6.0, "note", "other"))
    newest, oldest = bench.store.entries(limit=5)
    assert (newest.text, oldest.data) == ("other", {"n": 1})
    assert [each.at for each in bench.store.entries(build_id=build)] == [5.0]
    assert [each.at for each in bench.store.entries(repository_id=bench.row.id)] == [5.0]
    journal_methods = [name for name in dir(SqlStore) if "journal" in name or "entr" in name]
    assert journal_methods == ["entries", "journal"]


def test_a_page_tells_of_a_build_and_all_its_claims(bench: Bench) -> None:
    bench.push(branch(sha(1), image("api", sha(1))))
    bench.push(git_tag(sha(1), image("api", sha(1))))
    build = bench.start()
    found = bench.store.build(build.id)
    assert found is not None
    row, owner, claims = found
    assert (row.id, owner, [claim.kind for claim in claims]) == (
        build.id,
        bench.row,
        ["tag", "branch"],
    )
    assert bench.store.build(BuildId("f" * 32)) is None
    assert [each.id for each, _ in bench.store.find_builds(build.id[:6])] == [build.id]
    assert bench.store.find_builds("%") == []
    assert bench.store.find_builds(repository_id=bench.row.id + 1) == []
    assert bench.store.claim_by_page("none") is None


def test_a_command_cancels_once(bench: Bench) -> None:
    bench.push(branch(sha(1), image("api", sha(1)), image("web", sha(1))))
    one, two = bench.admit()
    assert bench.store.withdraw_build(one.id, "cancelled", "by command", bench.tick())
    (due,) = bench.store.due_builds(bench.now + LEASE - 5, LEASE, 9) or (None,)
    assert due is None  # its holder has it still; its next look tells
    bench.store.release_build(one, bench.now + 500)
    (due,) = bench.store.due_builds(bench.now, LEASE, 9)
    assert (due.id, due.withdrawn, due.reason) == (one.id, "cancelled", "by command")
    bench.store.move_build(two, Move(BuildState.SUCCEEDED), bench.tick())
    assert not bench.store.withdraw_build(two.id, "cancelled", "", bench.tick())
    assert not bench.store.withdraw_build(BuildId("f" * 32), "cancelled", "", bench.tick())


def test_repositories_are_known_by_their_number(store: SqlStore) -> None:
    first = store.repository_row(SOURCE, repository(1))
    assert store.repository_row(SOURCE, repository(1)) == first
    from dataclasses import replace

    renamed = store.repository_row(SOURCE, replace(repository(1), path="acme/new"))
    assert (renamed.id, renamed.repository.path) == (first.id, "acme/new")
    assert len(store.repositories(SOURCE)) == 1
    leased = store.lease_repository(first.id, 5.0, LEASE)
    assert leased is not None
    store.swept(leased, 6.0)
    assert store.repositories()[0].swept_at == 6.0
    store.swept(leased, 7.0)
    found = store.repositories()[0]
    assert (found.swept_at, found.heard_from) == (7.0, 6.0), "from the first round on"


def port(store: SqlStore) -> Store:
    """mypy holds the class against the contract here."""
    return store


def test_a_value_that_no_database_holds_is_permanent(bench: Bench) -> None:
    """What a host would never send must not be tried for ever."""
    with pytest.raises(Permanent, match="can't hold"):
        bench.push(branch(sha(1), image("api", sha(1)), name="half a pair \ud800"))
    with pytest.raises(Permanent, match="can't hold"):
        bench.store.repository_row(SOURCE, repository(2**70))


def test_gauges_tell_what_waits(bench: Bench) -> None:
    bench.store.put_deliveries([incoming("a", 100.0)])
    bench.push(branch(sha(1), image("api", sha(1)), image("web", sha(1))))
    found = bench.store.gauges(160.0)
    assert (found["inbox_new"], found["inbox_age_seconds"], found["builds_queued"]) == (1, 60, 2)


def test_a_commit_wakes_whoever_waits_in_another_store(address: Address) -> None:
    here, there = address.open(), address.open()
    woken = threading.Event()
    stop = threading.Event()

    def waiting() -> None:
        there.wait(0.0)
        while there.claim_delivery(200.0, LEASE) is None and not stop.is_set():
            there.wait(30.0)
        woken.set()

    thread = threading.Thread(target=waiting)
    thread.start()
    time.sleep(0.3)
    here.put_deliveries([incoming("a")])
    assert woken.wait(20.0)  # far less than the 30 s that it would sleep
    stop.set()
    thread.join()
    here.close()
    there.close()


def test_a_wait_in_silence_ends_in_time(address: Address) -> None:
    store = address.open()
    assert False in [store.wait(0.25) for _ in range(5)]
    store.close()
    assert store.wait(5.0) in (True, False)  # a closed store holds nobody up


def test_no_delivery_is_lost_or_handled_by_two_at_once(address: Address) -> None:
    """Two stores, two threads putting and three handling, redeliveries among them."""
    stores = [address.open(), address.open()]
    total = 120
    handled: list[str] = []
    holders: dict[str, int] = {}
    errors: list[BaseException] = []
    lock = threading.Lock()
    put = threading.Event()

    def putting(store: SqlStore, offset: int) -> None:
        for n in range(offset, total, 2):
            store.put_deliveries([incoming(f"d{n}"), incoming(f"d{n // 3}")])

    def handling(store: SqlStore) -> None:
        try:
            while True:
                finished = put.is_set()
                claimed = store.claim_delivery(200.0, LEASE)
                if claimed is None:
                    if finished:
                        return
                    store.wait(0.05)
                    continue
                with lock:
                    assert holders.setdefault(claimed.delivery, claimed.fence) == claimed.fence
                    handled.append(claimed.delivery)
                    del holders[claimed.delivery]
                store.finish_delivery(claimed, "done", "", 200.0)
        except BaseException as error:  # noqa: BLE001  told by the test
            errors.append(error)

    putters = [threading.Thread(target=putting, args=(stores[n], n)) for n in range(2)]
    handlers = [threading.Thread(target=handling, args=(stores[n % 2],)) for n in range(3)]
    for thread in [*putters, *handlers]:
        thread.start()
    for thread in putters:
        thread.join()
    put.set()
    for thread in handlers:
        thread.join()
    assert errors == []
    assert set(handled) == {f"d{n}" for n in range(total)}
    assert {row["state"] for row in stores[0].deliveries(1000)} == {"done"}
    for store in stores:
        store.close()
