"""Applying plans: the order of heads, claims found again, builds shared, withdrawn, needed."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.builds import BuildState, OutcomeClass
from bot.core.ids import ImageKey, Sha, Trust
from bot.core.mistakes import Mistake
from bot.core.plans import ClaimKind, Plan, RefSeen, Withdrawal
from bot.records import (
    AdmissionLimits,
    Decided,
    LeaseLost,
    Move,
    StaleFacts,
)
from tests.contract.databases import (
    LEASE,
    Bench,
    branch,
    digest,
    git_tag,
    head_tag,
    image,
    incoming,
    need,
    request_,
    sha,
)
from tests.contract.tables import contents

MAIN = "refs/heads/main"


def withdraw(kind: ClaimKind, name: str, keep: Sha | None = None) -> Withdrawal:
    return Withdrawal(kind, name, "superseded", "a newer push took its place", keep)


def sequences(bench: Bench) -> dict[str, int]:
    """Of the newest claim per ref and commit."""
    claims = bench.store.repository_state(bench.row.id).claims
    return {f"{claim.name}@{claim.sha.lstrip('0')}": claim.sequence for claim in claims}


class TestOrderOfHeads:
    def test_each_sighting_of_a_new_head_takes_the_next_number(self, bench: Bench) -> None:
        for n in (1, 2, 2, 3):
            bench.apply(Plan("", seen=(RefSeen(MAIN, sha(n)),)))
        bench.apply(Plan("", seen=(RefSeen("refs/tags/v1", sha(3)),)))
        refs = bench.store.repository_state(bench.row.id).refs
        assert (refs[MAIN].sha, refs[MAIN].sequence) == (sha(3), 6)
        assert refs["refs/tags/v1"].sequence == 8

    def test_a_push_that_the_host_never_showed_stands_below_the_head(self, bench: Bench) -> None:
        bench.push(branch(sha(2), image("api", sha(2))))
        bench.push(branch(sha(1), image("api", sha(1))), seen=False)
        assert sequences(bench) == {"main@2": 2, "main@1": 1}

    def test_a_commit_that_was_head_keeps_its_number(self, bench: Bench) -> None:
        bench.push(branch(sha(1), image("api", sha(1))))
        gone = [withdraw(ClaimKind.BRANCH, "main", sha(2))]
        bench.push(branch(sha(2), image("api", sha(2))), withdraw=gone)
        bench.push(branch(sha(1), image("api", sha(1))), seen=False)
        assert sequences(bench) == {"main@1": 2, "main@2": 4}

    def test_a_head_that_comes_back_is_a_new_sighting(self, bench: Bench) -> None:
        for n in (1, 2, 1):
            bench.push(branch(sha(n), image("api", sha(n))))
        assert sequences(bench) == {"main@1": 6, "main@2": 4}

    def test_a_ref_that_is_gone_keeps_its_number(self, bench: Bench) -> None:
        bench.apply(Plan("", seen=(RefSeen(MAIN, sha(1)),)))
        bench.apply(Plan("", seen=(RefSeen(MAIN, None),)))
        refs = bench.store.repository_state(bench.row.id).refs
        assert (refs[MAIN].sha, refs[MAIN].sequence) == (None, 2)

    def test_recording_refs_builds_nothing(self, bench: Bench) -> None:
        leased = bench.store.lease_repository(bench.row.id, bench.now, LEASE)
        assert leased is not None
        refs: dict[str, Sha | None] = {f"refs/tags/v{n}": sha(n) for n in range(1200)}
        bench.store.record_refs(leased, refs, bench.now, "1200 tags at first sight")
        state = bench.store.repository_state(bench.row.id)
        assert len(state.refs) == 1200
        assert len({ref.sequence for ref in state.refs.values()}) == 1200
        assert bench.store.find_builds() == []
        assert [entry.text for entry in bench.store.entries()] == ["1200 tags at first sight"]


class TestReplay:
    def test_a_replayed_event_changes_nothing(self, bench: Bench) -> None:
        wish = branch(
            sha(1),
            image("base", sha(1)),
            image("api", sha(1), tags=[head_tag("main")], needs=[need("base", sha(1))]),
        )
        first = bench.push(wish)
        assert [how for *_, how in first.builds] == ["new", "new"]
        before = contents(bench.store)
        again = bench.push(wish)
        assert [how for *_, how in again.builds] == ["joined", "joined"]
        assert [id_ for _, id_, _ in again.builds] == [id_ for _, id_, _ in first.builds]
        assert contents(bench.store) == before

    @pytest.mark.parametrize("ending", ["succeeded", "failed"])
    def test_a_replay_after_the_end_builds_nothing(self, bench: Bench, ending: str) -> None:
        wish = branch(sha(1), image("api", sha(1), tags=[head_tag("main")]))
        bench.push(wish)
        (build,) = bench.admit()
        if ending == "succeeded":
            bench.succeed(build, digest(1))
        else:
            bench.fail(build)
        before = contents(bench.store)
        assert [how for *_, how in bench.push(wish).builds] == ["reused"]
        assert contents(bench.store) == before
        assert bench.admit() == []

    def test_a_replay_that_finds_nothing_affected_any_more_changes_nothing(
        self, bench: Bench
    ) -> None:
        """After the success the base moved: the same push now differs in no file."""
        bench.push(branch(sha(1), image("api", sha(1))))
        before = contents(bench.store)
        bench.push(branch(sha(1), nothing="no image is affected"))
        assert contents(bench.store) == before

    def test_a_new_claim_builds_again_what_failed(self, bench: Bench) -> None:
        bench.push(branch(sha(1), image("api", sha(1))))
        bench.fail(bench.start())
        applied = bench.push(git_tag(sha(1), image("api", sha(1))))
        assert [how for *_, how in applied.builds] == ["new"]
        (build,) = bench.admit()
        assert build.generation == 1

    def test_a_new_claim_reuses_what_succeeded(self, bench: Bench) -> None:
        bench.push(branch(sha(1), image("api", sha(1))))
        bench.succeed(bench.start(), digest(1))
        tagged = git_tag(sha(1), image("api", sha(1), tags=[head_tag("v1")]))
        assert [how for *_, how in bench.push(tagged).builds] == ["reused"]
        assert bench.write_tags() == [f"reg.example/api:v1@{digest(1)}"]

    def test_again_makes_the_next_generation_but_joins_what_is_on_its_way(
        self, bench: Bench
    ) -> None:
        wish = branch(sha(1), image("api", sha(1)))
        bench.push(wish)
        assert [how for *_, how in bench.push(wish, again=True).builds] == ["joined"]
        bench.succeed(bench.start(), digest(1))
        assert [how for *_, how in bench.push(wish, again=True).builds] == ["new"]
        (build,) = bench.admit()
        assert build.generation == 1

    def test_a_success_for_a_claim_that_came_while_it_was_tagging(self, bench: Bench) -> None:
        bench.push(branch(sha(1), image("api", sha(1), tags=[head_tag("main")])))
        build = bench.prove(bench.start(), digest(1))
        tagged = git_tag(sha(1), image("api", sha(1), tags=[head_tag("v1")]))
        assert [how for *_, how in bench.push(tagged).builds] == ["joined"]
        assert len(bench.write_tags()) == 2
        assert bench.store.build_tags_settled(build) == (True, ())


class TestGuards:
    def test_a_plan_from_stale_facts_is_refused_whole(self, bench: Bench) -> None:
        version = bench.store.repository_state(bench.row.id).version
        bench.push(branch(sha(1), image("api", sha(1))))
        leased = bench.store.lease_repository(bench.row.id, bench.tick(100), LEASE)
        assert leased is not None
        before = contents(bench.store)
        plan = Plan(
            "", claims=(branch(sha(2), image("api", sha(2))),), seen=(RefSeen(MAIN, sha(2)),)
        )
        with pytest.raises(StaleFacts):
            bench.store.apply_plan(leased, version, Decided(plan), None, bench.now)
        assert contents(bench.store) == before

    def test_a_lost_lease_writes_nothing(self, bench: Bench) -> None:
        slow = bench.store.lease_repository(bench.row.id, 1.0, LEASE)
        assert bench.store.lease_repository(bench.row.id, 2.0, LEASE) is None
        fast = bench.store.lease_repository(bench.row.id, 100.0, LEASE)
        assert slow is not None
        assert fast is not None
        plan = Plan("", claims=(branch(sha(1), image("api", sha(1))),))
        with pytest.raises(LeaseLost):
            bench.store.apply_plan(slow, 0, Decided(plan), None, 101.0)
        with pytest.raises(LeaseLost):
            bench.store.record_refs(slow, {MAIN: sha(1)}, 101.0, "")
        with pytest.raises(LeaseLost):
            bench.store.swept(slow, 101.0)
        bench.store.release_repository(slow)  # no longer its to give back
        assert bench.store.lease_repository(bench.row.id, 102.0, LEASE) is None
        bench.store.release_repository(fast)
        assert bench.store.lease_repository(bench.row.id, 102.0, LEASE) is not None

    def test_the_delivery_is_done_with_its_plan_or_not_at_all(self, bench: Bench) -> None:
        bench.store.put_deliveries([incoming("a", 1.0)])
        slow = bench.store.claim_delivery(2.0, 1.0)
        fast = bench.store.claim_delivery(4.0, LEASE)
        plan = Plan("one", claims=(branch(sha(1), image("api", sha(1))),))
        with pytest.raises(LeaseLost):
            bench.apply(plan, delivery=slow)
        assert bench.store.find_builds() == []
        bench.apply(plan, delivery=fast)
        (row,) = bench.store.deliveries(1)
        assert (row["state"], row["reason"], row["repository_id"]) == ("done", "one", bench.row.id)


class TestWithdrawal:
    def test_closing_a_request_leaves_the_branchs_build_alone(self, bench: Bench) -> None:
        bench.push(branch(sha(1), image("api", sha(1))))
        bench.push(request_(sha(1), image("api", sha(1))))
        closed = Withdrawal(ClaimKind.REQUEST, "7", "cancelled", "closed")
        applied = bench.apply(Plan("closed", withdraw=(closed,)))
        assert applied.cancelled == ()
        (build,) = bench.admit()
        assert build.withdrawn == ""
        closed_too = Withdrawal(ClaimKind.BRANCH, "main", "cancelled", "deleted")
        assert bench.apply(Plan("deleted", withdraw=(closed_too,))).cancelled == (build.id,)

    def test_a_queued_build_ends_at_once_and_an_active_one_is_asked_to(self, bench: Bench) -> None:
        bench.push(branch(sha(1), image("api", sha(1)), image("web", sha(1))))
        (active,) = bench.admit(AdmissionLimits(1, 1))
        gone = [withdraw(ClaimKind.BRANCH, "main", sha(2))]
        bench.push(branch(sha(2)), withdraw=gone)
        rows = {row.image: row for row, _ in bench.store.find_builds()}
        queued = next(row for key, row in rows.items() if key != active.image)
        assert queued.state is BuildState.SUPERSEDED
        assert queued.outcome is not None
        assert queued.outcome.kind is OutcomeClass.SUPERSEDED
        assert (rows[active.image].state, rows[active.image].withdrawn) == (
            BuildState.STARTING,
            "superseded",
        )
        bench.store.release_build(active, bench.now + 1000)
        (due,) = bench.store.due_builds(bench.tick(), LEASE, 10)  # woken, in spite of the release
        assert due.withdrawn == "superseded"

    def test_a_withdrawn_build_is_not_tried_again(self, bench: Bench) -> None:
        bench.push(branch(sha(1), image("api", sha(1))))
        (build,) = bench.admit()
        bench.apply(Plan("", withdraw=(withdraw(ClaimKind.BRANCH, "main"),)))
        moved = bench.store.move_build(build, Move(BuildState.QUEUED, "node lost"), bench.tick())
        assert moved.state is BuildState.SUPERSEDED

    def test_a_claim_for_a_build_that_is_being_stopped_gets_its_own(self, bench: Bench) -> None:
        bench.push(branch(sha(1), image("api", sha(1))))
        bench.admit()
        bench.apply(Plan("", withdraw=(withdraw(ClaimKind.BRANCH, "main"),)))
        applied = bench.push(git_tag(sha(1), image("api", sha(1))))
        assert [how for *_, how in applied.builds] == ["new"]

    def test_keep_keeps_one_commit(self, bench: Bench) -> None:
        bench.push(branch(sha(1), image("api", sha(1))))
        gone = [withdraw(ClaimKind.BRANCH, "main", sha(1))]
        assert bench.push(branch(sha(1), image("api", sha(1))), withdraw=gone).cancelled == ()
        assert len(bench.admit()) == 1

    def test_a_recipe_that_changed_replaces_the_build(self, bench: Bench) -> None:
        bench.push(request_(sha(1), image("api", sha(1), recipe="one")))
        applied = bench.push(request_(sha(1), image("api", sha(1), recipe="two")))
        assert [how for *_, how in applied.builds] == ["new"]
        assert len(applied.cancelled) == 1


class TestNothingRuns:
    @pytest.mark.parametrize("why", [{"waiting": "waiting for /ok-to-test"}, {"observe": True}])
    def test_waiting_and_observed_claims_build_nothing(
        self, bench: Bench, why: dict[str, Any]
    ) -> None:
        wish = request_(
            sha(1), image("api", sha(1), tags=[head_tag("pr-7")]), trust=Trust.UNTRUSTED, **why
        )
        assert bench.push(wish).builds == ()
        assert bench.admit() == []
        (report,) = bench.store.due_reports(bench.tick(), LEASE, 10)
        told = report.claims[0].wish["images"]
        assert isinstance(told, list)
        assert [each["image"] for each in told] == ["api"]

    def test_an_approval_builds_what_waited(self, bench: Bench) -> None:
        bench.push(request_(sha(1), image("api", sha(1)), waiting="waiting for /ok-to-test"))
        applied = bench.push(request_(sha(1), image("api", sha(1))))
        assert [how for *_, how in applied.builds] == ["new"]
        (report,) = bench.store.due_reports(bench.tick(), LEASE, 10)
        (claim,) = report.claims
        assert claim.wish["waiting"] is None
        assert bench.store.claim_by_page(claim.page) == (claim, bench.row)

    def test_mistakes_are_told(self, bench: Bench) -> None:
        wrong = Mistake(".pushwright.yaml", 3, 5, "unknown key 'imagse'", "did you mean 'images'?")
        bench.push(branch(sha(1), mistakes=(wrong,)))
        (report,) = bench.store.due_reports(bench.tick(), LEASE, 10)
        wish: Any = report.claims[0].wish
        (told,) = wish["mistakes"]
        assert (told["line"], told["hint"]) == (3, "did you mean 'images'?")


class TestNeeds:
    def wish(self, bench: Bench) -> None:
        bench.push(
            branch(
                sha(1),
                image("api", sha(1), needs=[need("base", sha(1))]),
                image("base", sha(1)),
                image("web", sha(1), needs=[need("api", sha(1))]),
            )
        )

    def test_a_build_waits_for_what_it_needs(self, bench: Bench) -> None:
        self.wish(bench)
        for expected in ("base", "api", "web"):
            (build,) = bench.admit()
            assert build.image == expected
            assert bench.admit() == []
            bench.succeed(build, digest(len(expected)))
        assert [row.image for row in bench.store.needed(build.id)] == ["api"]

    def test_a_needed_build_that_failed_fails_all_that_need_it(self, bench: Bench) -> None:
        self.wish(bench)
        (base,) = bench.admit()
        bench.fail(base)
        assert bench.admit() == []
        rows = {row.image: row for row, _ in bench.store.find_builds()}
        for key in ("api", "web"):
            outcome = rows[ImageKey(key)].outcome
            assert outcome is not None
            assert (outcome.state, outcome.kind) == (BuildState.FAILED, OutcomeClass.NEED_FAILED)

    def test_a_need_that_succeeded_before_holds_nothing_up(self, bench: Bench) -> None:
        bench.push(branch(sha(1), image("base", sha(1))))
        bench.succeed(bench.start(), digest(1))
        self.wish(bench)
        (build,) = bench.admit()
        assert build.image == "api"
