"""Planning, scheduling and tagging at once, from two stores: all comes to rest, and right."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from bot.core.builds import BuildState, Outcome, OutcomeClass
from bot.core.ids import Digest
from bot.core.plans import ClaimKind, Plan, RefSeen, Withdrawal
from bot.records import (
    AdmissionLimits,
    BuildRow,
    Decided,
    LeaseLost,
    Move,
    StaleFacts,
)
from bot.store import SqlStore
from bot.store.schema import build, claim, claim_image, wanted_tag
from tests.contract.databases import (
    LEASE,
    SOURCE,
    Address,
    branch,
    digest,
    git_tag,
    head_tag,
    image,
    need,
    repository,
    request_,
    sha,
)

LIMITS = AdmissionLimits(builds=4, per_repository=2)
REPOSITORIES = 3
PUSHES = 6


@dataclass(slots=True)
class Run:
    """The workers of one run; `idle` counts how long nobody found anything to do."""

    over: threading.Event = field(default_factory=threading.Event)
    errors: list[BaseException] = field(default_factory=list)
    moved: float = field(default_factory=time.monotonic)
    most: int = 0

    def loop(self, step: Callable[[], bool]) -> None:
        try:
            while not self.over.is_set():
                if step():
                    self.moved = time.monotonic()
                else:
                    time.sleep(0.01)
        except BaseException as error:  # noqa: BLE001  told by the test
            self.errors.append(error)
            self.over.set()


def push(store: SqlStore, row_id: int, number: int, n: int, dice: random.Random) -> None:
    commit = sha(number * 1000 + n)

    def planned(tag: str) -> tuple[object, ...]:
        base = image(f"base{number}", commit, repository_id=number)
        tags = [head_tag(tag, f"api{number}")]
        needs = [need(f"base{number}", commit, number)]
        return base, image(f"api{number}", commit, repository_id=number, tags=tags, needs=needs)

    main = branch(commit, *planned("main"))  # type: ignore[arg-type]
    wishes = [main]
    if dice.random() < 0.5:
        wishes.append(request_(commit, *planned("pr-7")))  # type: ignore[arg-type]
    if dice.random() < 0.3:
        wishes.append(git_tag(commit, *planned(f"v{n}"), name=f"v{n}"))  # type: ignore[arg-type]
    gone = (Withdrawal(ClaimKind.BRANCH, "main", "superseded", "newer", commit),)
    withdraw = gone if dice.random() < 0.5 else ()
    seen = (RefSeen("refs/heads/main", commit),)
    while True:
        leased = store.lease_repository(row_id, time.time(), LEASE)
        if leased is None:
            time.sleep(0.01)
            continue
        try:
            version = store.repository_state(row_id).version
            plan = Plan("push", claims=tuple(wishes), withdraw=withdraw, seen=seen)
            store.apply_plan(leased, version, Decided(plan), None, time.time())
        except (StaleFacts, LeaseLost):
            continue
        else:
            return
        finally:
            store.release_repository(leased)


def schedule(store: SqlStore, run: Run) -> bool:
    now = time.time()
    builds = [*store.admit(LIMITS, now, LEASE), *store.due_builds(now, LEASE, 8)]
    run.most = max(run.most, store.active_count())
    for each in builds:
        try:
            advance(store, each)
        except LeaseLost:
            continue
    return bool(builds)


def result(row: BuildRow) -> Digest:
    return digest(int(row.sha, 16) * 10 + row.generation)


def advance(store: SqlStore, row: BuildRow) -> None:
    now = time.time()
    soon = now + 0.01
    match row.state:
        case BuildState.STARTING:
            store.move_build(row, Move(BuildState.RUNNING, started_at=now, next_at=soon), now)
        case BuildState.RUNNING if row.withdrawn:
            end = BuildState(row.withdrawn)
            outcome = Outcome(end, OutcomeClass(row.withdrawn), "stopped")
            store.move_build(row, Move(end, outcome=outcome), now)
        case BuildState.RUNNING:
            outcome = Outcome(
                BuildState.SUCCEEDED, OutcomeClass.SUCCEEDED, "built", digest=result(row)
            )
            store.move_build(row, Move(BuildState.TAGGING, outcome=outcome, next_at=soon), now)
        case BuildState.TAGGING:
            settled, refused = store.build_tags_settled(row)
            assert not refused
            if settled:
                store.move_build(row, Move(BuildState.SUCCEEDED), now)
            else:
                store.release_build(row, now + 3600)  # only a wake-up brings it back
        case other:
            raise AssertionError(other)


def write_tags(store: SqlStore) -> bool:
    found = store.due_tags(time.time(), LEASE, 4)
    for tag in found:
        store.tag_applied(tag, time.time(), None)
    return bool(found)


def test_everything_comes_to_rest_and_right(address: Address) -> None:
    stores = [address.open(), address.open()]
    run = Run()
    rows = {
        number: stores[0].repository_row(SOURCE, repository(number)).id
        for number in range(1, REPOSITORIES + 1)
    }

    def planner(number: int) -> None:
        dice = random.Random(number)
        numbers = iter(range(1, PUSHES + 1))

        def step() -> bool:
            n = next(numbers, None)
            if n is None:
                return False
            push(stores[number % 2], rows[number], number, n, dice)
            return True

        run.loop(step)

    threads = [threading.Thread(target=planner, args=(number,)) for number in rows]
    for store in stores:
        threads.append(threading.Thread(target=run.loop, args=(lambda s=store: schedule(s, run),)))
        threads.append(threading.Thread(target=run.loop, args=(lambda s=store: write_tags(s),)))
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not run.over.is_set():
        if time.monotonic() - run.moved > 2.0:
            break
        time.sleep(0.05)
    run.over.set()
    for thread in threads:
        thread.join()
    assert run.errors == []
    assert run.most <= LIMITS.builds
    left, tags = stores[0]._database.read(at_rest)
    assert left == []
    heads = {number: sha(number * 1000 + PUSHES) for number in rows}
    for number, head in heads.items():
        assert tags[f"reg.example/api{number}:main"] == digest(int(head, 16) * 10)
    for store in stores:
        store.close()


def at_rest(tx: Connection) -> tuple[list[object], dict[str, str]]:
    """What is not at its end, and all tags as they were written last."""
    states = select(build.c.id, build.c.state).where(
        build.c.state.not_in(["succeeded", "cancelled", "superseded"])
    )
    left: list[object] = [tuple(row) for row in tx.execute(states)]
    unsettled = (
        select(claim_image.c.claim_id, claim_image.c.image, claim_image.c.tagging)
        .join(claim, claim.c.id == claim_image.c.claim_id)
        .where(claim_image.c.tagging != "settled", claim.c.state == "live")
    )
    left += [tuple(row) for row in tx.execute(unsettled)]
    tags = {
        f"{row.name}:{row.tag}": str(row.applied_digest) for row in tx.execute(select(wanted_tag))
    }
    return left, tags
