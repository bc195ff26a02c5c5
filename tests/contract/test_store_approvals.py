"""What the store knows when an approval is decided, and what ends with one that is taken back; on
both databases."""

from __future__ import annotations

from dataclasses import replace

from bot.core.approvals import Approval, Revocation, Standing, Waiting
from bot.core.builds import BuildState
from bot.core.conversation import Spot
from bot.core.ids import ImageKey, Sha, Trust
from bot.core.plans import ClaimKind, Plan, Withdrawal
from bot.core.reports import CommitStatus, StatusState
from bot.records import Decided
from bot.records_talk import SkipImage
from tests.contract.comments import DAY, DAYS, SPOT, delivery, lease, obey, told
from tests.contract.databases import (
    LEASE,
    SOURCE,
    Bench,
    image,
    incoming,
    repository,
    request_,
    sha,
)


def approve(bench: Bench, commit: Sha, seconds: float = DAY) -> Approval:
    return Approval(7, commit, 5, "ada", "write", bench.now, bench.now + seconds)


def standing(bench: Bench, commit: Sha) -> Standing:
    return bench.store.standing(bench.row.id, 7, commit, bench.now)


def test_an_approval_is_for_one_commit_of_one_request_and_lapses(bench: Bench) -> None:
    before = bench.store.repository_state(bench.row.id).version
    obey(bench, told(approvals=(approve(bench, sha(1), 100.0),)))
    state = bench.store.repository_state(bench.row.id)
    assert state.version != before, "a plan made without it is stale"
    assert list(state.approvals) == [("request/7", sha(1))]
    assert standing(bench, sha(1)).approved_until is not None
    assert standing(bench, sha(2)).approved_until is None
    assert bench.store.standing(bench.row.id, 8, sha(1), bench.now).approved_until is None
    bench.tick(100)
    assert standing(bench, sha(1)).approved_until is None


def test_taking_an_approval_back_ends_what_it_let_begin(bench: Bench) -> None:
    wants = image("api", sha(1)), image("web", sha(1))
    obey(bench, told(approvals=(approve(bench, sha(1)), replace(approve(bench, sha(1)), number=8))))
    bench.push(request_(sha(1), *wants, trust=Trust.UNTRUSTED))
    other = replace(request_(sha(1), wants[1], trust=Trust.UNTRUSTED), name="8")
    bench.push(other)
    before = bench.store.repository_state(bench.row.id).version
    taken = Revocation(7, sha(1), "approval taken back by @ada")
    obey(bench, told(Spot(71, number=7), approvals=(taken,)), "back")
    state = bench.store.repository_state(bench.row.id)
    assert state.version != before, "a plan made with it is stale"
    assert list(state.approvals) == [("request/8", sha(1))]
    assert [claim.name for claim in state.claims] == ["8"]
    found = {build.image: build.state for build, _ in bench.store.find_builds()}
    assert found == {"api": BuildState.CANCELLED, "web": BuildState.QUEUED}
    # Approved again, what was stopped is built anew.
    obey(bench, told(Spot(72, number=7), approvals=(approve(bench, sha(1)),)), "again")
    bench.push(request_(sha(1), *wants, trust=Trust.UNTRUSTED))
    states = [build.state for build, _ in bench.store.find_builds() if build.image == "api"]
    assert sorted(states) == [BuildState.CANCELLED, BuildState.QUEUED]


def test_an_approval_that_is_taken_back_leaves_what_was_trusted(bench: Bench) -> None:
    bench.push(request_(sha(1), image("api", sha(1))))
    obey(bench, told(approvals=(approve(bench, sha(1)), Revocation(7, sha(1), "taken back"))))
    state = bench.store.repository_state(bench.row.id)
    assert not state.approvals
    assert [claim.name for claim in state.claims] == ["7"]
    assert [build.state for build, _ in bench.store.find_builds()] == [BuildState.QUEUED]


def named(bench: Bench, commit: Sha) -> None:
    leased = lease(bench)
    version = bench.store.repository_state(bench.row.id).version
    decided = Decided(Plan("seen"), named=("7", commit))
    bench.store.apply_plan(leased, version, decided, None, bench.tick())
    bench.store.release_repository(leased)


def test_other_heads_are_remembered_with_when_they_were_last_named(bench: Bench) -> None:
    assert standing(bench, sha(1)).other_seen_at is None
    named(bench, sha(1))
    assert standing(bench, sha(1)).other_seen_at is None
    named(bench, sha(2))
    first = standing(bench, sha(1)).other_seen_at
    assert first == bench.now
    named(bench, sha(2))
    assert standing(bench, sha(1)).other_seen_at == bench.now > first


def waiting(bench: Bench, commit: Sha) -> CommitStatus:
    text = f"waiting for /ok-to-test {commit}"
    bench.push(request_(commit, trust=Trust.UNTRUSTED, waiting=text))
    status = CommitStatus("pushwright", StatusState.PENDING, text, None, "topic")
    (report,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    bench.want_statuses(report, [(status, False)], bench.tick(), None)
    return status


def test_a_head_waits_once_the_host_took_the_status_that_says_so(bench: Bench) -> None:
    waiting(bench, sha(1))
    assert standing(bench, sha(1)).waiting is None
    (wanted,) = bench.store.due_statuses(bench.tick(), LEASE, 10)
    assert standing(bench, sha(1)).waiting is None
    bench.store.status_applied(wanted, bench.tick(), bench.now + 30, 555.0)
    assert standing(bench, sha(1)).waiting == Waiting(sha(1), bench.now, 555.0)
    applied_at = bench.now
    # Reading it back, a lease later, is no new acceptance.
    (check,) = bench.store.due_statuses(bench.tick(31), LEASE, 10)
    bench.store.status_applied(check, bench.tick(), None)
    assert standing(bench, sha(1)).waiting == Waiting(sha(1), applied_at, 555.0)


def test_a_status_that_says_something_else_by_now_is_no_waiting(bench: Bench) -> None:
    waiting(bench, sha(1))
    (wanted,) = bench.store.due_statuses(bench.tick(), LEASE, 10)
    bench.store.status_applied(wanted, bench.tick(), None, 555.0)
    gone = Withdrawal(ClaimKind.REQUEST, "7", "cancelled", "closed")
    bench.apply(Plan("", withdraw=(gone,)))
    other = CommitStatus("pushwright", StatusState.CANCELLED, "closed", None, "topic")
    (report,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    bench.want_statuses(report, [(other, True)], bench.tick(), None)
    assert standing(bench, sha(1)).waiting is None


def test_deliveries_that_came_earlier(bench: Bench) -> None:
    arrived = delivery(bench)
    store, here = bench.store, bench.row.id
    assert not store.undecided_before(SOURCE, arrived.received_at, here)
    store.put_deliveries([incoming("earlier", arrived.received_at - 1)])
    assert store.undecided_before(SOURCE, arrived.received_at, here)
    assert not store.undecided_before("other", arrived.received_at, here)
    # Once it is known what it is about, other repositories need not wait for it.
    earlier = store.claim_delivery(bench.tick(), LEASE)
    assert earlier is not None
    store.delivery_of(earlier, here)
    assert store.undecided_before(SOURCE, arrived.received_at, here)
    other = store.repository_row(SOURCE, repository(2))
    assert not store.undecided_before(SOURCE, arrived.received_at, other.id)


def test_old_comments_and_approvals_are_removed(bench: Bench) -> None:
    skip = SkipImage(sha(1), "", ImageKey("api"), "skipped")
    obey(bench, told(approvals=(approve(bench, sha(1)),), skips=(skip,)))
    named(bench, sha(2))
    bench.store.housekeeping(bench.now + 89 * DAY, DAYS)
    assert bench.store.obeyed(bench.row.id, SPOT)
    bench.store.housekeeping(bench.now + 91 * DAY, DAYS)
    assert not bench.store.obeyed(bench.row.id, SPOT)
    assert bench.store.repository_state(bench.row.id).approvals
    counts = bench.store.housekeeping(bench.now + 190 * DAY, DAYS)
    assert counts["approvals"] >= 2
    assert counts["skips"] == 1
    assert not bench.store.repository_state(bench.row.id).approvals
