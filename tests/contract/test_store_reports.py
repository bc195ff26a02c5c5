"""Reports and statuses: the latest wish wins, is written by one at a time, and in order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.ids import Trust
from bot.core.plans import ClaimKind, Plan, Withdrawal
from bot.core.reports import CommitStatus, StatusState
from bot.core.reports_comment import Comment
from bot.core.reports_results import Measured
from bot.records import DueReport, LeaseLost
from tests.contract.databases import LEASE, Bench, branch, digest, git_tag, image, request_, sha


def status(
    text: str, state: StatusState = StatusState.PENDING, context: str = "pushwright"
) -> CommitStatus:
    return CommitStatus(context, state, text, "https://bot.example/builds/1", "main")


def report(bench: Bench, n: int = 1) -> DueReport:
    bench.push(branch(sha(n), image("api", sha(n))))
    (due,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    return due


def test_one_report_for_a_branch_and_a_request_another_for_a_tag(bench: Bench) -> None:
    for wish in (branch, request_, git_tag):
        bench.push(wish(sha(1), image("api", sha(1))))
    due = bench.store.due_reports(bench.tick(), LEASE, 10)
    kinds = {each.family: [claim.kind for claim in each.claims] for each in due}
    assert kinds == {"": [ClaimKind.REQUEST, ClaimKind.BRANCH], " (tag)": [ClaimKind.TAG]}
    assert bench.store.due_reports(bench.tick(), LEASE, 10) == []


def test_a_report_that_changed_while_it_was_rendered_is_due_again(bench: Bench) -> None:
    due = report(bench)
    bench.admit()
    bench.want_statuses(due, [(status("queued"), False)], bench.tick(), None)
    (again,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    assert again.wanted > due.wanted
    bench.want_statuses(again, [], bench.tick(), bench.now + 60)
    assert bench.store.due_reports(bench.now + 59, LEASE, 10) == []
    assert len(bench.store.due_reports(bench.now + 60, LEASE, 10)) == 1


def test_a_renderer_that_lost_its_lease_changes_nothing(bench: Bench) -> None:
    slow = report(bench)
    (fast,) = bench.store.due_reports(bench.tick(31), LEASE, 10)
    with pytest.raises(LeaseLost):
        bench.want_statuses(slow, [(status("old"), False)], bench.now, None)
    bench.want_statuses(fast, [(status("new"), False)], bench.now, None)
    (wanted,) = bench.store.due_statuses(bench.tick(), LEASE, 10)
    assert wanted.status.description == "new"


def test_withdrawn_claims_are_told_of_too(bench: Bench) -> None:
    bench.push(branch(sha(1), image("api", sha(1))))
    gone = Withdrawal(ClaimKind.BRANCH, "main", "cancelled", "the branch was deleted")
    bench.apply(Plan("", withdraw=(gone,)))
    (due,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    assert [(claim.state, claim.text) for claim in due.claims] == [
        ("cancelled", "the branch was deleted")
    ]


def test_strangers_requests_push_nobody_out_of_a_report(bench: Bench) -> None:
    bench.push(branch(sha(1), image("api", sha(1))))
    for number in range(60):
        bench.push(request_(sha(1), name=str(number), trust=Trust.UNTRUSTED, waiting="waits"))
    (report,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    assert report.claims[-1].kind is ClaimKind.BRANCH, "newest first, and the branch is the oldest"
    assert [one.name for one in report.claims[:2]] == ["59", "58"]
    assert len(report.claims) == 50


def test_queued_builds_know_how_many_stand_before_them(bench: Bench) -> None:
    for n in (1, 2, 3):
        bench.push(branch(sha(n), image("api", sha(n))))
    due = bench.store.due_reports(bench.tick(), LEASE, 10)
    ahead = {each.sha: each.claims[0].images[0].ahead for each in due}
    assert ahead == {sha(1): 0, sha(2): 1, sha(3): 2}


def test_equal_statuses_change_nothing(bench: Bench) -> None:
    due = report(bench)
    bench.want_statuses(due, [(status("queued"), False)], bench.tick(), bench.now)
    (wanted,) = bench.store.due_statuses(bench.tick(), LEASE, 10)
    bench.store.status_applied(wanted, bench.tick(), None)
    (due,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    bench.want_statuses(due, [(status("queued"), False)], bench.tick(), None)
    assert bench.store.due_statuses(bench.tick(), LEASE, 10) == []


def test_final_ones_first_then_aggregates_then_the_oldest(bench: Bench) -> None:
    due = report(bench)
    done = StatusState.SUCCESS
    wanted = [
        (status("1", context="pushwright/a"), False),
        (status("2", context="pushwright"), False),
        (status("3", done, context="pushwright/b"), True),
        (status("4", done, context="pushwright (x)"), True),
    ]
    bench.want_statuses(due, wanted, bench.tick(), None)
    found = bench.store.due_statuses(bench.tick(), LEASE, 10)
    assert [each.status.description for each in found] == ["4", "3", "2", "1"]


def test_a_status_that_is_overtaken_is_followed_by_the_newer_one(bench: Bench) -> None:
    due = report(bench)
    bench.want_statuses(due, [(status("running"), False)], bench.tick(), bench.now)
    (writing,) = bench.store.due_statuses(bench.tick(), LEASE, 10)
    (due,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    final = status("built", StatusState.SUCCESS)
    bench.want_statuses(due, [(final, True)], bench.tick(), None)
    assert bench.store.due_statuses(bench.tick(), LEASE, 10) == []  # one writer per context
    bench.store.status_applied(writing, bench.tick(), None)
    (following,) = bench.store.due_statuses(bench.tick(), LEASE, 10)
    assert (following.status, following.final, following.checking) == (final, True, False)
    assert following.applied == status("running")
    assert following.ours == ("running", "built")
    bench.store.status_applied(following, bench.tick(), bench.now + 30)
    (check,) = bench.store.due_statuses(bench.now + 30, LEASE, 10)
    assert check.checking
    bench.store.status_applied(check, bench.now + 31, None)
    assert bench.store.due_statuses(bench.now + 9999, LEASE, 10) == []


def test_delays_deaths_and_lost_leases(bench: Bench) -> None:
    due = report(bench)
    bench.want_statuses(due, [(status("one"), False)], bench.tick(), bench.now)
    (wanted,) = bench.store.due_statuses(bench.tick(), LEASE, 10)
    bench.store.status_delayed(wanted, bench.now + 5, "")  # it waits for its turn: no try
    (wanted,) = bench.store.due_statuses(bench.tick(6), LEASE, 10)
    assert wanted.tries == 0
    bench.store.status_delayed(wanted, bench.now + 5, "502")
    (wanted,) = bench.store.due_statuses(bench.tick(6), LEASE, 10)
    assert wanted.tries == 1
    assert len(bench.store.due_statuses(bench.tick(31), LEASE, 10)) == 1
    with pytest.raises(LeaseLost):
        bench.store.status_applied(wanted, bench.now, None)
    (wanted,) = bench.store.due_statuses(bench.tick(31), LEASE, 10)
    bench.store.status_delayed(wanted, bench.now, "the commit is gone", dead=True)
    assert bench.store.due_statuses(bench.tick(9999), LEASE, 10) == []
    assert bench.store.gauges(bench.now)["statuses_dead"] == 1.0


def test_what_we_wrote_is_remembered_within_bounds(bench: Bench) -> None:
    due = report(bench)
    for n in range(30):
        bench.want_statuses(due, [(status(f"text {n}"), False)], bench.tick(), bench.now)
        (wanted,) = bench.store.due_statuses(bench.tick(), LEASE, 10)
        bench.store.status_applied(wanted, bench.tick(), None)
        (due,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    assert wanted.ours == tuple(f"text {n}" for n in range(10, 30))


def test_a_pace_is_kept_and_no_slot_is_wasted(bench: Bench) -> None:
    reserve = bench.store.reserve_pace
    assert reserve("app", 100.0, 1.0) == 0.0
    assert reserve("app", 100.25, 1.0) == 0.75
    assert reserve("app", 100.5, 1.0) == 0.5
    assert reserve("other", 100.5, 1.0) == 0.0
    assert reserve("app", 101.0, 1.0) == 0.0
    assert reserve("app", 101.0 - 10 * 86400, 1.0) == 0.0  # the clock was set back


# -- the comment on a request ----------------------------------------------------------------------


def told(bench: Bench) -> list[tuple[int | None, str, int | None]]:
    """(number, body, id at the host) of the comments that are due, each written as number 7."""
    found = bench.store.due_replies(bench.tick(), LEASE, 10)
    for one in found:
        bench.store.reply_done(one, 7)
    return [(one.reply.number, one.reply.body, one.remote_id) for one in found]


def request_report(bench: Bench, n: int = 1) -> DueReport:
    bench.push(request_(sha(n), image("api", sha(n))))
    due = bench.store.due_reports(bench.tick(), LEASE, 10)
    return next(one for one in due if one.sha == sha(n))


def test_the_latest_comment_is_written_and_equal_ones_change_nothing(bench: Bench) -> None:
    due = request_report(bench)
    number = int(due.claims[0].name)
    one = Comment(number, due.claims[0].id, "one", only_known=False)
    bench.want_statuses(due, [], bench.tick(), bench.now, one)
    (due,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    bench.want_statuses(due, [], bench.tick(), bench.now, replace(one, body="two"))
    assert told(bench) == [(number, "two", None)]
    (due,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    bench.want_statuses(due, [], bench.tick(), bench.now, replace(one, body="two"))
    assert told(bench) == []
    (due,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    bench.want_statuses(due, [], bench.tick(), None, replace(one, body="three"))
    assert told(bench) == [(number, "three", 7)]


def test_an_older_heads_comment_never_takes_the_place_of_a_newer_ones(bench: Bench) -> None:
    old = request_report(bench, 1)
    number = int(old.claims[0].name)
    new = request_report(bench, 2)
    fresh = Comment(number, new.claims[0].id, "new", only_known=False)
    bench.want_statuses(new, [], bench.tick(), None, fresh)
    stale = Comment(number, old.claims[0].id, "old", only_known=False)
    bench.want_statuses(old, [], bench.tick(), None, stale)
    assert told(bench) == [(number, "new", None)]


def test_a_comment_that_is_only_to_be_kept_up_to_date(bench: Bench) -> None:
    due = request_report(bench)
    number = int(due.claims[0].name)
    quiet = Comment(number, due.claims[0].id, "one", only_known=True)
    bench.want_statuses(due, [], bench.tick(), bench.now, quiet)
    assert told(bench) == []
    (due,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    bench.want_statuses(due, [], bench.tick(), bench.now, replace(quiet, only_known=False))
    (due,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    bench.want_statuses(due, [], bench.tick(), bench.now, replace(quiet, body="two"))
    assert told(bench) == [(number, "two", None)]


def test_what_a_build_is_compared_with(bench: Bench) -> None:
    bench.push(branch(sha(1), image("api", sha(1))))
    first = bench.succeed(bench.start(), digest(1))
    assert bench.store.measured(first, None) == Measured(None, None)
    bench.push(request_(sha(2), image("api", sha(2))))
    queued = bench.start()
    measured = bench.store.measured(queued, "main")
    assert measured.base_bytes == 9
    assert measured.median_seconds is not None
    assert measured.median_seconds > 0
    assert bench.store.measured(queued, "release").base_bytes is None
    bench.succeed(queued, digest(2))
    bench.push(branch(sha(3), image("api", sha(3))))
    bench.succeed(bench.start(), digest(3))
    assert bench.store.measured(queued, "main") == measured, "of the past alone"
