"""`/ok-to-test`: when a bare approval counts, decided from two clocks that nobody compares."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.approvals import (
    Asking,
    Since,
    Standing,
    Waiting,
    approved_before,
    doubt,
    since,
)
from bot.core.ids import HostKind, Sha
from tests.core.scene import REPOSITORY, A, B, C

HEAD, OTHER = Sha("a" * 40), Sha("b" * 40)
SHOWN = Standing(Waiting(HEAD, applied_at=50.0, accepted_at=1000.0))


def bare(created_at: float | None, told: Sha | None = None) -> Asking:
    return Asking(None, created_at, told)


@pytest.mark.parametrize(
    ("asking", "standing", "why"),
    [
        (bare(1001.0), SHOWN, None),
        (bare(1001.0, HEAD), SHOWN, None),
        (bare(1000.9), SHOWN, "before this head was said to wait"),
        (bare(999.0), SHOWN, "before this head was said to wait"),
        (bare(None), SHOWN, "does not say"),
        (bare(2000.0, OTHER), SHOWN, "the head changed after your comment"),
        (bare(2000.0), Standing(), "nothing said yet"),
        (bare(2000.0), Standing(Waiting(OTHER, 50.0, 1000.0)), "nothing said yet"),
        (bare(2000.0), Standing(Waiting(HEAD, 50.0, None)), "does not say"),
        (bare(2000.0), Standing(SHOWN.waiting, other_seen_at=50.0), "another head was there"),
        (bare(2000.0), Standing(SHOWN.waiting, other_seen_at=49.9), None),
        (Asking(HEAD, None), Standing(), None),
        (Asking(HEAD, 1.0, OTHER), Standing(SHOWN.waiting, other_seen_at=99.0), None),
        (Asking(OTHER, 2000.0), SHOWN, "is not the head any more"),
        (Asking(None, 2000.0, HEAD, swept=True), SHOWN, "webhook of your comment was lost"),
        (Asking(HEAD, 1.0, swept=True), Standing(), None),
    ],
)
def test_doubts(asking: Asking, standing: Standing, why: str | None) -> None:
    found = doubt(asking, HEAD, standing)
    assert (found is None) if why is None else (why in str(found))


_TIMES = st.floats(0, 5000)


@given(
    asking=st.builds(
        Asking,
        st.sampled_from([None, HEAD, OTHER]),
        st.none() | _TIMES,
        st.sampled_from([None, HEAD, OTHER]),
    ),
    waiting=st.none()
    | st.builds(Waiting, st.sampled_from([HEAD, OTHER]), _TIMES, st.none() | _TIMES),
    other=st.none() | _TIMES,
)
def test_no_bare_approval_of_a_head_that_was_not_shown_before(
    asking: Asking, waiting: Waiting | None, other: float | None
) -> None:
    if doubt(asking, HEAD, Standing(waiting, other)) is not None:
        return
    if asking.sha is not None:
        assert asking.sha == HEAD
        return
    assert waiting is not None
    assert waiting.sha == HEAD
    assert asking.created_at is not None
    assert waiting.accepted_at is not None
    assert waiting.accepted_at < asking.created_at
    assert other is None or other < waiting.applied_at
    assert asking.told_head in (None, HEAD)


@pytest.mark.parametrize(
    ("approvals", "before"),
    [
        ({}, None),
        ({("request/7", B): 5.0}, None),
        ({("request/8", A): 5.0}, None),
        ({("request/7", A): 5.0, ("request/7", B): 9.0}, A),
        ({("request/7", A): 5.0, ("request/7", C): 6.0}, C),
    ],
)
def test_the_commit_that_was_approved_before(
    approvals: dict[tuple[str, Sha], float], before: Sha | None
) -> None:
    assert approved_before(approvals, "request/7", B) == before


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (HostKind.GITHUB, f"/compare/{A}..{B}"),
        (HostKind.GITEA, f"/compare/{A}..{B}"),
        (HostKind.GITLAB, f"/-/compare/{A}..{B}?from_project_id=1"),
    ],
)
def test_the_trees_themselves_are_compared_at_the_repositorys_own_address(
    kind: HostKind, path: str
) -> None:
    assert since(kind, REPOSITORY, A, B) == Since(A, f"https://git.test/s{path}")
    nowhere = replace(REPOSITORY, web_url="javascript:alert(1)")
    assert since(kind, nowhere, A, B) is None
