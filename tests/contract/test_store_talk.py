"""Comments in the store: each handled once and in one transaction, what is known when an approval
is decided, reactions and replies with leases; on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.builds import BuildState
from bot.core.conversation import Reaction, Spot
from bot.core.ids import Digest, ImageKey
from bot.core.plans import ClaimKind
from bot.core.promotion import GivenTag
from bot.records import JournalEntry, LeaseLost
from bot.records_talk import BegunPromotion, Obeyed, Reply, SkipImage, StopBuilds
from bot.store import SqlStore
from tests.contract.comments import DAY, SPOT, delivery, lease, obey, told
from tests.contract.databases import (
    LEASE,
    SOURCE,
    Bench,
    branch,
    digest,
    image,
    incoming,
    repository,
    request_,
    sha,
)


def reasons(store: SqlStore) -> list[tuple[object, object]]:
    return [(row["state"], row["reason"]) for row in store.deliveries(10)]


def test_a_comment_is_obeyed_once(bench: Bench) -> None:
    entry = JournalEntry(1.0, "command", "@ada: /build")
    hint = incoming("comment:1:0", 1.0)
    reply = Reply("<!-- m -->", "body", 7)
    whole = told(hints=(hint,), entries=(entry,), replies=(reply,))
    assert not bench.store.obeyed(bench.row.id, SPOT)
    assert obey(bench, whole)
    assert bench.store.obeyed(bench.row.id, SPOT)
    assert not obey(bench, whole, "comment-again")
    found = [one for one in bench.store.entries() if one.kind == "command"]
    assert [one.text for one in found] == ["@ada: /build"]
    assert len(bench.store.due_replies(bench.tick(), LEASE, 10)) == 1
    assert ("done", "done as asked") in reasons(bench.store)
    assert ("done", "this comment was handled before") in reasons(bench.store)


def test_comments_on_requests_and_commits_may_have_one_number(bench: Bench) -> None:
    assert obey(bench, told())
    assert obey(bench, told(Spot(70, sha=sha(1))), "on-commit")
    assert {one.spot for one in bench.store.due_reactions(bench.tick(), LEASE, 10)} == {
        SPOT,
        Spot(70, sha=sha(1)),
    }


def test_nothing_is_written_without_the_lease(bench: Bench) -> None:
    arrived, leased = delivery(bench), lease(bench)
    later = bench.store.lease_repository(bench.row.id, bench.tick(LEASE + 1), LEASE)
    assert later is not None
    with pytest.raises(LeaseLost):
        bench.store.obey(leased, told(), arrived, bench.now)
    assert not bench.store.obeyed(bench.row.id, SPOT)
    # Nor is anything where the delivery went to somebody else meanwhile.
    with pytest.raises(LeaseLost):
        bench.store.obey(later, told(), replace(arrived, fence=0), bench.now)
    assert not bench.store.obeyed(bench.row.id, SPOT)


def test_how_many_comments_of_a_person(bench: Bench) -> None:
    for n in range(3):
        obey(bench, told(Spot(n, number=7)), f"c{n}")
    assert bench.store.obeyed_since(SOURCE, 5, 0.0) == 3
    assert bench.store.obeyed_since(SOURCE, 6, 0.0) == 0
    assert bench.store.obeyed_since("other", 5, 0.0) == 0
    assert bench.store.obeyed_since(SOURCE, 5, bench.now) == 1


def test_a_comment_that_is_passed_over_is_handled_and_counts_for_nobody(bench: Bench) -> None:
    arrived = delivery(bench)
    bench.store.pass_over(bench.row, SPOT, arrived, "too many", bench.tick())
    assert bench.store.obeyed(bench.row.id, SPOT)
    assert bench.store.obeyed_since(SOURCE, 5, 0.0) == 0
    assert bench.store.due_reactions(bench.tick(), LEASE, 10) == []
    assert reasons(bench.store) == [("ignored", "too many")]
    assert not obey(bench, told(), "comment-again")


def test_whether_a_later_comment_on_the_request_was_handled(bench: Bench) -> None:
    obey(bench, told())
    obey(bench, told(Spot(90, number=8)), "on-another")
    obey(bench, told(Spot(91, sha=sha(1))), "on-a-commit")
    here = bench.row.id
    assert bench.store.overtaken(here, Spot(69, number=7))
    assert not bench.store.overtaken(here, SPOT)
    assert not bench.store.overtaken(here, Spot(71, number=7))
    assert not bench.store.overtaken(here, Spot(1, number=9))
    other = bench.store.repository_row(SOURCE, repository(2))
    assert not bench.store.overtaken(other.id, Spot(69, number=7))


# -- effects ---------------------------------------------------------------------------------


def test_stopping_leaves_what_another_ref_wants(bench: Bench) -> None:
    bench.push(request_(sha(1), image("api", sha(1)), image("web", sha(1))))
    bench.push(branch(sha(1), image("web", sha(1))))
    stop = StopBuilds(ClaimKind.REQUEST, "7", (), "cancelled by @ada")
    obey(bench, told(stops=(stop,)))
    states = {
        view.image: (view.build.state, view.build.reason)
        for claim in bench.store.claims_of(bench.row.id, ClaimKind.REQUEST, "7", sha(1))
        for view in claim.images
    }
    assert states[ImageKey("api")] == (BuildState.CANCELLED, "cancelled by @ada")
    assert states[ImageKey("web")][0] is BuildState.QUEUED
    shared = bench.store.shared_builds(bench.row.id, ClaimKind.REQUEST, "7", sha(1))
    (web,) = [b.id for b, _ in bench.store.find_builds() if b.image == "web"]
    assert shared == {web}


def test_stopping_one_image(bench: Bench) -> None:
    bench.push(request_(sha(1), image("api", sha(1)), image("web", sha(1))))
    stop = StopBuilds(ClaimKind.REQUEST, "7", (ImageKey("web"),), "cancelled by @ada")
    obey(bench, told(stops=(stop,)))
    found = {build.image: build.state for build, _ in bench.store.find_builds()}
    assert found == {"api": BuildState.QUEUED, "web": BuildState.CANCELLED}


def test_a_skipped_image_is_told_to_its_report(bench: Bench) -> None:
    bench.push(request_(sha(1), image("api", sha(1))))
    (report,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    bench.want_statuses(report, [], bench.now, None)
    skip = SkipImage(sha(1), "", ImageKey("api"), "skipped by @ada")
    obey(bench, told(skips=(skip,)))
    (again,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    assert again.skips == {"api": "skipped by @ada"}
    other = SkipImage(sha(1), "", ImageKey("api"), "skipped by @olga")
    obey(bench, told(Spot(71, number=7), skips=(other,)), "again")
    bench.want_statuses(again, [], bench.now, None)
    (last,) = bench.store.due_reports(bench.tick(), LEASE, 10)
    assert last.skips == {"api": "skipped by @olga"}


# -- reactions and replies -------------------------------------------------------------------


def test_a_reaction_is_written_by_one_and_tried_again_later(bench: Bench) -> None:
    obey(bench, told())
    assert bench.store.talk_due(SOURCE, bench.now)
    assert not bench.store.talk_due("other", bench.now)
    (first,) = bench.store.due_reactions(bench.tick(), LEASE, 10)
    assert (first.spot, first.reaction, first.tries) == (SPOT, Reaction.ACCEPTED, 0)
    assert bench.store.due_reactions(bench.tick(), LEASE, 10) == []
    bench.store.reaction_delayed(first, bench.now + 60, "502")
    assert not bench.store.talk_due(SOURCE, bench.now)
    assert bench.store.due_reactions(bench.tick(59), LEASE, 10) == []
    (second,) = bench.store.due_reactions(bench.tick(1), LEASE, 10)
    assert second.tries == 1
    with pytest.raises(LeaseLost):
        bench.store.reaction_done(first)
    bench.store.reaction_done(second)
    assert bench.store.due_reactions(bench.tick(DAY), LEASE, 10) == []


def test_no_reaction_where_none_is_wanted(bench: Bench) -> None:
    obey(bench, Obeyed(SPOT, 5, "answered in words", None))
    assert bench.store.due_reactions(bench.tick(), LEASE, 10) == []


def test_a_reply_is_edited_and_a_deleted_one_stays_away(bench: Bench) -> None:
    mark = "<!-- refused -->"
    obey(bench, told(replies=(Reply(mark, "one", 7),)))
    (first,) = bench.store.due_replies(bench.tick(), LEASE, 10)
    assert (first.reply.body, first.remote_id) == ("one", None)
    # It changes while it is written.
    obey(bench, told(Spot(71, number=7), replies=(Reply(mark, "two", 7),)), "second")
    bench.store.reply_done(first, 99)
    (second,) = bench.store.due_replies(bench.tick(), LEASE, 10)
    assert (second.reply.body, second.remote_id) == ("two", 99)
    bench.store.reply_done(second, None, gone=True)
    obey(bench, told(Spot(72, number=7), replies=(Reply(mark, "three", 7),)), "third")
    assert bench.store.due_replies(bench.tick(), LEASE, 10) == []


def test_a_reply_of_any_length_is_kept_whole(bench: Bench) -> None:
    """What is cut in the middle leaves blocks open, and what stood in code counts as Markdown."""
    body = f"{'ü' * 60_000}\n\0\ud800</details>"
    obey(bench, told(replies=(Reply("<!-- a -->", body, 7),)))
    (wanted,) = bench.store.due_replies(bench.tick(), LEASE, 10)
    assert wanted.reply.body == f"{'ü' * 60_000}\n\ufffd?</details>"


def test_settling_writes_nothing_where_nothing_was_refused(bench: Bench) -> None:
    settled = Reply("<!-- refused -->", "settled", 7)
    obey(bench, told(settles=settled))
    assert bench.store.due_replies(bench.tick(), LEASE, 10) == []
    refused = Reply("<!-- refused -->", "no", 7)
    obey(bench, told(Spot(71, number=7), replies=(refused,)), "second")
    (wanted,) = bench.store.due_replies(bench.tick(), LEASE, 10)
    bench.store.reply_done(wanted, 99)
    obey(bench, told(Spot(72, number=7), settles=settled), "third")
    (again,) = bench.store.due_replies(bench.tick(), LEASE, 10)
    assert (again.reply.body, again.remote_id) == ("settled", 99)
    bench.store.reply_delayed(again, bench.now + 5, "502")
    assert bench.store.due_replies(bench.tick(4), LEASE, 10) == []
    (last,) = bench.store.due_replies(bench.tick(1), LEASE, 10)
    assert last.tries == 1


def test_a_reply_on_a_commit(bench: Bench) -> None:
    obey(bench, told(Spot(70, sha=sha(1)), replies=(Reply("<!-- a -->", "x", sha=sha(1)),)))
    (wanted,) = bench.store.due_replies(bench.tick(), LEASE, 10)
    assert (wanted.reply.number, wanted.reply.sha) == (None, sha(1))


# -- what can be promoted --------------------------------------------------------------------


def test_what_a_tag_was_before_a_comment_is_remembered(bench: Bench) -> None:
    given = GivenTag("reg.test/shop", "prod", "reg.test/shop", digest(2))
    entry = JournalEntry(1.0, "promotion", "begun")

    def begin(comment: str, was: Digest | None) -> Digest | None:
        begun = BegunPromotion(comment, (given,), {given.reference: was})
        leased = lease(bench)
        try:
            return bench.store.begin_promotion(leased, begun, entry)[given.reference]
        finally:
            bench.store.release_repository(leased)

    assert begin("request:1", None) is None
    assert begin("request:1", digest(2)) is None
    assert begin("request:2", digest(2)) == digest(2)
    assert begin("request:2", digest(3)) == digest(2)
    assert len([one for one in bench.store.entries() if one.kind == "promotion"]) == 2
    later = bench.now + 10**6
    assert bench.store.due_promotions(later, LEASE, 8) == [], "nothing was written yet"


def test_a_promoted_tag_is_read_back_once(bench: Bench) -> None:
    def given(made: int) -> GivenTag:
        return GivenTag("reg.test/shop", "prod", "reg.test/shop", digest(made))

    first = Obeyed(SPOT, 1, "promoted", promoted=(given(1),))
    assert obey(bench, first)
    assert bench.store.due_promotions(bench.now, LEASE, 8) == []
    later = bench.now + 31
    (held,) = bench.store.due_promotions(later, LEASE, 8)
    assert (held.given, held.ours) == (given(1), (digest(1),))
    assert bench.store.due_promotions(later, LEASE, 8) == []
    assert obey(bench, Obeyed(Spot(71, number=7), 1, "again", promoted=(given(2),)), "second")
    with pytest.raises(LeaseLost):
        bench.store.promotion_checked(held)
    (newer,) = bench.store.due_promotions(bench.now + 31, LEASE, 8)
    assert (newer.given, newer.ours) == (given(2), (digest(1), digest(2)))
    bench.store.promotion_checked(newer, bench.now + 90)
    (again,) = bench.store.due_promotions(bench.now + 91, LEASE, 8)
    assert again.tries == 1
    bench.store.promotion_checked(again)
    assert bench.store.due_promotions(bench.now + 10**6, LEASE, 8) == []
