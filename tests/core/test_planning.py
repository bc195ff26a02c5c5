"""Which commit an event claims, what it withdraws, and what is recorded of the ref."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.approvals import Since
from bot.core.events import (
    BranchDeleted,
    MergeGroupDestroyed,
    RequestClosed,
    TagDeleted,
)
from bot.core.facts import LiveClaim, NoConfig, PlannedEvent
from bot.core.ids import Sha, Trust
from bot.core.mistakes import Mistake
from bot.core.planning import plan
from bot.core.plans import ClaimKind, RefSeen, Withdrawal
from tests.core.scene import (
    ANNA,
    REPOSITORY,
    RULE,
    A,
    B,
    C,
    claim,
    config,
    facts,
    image,
    pushed,
    queued,
    requested,
    skipped,
    tagged,
    tags,
)

TWO = config("""\
version: 1
images:
  api: {}
  web: {required: true}
""")


def test_a_repository_that_no_rule_names_changes_nothing() -> None:
    found = plan(facts(pushed(), rule=None))
    assert (found.claims, found.withdraw, found.seen) == ((), (), ())
    assert found.note == "repository is not in the central config"


@pytest.mark.parametrize(
    ("event", "key", "kind", "name", "text"),
    [
        (
            BranchDeleted(REPOSITORY, ANNA, "x", A),
            "refs/heads/x",
            ClaimKind.BRANCH,
            "x",
            "cancelled: branch x was deleted",
        ),
        (
            TagDeleted(REPOSITORY, ANNA, "v1"),
            "refs/tags/v1",
            ClaimKind.TAG,
            "v1",
            "cancelled: tag v1 was deleted",
        ),
        (
            RequestClosed(REPOSITORY, ANNA, requested().request, merged=True),
            "request/7",
            ClaimKind.REQUEST,
            "7",
            "cancelled: request 7 was merged",
        ),
        (
            RequestClosed(REPOSITORY, ANNA, requested().request, merged=False),
            "request/7",
            ClaimKind.REQUEST,
            "7",
            "cancelled: request 7 was closed",
        ),
        (
            MergeGroupDestroyed(REPOSITORY, ANNA, A, queued().head_ref, "dequeued"),
            "refs/heads/gh-readonly-queue/main/pr-7-abc",
            ClaimKind.MERGE_GROUP,
            "gh-readonly-queue/main/pr-7-abc",
            "cancelled: left the merge queue: dequeued",
        ),
    ],
)
def test_what_is_gone_withdraws_its_own_claims_and_no_others(
    event: PlannedEvent, key: str, kind: ClaimKind, name: str, text: str
) -> None:
    found = plan(facts(event))
    assert found.withdraw == (Withdrawal(kind, name, "cancelled", text),)
    assert found.seen == (RefSeen(key, None),)
    assert found.claims == ()


def test_a_push_and_a_pull_request_of_one_commit_are_one_build() -> None:
    branch = plan(facts(pushed(), config=TWO))
    request = plan(facts(requested(), config=TWO))
    assert image(branch, "api").identity == image(request, "api").identity
    assert tags(branch, "api") == ["main", "sha-aaaaaaa"]
    assert tags(request, "api") == ["pr-7", "pr-7-sha-aaaaaaa"]


def test_an_argument_that_names_the_ref_makes_them_two_builds() -> None:
    named = config("version: 1\nimages: {api: {args: {BRANCH: '{{branch}}'}}}\n")
    branch, request = plan(facts(pushed(), config=named)), plan(facts(requested(), config=named))
    assert image(branch, "api").identity != image(request, "api").identity


def test_another_trust_is_another_build() -> None:
    trusted = plan(facts(pushed()))
    same = plan(facts(pushed(), trust=Trust.UNTRUSTED))
    assert claim(trusted).images
    assert not claim(same).images


def test_the_time_of_planning_changes_no_identity() -> None:
    later = facts(pushed(), config=TWO)
    later = replace(later, now=later.now.replace(year=2027))
    assert plan(later) == plan(facts(pushed(), config=TWO))


# -- heads -----------------------------------------------------------------------------------


def test_every_push_to_a_branch_is_built_head_or_not() -> None:
    found = plan(facts(pushed(sha=A), head=B, known=None))
    assert claim(found).sha == A
    assert found.seen == (RefSeen("refs/heads/main", A),)


@pytest.mark.parametrize("known", [B, C])
def test_a_late_delivery_does_not_show_an_old_commit_as_head_again(known: Sha) -> None:
    found = plan(facts(pushed(sha=A), head=B, known=known))
    assert claim(found).sha == A
    assert found.seen == ()


def test_a_push_that_follows_what_is_known_takes_the_next_place_in_the_order() -> None:
    follows = replace(pushed(sha=A), before=C)
    assert plan(facts(follows, head=B, known=C)).seen == (RefSeen("refs/heads/main", A),)


def test_a_head_that_nobody_planned_yet_stays_findable_for_the_sweep() -> None:
    found = plan(facts(requested(sha=A), head=B, known=None))
    assert found.seen == ()
    assert found.claims == ()


def test_cancel_in_progress_withdraws_older_claims_of_the_same_request_only() -> None:
    claims = (
        LiveClaim(1, ClaimKind.REQUEST, "7", B, 1, unfinished=True),
        LiveClaim(2, ClaimKind.REQUEST, "8", B, 1, unfinished=True),
        LiveClaim(3, ClaimKind.BRANCH, "7", B, 1, unfinished=True),
    )
    found = plan(facts(requested(sha=A), claims=claims))
    assert found.withdraw == (
        Withdrawal(ClaimKind.REQUEST, "7", "superseded", "superseded by aaaaaaa", keep=A),
    )


def test_branches_build_every_push_unless_they_say_otherwise() -> None:
    claims = (LiveClaim(1, ClaimKind.BRANCH, "main", B, 1, unfinished=True),)
    assert plan(facts(pushed(sha=A), claims=claims)).withdraw == ()
    said = config("version: 1\nimages: {api: {}}\nconcurrency: {cancel-in-progress: true}\n")
    (withdrawal,) = plan(facts(pushed(sha=A), claims=claims, config=said)).withdraw
    assert (withdrawal.state, withdrawal.keep) == ("superseded", A)


def test_a_moved_tag_always_withdraws_its_older_claim() -> None:
    claims = (LiveClaim(1, ClaimKind.TAG, "v1.0.0", B, 1, unfinished=True),)
    (withdrawal,) = plan(facts(tagged("v1.0.0", A), claims=claims)).withdraw
    assert withdrawal == Withdrawal(
        ClaimKind.TAG, "v1.0.0", "superseded", "superseded by aaaaaaa", keep=A
    )
    late = plan(facts(tagged("v1.0.0", A), head=B, claims=claims))
    assert late.claims == ()
    assert late.withdraw[0].keep == B


def test_closing_a_request_leaves_the_branch_alone() -> None:
    closed = RequestClosed(REPOSITORY, ANNA, requested(sha=A).request, merged=True)
    claims = (LiveClaim(1, ClaimKind.BRANCH, "topic", A, 1, unfinished=True),)
    (withdrawal,) = plan(facts(closed, claims=claims)).withdraw
    assert (withdrawal.kind, withdrawal.name) == (ClaimKind.REQUEST, "7")


def test_a_label_changes_nothing() -> None:
    found = plan(facts(requested(action="labeled")))
    assert (found.claims, found.withdraw) == ((), ())


# -- skip tokens -----------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["[skip ci]", "[ci skip]", "[skip pushwright]"])
def test_a_skip_token_counts_for_branch_pushes_only(token: str) -> None:
    message = f"docs\n\n{token}"
    push = plan(facts(pushed(message=message), config=TWO))
    assert claim(push).nothing == f"nothing to build: {token} in the commit message"
    assert skipped(push) == dict.fromkeys(["api", "web"], f"{token} in the commit message")
    assert claim(plan(facts(requested(title=message), message=message, config=TWO))).images
    assert claim(plan(facts(tagged("v1.0.0"), message=message, config=TWO))).images


def test_the_push_option_counts_too_and_a_person_who_names_an_image_beats_both() -> None:
    push = facts(pushed(skip_asked=True), config=TWO)
    assert claim(plan(push)).nothing == "nothing to build: push option ci.skip"
    by_hand = plan(replace(push, only=(TWO.images[0].key,)))
    assert [one.image for one in claim(by_hand).images] == ["api"]
    assert skipped(by_hand) == {"web": "not asked for"}


# -- trust, modes, no file -------------------------------------------------------------------


def test_a_fork_waits_for_the_full_commit_id_and_nothing_runs() -> None:
    found = claim(plan(facts(requested(), trust=Trust.UNTRUSTED, config=TWO)))
    assert found.waiting == f"waiting for /ok-to-test {A}"
    assert found.images == ()
    assert {one.why for one in found.skipped} == {found.waiting}


def test_a_fork_that_waits_again_is_compared_with_what_was_approved_before() -> None:
    waiting = facts(requested(), trust=Trust.UNTRUSTED, config=TWO)
    assert claim(plan(waiting)).since is None
    again = replace(waiting, approved_before=B)
    assert claim(plan(again)).since == Since(B, f"https://git.test/s/compare/{B}..{A}")
    assert claim(plan(replace(again, approved=True))).since is None


def test_a_refusal_of_the_executor_is_said() -> None:
    found = claim(plan(facts(requested(), trust=Trust.UNTRUSTED, refused="one daemon, one cache")))
    assert found.waiting == f"waiting for /ok-to-test {A}; one daemon, one cache"


def test_a_fork_that_touches_no_image_waits_for_nobody() -> None:
    draft = config("version: 1\nimages: {api: {on: {pull_request: {branches: [release]}}}}\n")
    found = claim(plan(facts(requested(), trust=Trust.UNTRUSTED, config=draft)))
    assert found.waiting is None
    assert found.nothing == "nothing to build: target branch main matches none of release"


def test_the_merge_queue_never_pushes() -> None:
    found = image(plan(facts(queued(), config=TWO)), "api")
    assert found.check_only
    assert found.tags == ()
    assert found.recipe["push"] is None


def test_observing_reports_and_starts_nothing() -> None:
    rule = replace(RULE, mode="observe")
    found = claim(plan(facts(pushed(), rule=rule, config=TWO)))
    assert found.observe
    assert found.nothing == "observed only, nothing was started: would build api, web"
    assert [one.image for one in found.images] == ["api", "web"]


def test_without_file_and_dockerfile_there_is_nothing_to_build() -> None:
    found = claim(plan(facts(pushed(), config=NoConfig(dockerfile=False))))
    assert found.nothing == "nothing to build: no Dockerfile at the root and no .pushwright.yaml"


def test_an_administrator_can_ask_for_a_file() -> None:
    found = claim(plan(facts(pushed(), rule=replace(RULE, zero_config=False))))
    assert found.nothing is not None
    assert "no .pushwright.yaml" in found.nothing


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (pushed("main"), ["main", "sha-aaaaaaa"]),
        (pushed("topic"), None),
        (tagged("v1.2.3"), ["1.2.3", "sha-aaaaaaa", "latest"]),
        (tagged("release-1"), None),
        (requested(), ["pr-7", "pr-7-sha-aaaaaaa"]),
    ],
)
def test_without_a_file_the_default_branch_version_tags_and_requests_are_built(
    event: PlannedEvent, wanted: list[str] | None
) -> None:
    found = plan(facts(event))
    if wanted is None:
        assert claim(found).images == ()
        assert str(claim(found).nothing).startswith("nothing to build: ")
    else:
        assert tags(found, "shop") == wanted


def test_mistakes_of_the_file_build_nothing() -> None:
    wrong = (Mistake(".pushwright.yaml", 3, 5, "unknown key"),)
    found = claim(plan(facts(pushed(), config=wrong)))
    assert found.mistakes == wrong
    assert (found.images, found.nothing, found.waiting) == ((), None, None)


def test_drafts_are_built_unless_the_file_says_no() -> None:
    no = config("version: 1\nimages: {api: {on: {pull_request: {drafts: false}}}}\n")
    live = (LiveClaim(1, ClaimKind.REQUEST, "7", A, 1, unfinished=True),)
    drafted = requested(draft=True, action="drafted")
    assert plan(facts(drafted, config=TWO, claims=live)).withdraw == ()
    assert claim(plan(facts(drafted, config=TWO, claims=live))).images
    found = plan(facts(drafted, config=no, claims=live))
    assert claim(found).images == ()
    assert [(one.state, one.text, one.keep) for one in found.withdraw] == [
        ("cancelled", "cancelled: drafts are not built (`drafts: false`)", None)
    ]
    assert claim(plan(facts(requested(draft=False, action="ready"), config=no))).images


def test_a_request_into_another_branch_is_held_against_that_branch() -> None:
    only = config("version: 1\nimages: {api: {on: {pull_request: {branches: [main]}}}}\n")
    assert claim(plan(facts(requested(), config=only))).images
    moved = requested(action="retargeted", base_branch="old")
    live = (LiveClaim(1, ClaimKind.REQUEST, "7", A, 1, unfinished=True),)
    found = plan(facts(moved, config=only, claims=live))
    assert claim(found).images == ()
    assert [one.text for one in found.withdraw] == [
        "cancelled: target branch old matches none of main"
    ]


def test_a_group_is_filled_in() -> None:
    said = config(
        "version: 1\nimages: {api: {}}\nconcurrency: {group: 'deploy-{{branch}}', limit: 2}\n"
    )
    found = claim(plan(facts(pushed("main"), config=said)))
    assert (found.group, found.group_limit) == ("deploy-main", 2)
    limit = config("version: 1\nimages: {api: {}}\nconcurrency: {limit: 3}\n")
    assert claim(plan(facts(pushed(), config=limit))).group == "*"


def test_nobody_can_ask_for_an_image_that_is_not_there() -> None:
    found = claim(plan(facts(pushed(), config=TWO, only=("wep",))))
    assert [str(one) for one in found.mistakes] == [
        ".pushwright.yaml: there is no image wep (there are api, web)"
    ]


def test_a_claim_names_the_branch_or_tag_that_holds_its_commit() -> None:
    assert claim(plan(facts(pushed(sha=C)))).ref == "main"
    assert claim(plan(facts(requested()))).ref == "topic"
    assert claim(plan(facts(tagged("v1.0.0")))).ref == "v1.0.0"
