"""The statuses of a commit: which contexts, in which state, with which words, and when again."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.core.builds import (
    BuildState,
    OutcomeClass,
)
from bot.core.ids import BuildId, ImageKey, Trust
from bot.core.outcomes import failure, withdrawn_outcome
from bot.core.plans import ClaimKind
from bot.core.reports import CommitStatus, StatusState
from bot.core.reports_render import HOLD_SECONDS, render
from bot.core.reports_rows import Known, Rendered, Shown
from bot.core.reports_texts import mistakes_page
from tests.core.reports_scene import (
    URL,
    Build,
    Claim,
    Report,
    T,
    View,
    broken,
    ok,
    shown,
    statuses,
    tag,
    view,
)
from tests.core.scene import A

# -- one image -------------------------------------------------------------------------------


def test_a_build_that_went_well() -> None:
    found = statuses(Claim((ok(),)))
    text = "ok 44s, cache 6/7, api:pr-12 142 MB"
    assert found == {"pushwright": ("success", text), "pushwright/api": ("success", text)}


def test_a_step_that_failed_names_its_line() -> None:
    found = statuses(Claim((broken(),)))
    assert found["pushwright/api"] == ("failure", "Dockerfile:17 RUN npm ci failed (exit 1)")
    assert found["pushwright"] == ("failure", "api: Dockerfile:17 RUN npm ci failed (exit 1)")


def test_memory_names_its_limit() -> None:
    for said, before in (
        ("the build ran out of memory (limit 4Gi)", ""),
        ("`RUN make` was killed for lack of memory", "out of memory: "),
    ):
        lost = failure(OutcomeClass.OUT_OF_MEMORY, said)
        found = statuses(Claim((view(BuildState.FAILED, lost),)))
        assert found["pushwright/api"] == ("failure", f"{before}{said}")


def test_what_is_ours_is_an_error() -> None:
    lost = failure(OutcomeClass.NODE_LOST)
    found = statuses(Claim((view(BuildState.ERROR, lost),)))
    assert found["pushwright/api"] == ("error", "the machine was lost")


def test_a_check_says_that_nothing_was_pushed() -> None:
    found = statuses(Claim((ok(check_only=True, tags=()),)))
    assert found["pushwright/api"] == ("success", "ok 44s, cache 6/7, built, not pushed")


def test_what_ownership_withheld_is_said() -> None:
    tags = (tag("1.9.6"), tag("latest", "latest stays at 2.3.0"))
    found = statuses(Claim((ok(tags=tags),)))
    text = "ok 44s, cache 6/7, api:1.9.6 142 MB; latest stays at 2.3.0"
    assert found["pushwright/api"] == ("success", text)
    later = statuses(Claim((ok(notes=("main stays with a newer commit",)),)))
    assert later["pushwright/api"][1].endswith("; main stays with a newer commit")


def test_a_success_waits_for_its_tags() -> None:
    for tagging in ("waiting", "wanted"):
        found = statuses(Claim((ok(tagging=tagging),)))
        assert found["pushwright/api"] == ("running", "built, setting its tags")
        assert found["pushwright"][0] == "pending"
    kept = (tag("latest", "latest stays at 2.3.0"),)
    assert statuses(Claim((ok(tagging="waiting", tags=kept),)))["pushwright"][0] == "success"


def test_a_refused_tag_fails_even_where_the_build_was_somebody_elses() -> None:
    why = "tag 1.2.3 refused: it exists and the registry forbids overwriting"
    found = statuses(Claim((ok(tagging="refused", tag_errors=(why,)),)))
    assert found["pushwright/api"] == ("failure", why)


def test_a_queued_build_is_silent_for_ten_seconds() -> None:
    queued = view(BuildState.QUEUED, attempt=0, ahead=2)
    early = render(Report((Claim((queued,)),)), T + 3, URL)
    assert shown(early) == {"pushwright": ("pending", "accepted: api")}
    assert early.next_at == T + 10


def test_then_it_says_how_many_are_before_it_once_a_minute() -> None:
    queued = view(BuildState.QUEUED, attempt=0, ahead=2)
    known = Known(limit=4, eta={queued.build.id: 170.0})
    first = render(Report((Claim((queued,)),)), T + 10, URL, known)
    text = "queued: 2 ahead (limit 4), ~3 min"
    assert shown(first)["pushwright/api"] == ("pending", text)
    assert first.next_at == T + 70
    was = {"pushwright/api": Shown(StatusState.PENDING, text, T + 10)}
    moved = Claim((replace(queued, ahead=1),))
    soon = render(Report((moved,)), T + 30, URL, replace(known, shown=was))
    assert shown(soon)["pushwright/api"] == ("pending", text)
    assert soon.next_at == T + 70
    later = render(Report((moved,)), T + 70, URL, replace(known, shown=was, eta={}))
    assert shown(later)["pushwright/api"] == ("pending", "queued: 1 ahead (limit 4)")


def test_a_host_that_takes_pending_once_gets_one_text() -> None:
    known = Known(repeat_pending=False, limit=4)
    for waiting in (
        view(BuildState.QUEUED, attempt=0, ahead=2),
        view(BuildState.QUEUED, attempt=0, ahead=1),
        view(BuildState.STARTING, attempt=1, reason="no node has 4 CPUs"),
    ):
        found = render(Report((Claim((waiting,)),)), T + 600, URL, known)
        assert shown(found)["pushwright/api"] == ("pending", "queued")
        assert found.next_at is None


def test_running_says_so_once_until_the_end() -> None:
    texts = {
        statuses(Claim((view(state),)))["pushwright/api"]
        for state in (BuildState.RUNNING, BuildState.VERIFYING, BuildState.TAGGING)
    }
    assert texts == {("running", "building")}


def test_a_retry_is_visible_and_never_pending_again() -> None:
    waiting = view(BuildState.QUEUED, attempt=1, reason="registry said 429")
    assert statuses(Claim((waiting,)))["pushwright/api"] == (
        "running",
        "registry said 429, retry 1/2",
    )
    again = view(BuildState.RUNNING, attempt=2)
    assert statuses(Claim((again,)))["pushwright/api"] == ("running", "building, attempt 2 of 3")


# -- the aggregate ---------------------------------------------------------------------------


def test_the_aggregate_changes_at_accepted_first_failure_and_end_only() -> None:
    running = view(BuildState.RUNNING, key="web")
    assert statuses(Claim((view(BuildState.QUEUED), running)))["pushwright"] == (
        "pending",
        "accepted: api, web",
    )
    first = statuses(Claim((broken(), running)))["pushwright"]
    assert first == ("failure", "api: Dockerfile:17 RUN npm ci failed (exit 1)")
    three = Claim((broken(), running, broken("job", ended_at=T + 60)))
    assert statuses(three)["pushwright"] == first
    over = Claim((broken(), ok("web"), broken("job", ended_at=T + 60)))
    assert statuses(over)["pushwright"] == ("failure", f"{first[1]} (+1 more)")


def test_several_successes_are_named() -> None:
    found = statuses(Claim((ok(), ok("web"))))
    assert found["pushwright"] == ("success", "ok: api, web")


def test_links_lead_to_the_first_failure_else_to_the_first_build() -> None:
    def link(*views: View) -> str | None:
        return render(Report((Claim(views),)), T, URL).statuses[0][0].target_url

    assert link(ok(), broken("web")) == f"https://bot.test/builds/{'web'.ljust(32, '0')}"
    assert link(ok(), ok("web")) == f"https://bot.test/builds/{'api'.ljust(32, '0')}"
    assert link() is None


MISTAKES = [
    {"file": ".pushwright.yaml", "line": 7, "column": 3, "message": "unknown key `iamge`",
     "hint": "did you mean image?"},
    {"file": ".pushwright.yaml", "line": 9, "column": 1, "message": "x", "hint": None},
]  # fmt: skip


def test_mistakes_fail_the_aggregate_with_the_first_and_their_number() -> None:
    claim = Claim(wish={"mistakes": MISTAKES})
    rendered = render(Report((claim,)), T, URL, Known(report_url="https://bot.test/reports/1"))
    ((status, final),) = rendered.statuses
    assert final
    assert status == CommitStatus(
        "pushwright",
        StatusState.FAILURE,
        ".pushwright.yaml:7 unknown key `iamge` (+1 more)",
        "https://bot.test/reports/1",
        "main",
    )
    assert mistakes_page(MISTAKES) == (
        ".pushwright.yaml:7:3: unknown key `iamge`\n    did you mean image?\n"
        ".pushwright.yaml:9:1: x"
    )


def test_waiting_for_approval_is_pending() -> None:
    text = f"waiting for /ok-to-test {A}"
    claim = Claim(kind=ClaimKind.REQUEST, name="7", wish={"waiting": text})
    assert statuses(claim) == {"pushwright": ("pending", text)}


def test_nothing_to_build_is_green_and_says_why() -> None:
    claim = Claim(wish={"nothing": "nothing to build: [skip ci] in the commit message"})
    assert statuses(claim, now=T) == {
        "pushwright": ("success", "nothing to build: [skip ci] in the commit message")
    }


def test_a_branch_that_may_be_a_requests_waits_a_moment_before_it_is_green() -> None:
    claim = Claim(name="topic", wish={"nothing": "nothing to build: x"})
    early = render(Report((claim,)), T + 1, URL)
    assert early == Rendered((), T + HOLD_SECONDS)
    request = Claim((view(BuildState.RUNNING),), ClaimKind.REQUEST, "7")
    assert statuses(request, claim, now=T + 1)["pushwright"][0] == "pending"
    assert statuses(claim, now=T + HOLD_SECONDS)["pushwright"][0] == "success"


def test_required_images_always_report() -> None:
    skipped = [
        {"image": "web", "why": "not affected: no file under services/web", "required": True},
        {"image": "job", "why": "not affected: no file under job", "required": False},
    ]
    found = statuses(Claim((ok(),), wish={"skipped": skipped}))
    assert found["pushwright/web"] == ("success", "not affected: no file under services/web")
    assert "pushwright/job" not in found


# -- several claims --------------------------------------------------------------------------


def test_claims_of_one_commit_add_up_and_the_newest_has_the_word() -> None:
    request = Claim((ok(),), ClaimKind.REQUEST, "7")
    branch = Claim((broken(id=BuildId("2" * 32)), ok("web")))
    found = statuses(request, branch)
    assert found["pushwright/api"][0] == "success"
    assert found["pushwright"] == ("success", "ok: api, web")


def test_a_strangers_request_for_the_commit_says_nothing_of_it() -> None:
    """Not that it waits, nor that its target's file has mistakes, nor how its own build ended."""
    stranger = Claim(kind=ClaimKind.REQUEST, name="9", trust=Trust.UNTRUSTED, id=2)
    waits = replace(stranger, wish={"waiting": f"waiting for /ok-to-test {A}"})
    wrong = replace(stranger, wish={"mistakes": [{"file": "f", "message": "wrong"}]})
    failed = replace(stranger, images=(broken(),))
    own = Claim((ok(),), ClaimKind.REQUEST, "7")
    for other in (waits, wrong, failed):
        assert statuses(other, own) == statuses(own)
    # What nobody trusted builds is not judged by the others, and an approval counts for the commit.
    assert statuses(waits)["pushwright"][0] == "pending"
    assert statuses(waits, Claim(wish={"nothing": "nothing to build: x"})) == statuses(waits)
    approved = replace(stranger, images=(ok(check_only=True),))
    assert statuses(waits, approved) == statuses(approved)
    assert statuses(waits, replace(own, state="cancelled"))["pushwright"][0] == "pending"


def test_one_build_of_two_claims_is_done_when_the_tags_of_both_are() -> None:
    request = Claim((ok(),), ClaimKind.REQUEST, "7")
    branch = Claim((ok(tags=(tag("main"),), tagging="wanted"),))
    assert statuses(request, branch)["pushwright/api"][0] == "running"


def test_a_withdrawn_claim_leaves_no_status_pending() -> None:
    old = Claim((view(BuildState.RUNNING),), state="superseded", text="superseded by 5d6e7f8")
    assert statuses(old) == {
        "pushwright": ("cancelled", "superseded by 5d6e7f8"),
        "pushwright/api": ("cancelled", "superseded by 5d6e7f8"),
    }
    new = Claim((ok("web"),))
    assert statuses(new, old) == {
        "pushwright": ("success", "ok 44s, cache 6/7, api:pr-12 142 MB"),
        "pushwright/api": ("cancelled", "superseded by 5d6e7f8"),
        "pushwright/web": ("success", "ok 44s, cache 6/7, api:pr-12 142 MB"),
    }


def test_what_ended_before_it_was_withdrawn_stays() -> None:
    done = Claim((ok(),), state="cancelled", text="cancelled: request 7 was merged")
    assert statuses(done)["pushwright"][0] == "success"
    failed = Claim((broken(),), state="cancelled", text="cancelled: request 7 was closed")
    assert statuses(failed)["pushwright"][0] == "failure"


def test_a_command_that_cancels_is_named() -> None:
    stopped = view(BuildState.CANCELLED, withdrawn_outcome("cancelled", "cancelled by @anna"))
    assert statuses(Claim((stopped,)))["pushwright"] == ("cancelled", "cancelled by @anna")


def test_tags_report_in_contexts_of_their_own() -> None:
    found = render(Report((Claim((ok(),), ClaimKind.TAG, "v1"),), " (tag)"), T, URL)
    assert set(shown(found)) == {"pushwright (tag)", "pushwright/api (tag)"}
    assert found.statuses[0][0].ref == "v1"


def test_a_request_names_its_head_branch() -> None:
    claim = Claim((ok(),), ClaimKind.REQUEST, "7", wish={"ref": "topic"})
    assert {one.ref for one, _ in render(Report((claim,)), T, URL).statuses} == {"topic"}


# -- whatever there is ----------------------------------------------------------------------


OUTCOMES = st.sampled_from([failure(kind) for kind in OutcomeClass])
VIEWS = st.builds(
    View,
    image=st.sampled_from([ImageKey("api"), ImageKey("web")]),
    build=st.builds(
        Build,
        state=st.sampled_from(BuildState),
        outcome=st.none() | OUTCOMES,
        id=st.sampled_from([BuildId("1" * 32), BuildId("2" * 32)]),
        check_only=st.booleans(),
        attempt=st.integers(0, 3),
        ended_at=st.none() | st.floats(T, T + 100),
    ),
    tags=st.just((tag("main"),)),
    tagging=st.sampled_from(["waiting", "wanted", "settled", "refused"]),
)
CLAIMS = st.builds(
    Claim,
    images=st.lists(VIEWS, max_size=3).map(tuple),
    kind=st.sampled_from(ClaimKind),
    state=st.sampled_from(["live", "cancelled", "superseded"]),
    wish=st.sampled_from([{}, {"mistakes": MISTAKES}, {"nothing": "n"}, {"waiting": "w"}]),
)


@given(st.lists(CLAIMS, min_size=1, max_size=3).map(tuple), st.floats(T, T + 1000))
def test_green_needs_every_live_image_done_and_no_final_status_is_pending(
    claims: tuple[Claim, ...], now: float
) -> None:
    rendered = render(Report(claims), now, URL)
    live = [one for one in claims if one.state == "live"]
    for status, final in rendered.statuses:
        waits = status.state in (StatusState.PENDING, StatusState.RUNNING)
        assert not (final and waits)
        if not live and status.context == "pushwright":
            assert final, "nothing may stay pending once nobody wants it"
    aggregate = [one for one, _ in rendered.statuses if one.context == "pushwright"]
    if aggregate and aggregate[0].state is StatusState.SUCCESS:
        newest: dict[ImageKey, View] = {}
        for claim in live:
            for one in claim.images:
                newest.setdefault(one.image, one)
        assert all(one.build.state is BuildState.SUCCEEDED for one in newest.values())
        assert not any(claim.wish.get(key) for claim in live for key in ("mistakes", "waiting"))
