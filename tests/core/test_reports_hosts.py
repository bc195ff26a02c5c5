"""What a Git host can hold of a status, and which of ours look the same there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.ids import HostKind, RepositoryId
from bot.core.plans import ClaimKind
from bot.core.reports import CommitStatus, Fork, StatusState, fit, shows
from bot.core.reports_render import render
from bot.core.reports_rows import Known
from bot.core.reports_texts import megabytes
from tests.core.reports_scene import (
    URL,
    Claim,
    Report,
    T,
    ok,
)


@given(st.text(max_size=400))
def test_every_description_fits(text: str) -> None:
    found = fit(text)
    assert len(found) <= 140
    assert all(character <= "\uffff" and character.isprintable() for character in found)
    assert fit(found) == found


def test_a_branch_name_can_not_rewrite_the_sentence() -> None:
    assert fit("a\u202eb\nc\t\x00d\U0001f600") == "a b c d\ufffd"


@pytest.mark.parametrize(
    ("size", "text"),
    [(12, "12 B"), (1_500, "1.5 kB"), (142_300_000, "142 MB"), (2_340_000_000, "2.3 GB")],
)
def test_sizes(size: int, text: str) -> None:
    assert megabytes(size) == text


@pytest.mark.parametrize(
    ("kind", "shown", "wanted", "same"),
    [
        (HostKind.GITHUB, StatusState.ERROR, StatusState.CANCELLED, True),
        (HostKind.GITHUB, StatusState.PENDING, StatusState.RUNNING, True),
        (HostKind.GITHUB, StatusState.FAILURE, StatusState.ERROR, False),
        (HostKind.GITLAB, StatusState.FAILURE, StatusState.ERROR, True),
        (HostKind.GITLAB, StatusState.CANCELLED, StatusState.ERROR, False),
        (HostKind.GITLAB, StatusState.PENDING, StatusState.RUNNING, False),
    ],
)
def test_what_a_host_shows_of_our_states(
    kind: HostKind, shown: StatusState, wanted: StatusState, same: bool
) -> None:
    one, other = (CommitStatus("pushwright", s, "text", None) for s in (shown, wanted))
    assert shows(kind, one, other) is same
    assert not shows(kind, CommitStatus("pushwright", shown, "another", None), other)


def test_a_forks_statuses_know_their_fork() -> None:
    def places(*claims: Claim) -> set[tuple[str | None, Fork | None]]:
        rendered = render(Report(claims), T + 100, URL, Known())
        return {(status.ref, status.fork) for status, _ in rendered.statuses}

    forked = Claim((ok(),), kind=ClaimKind.REQUEST, name="7", wish={"ref": "topic", "fork": 99})
    own = Claim((ok(),), kind=ClaimKind.BRANCH, name="main")
    assert places(forked) == {("topic", Fork(RepositoryId(99), 7))}
    assert places(forked, own) == {("main", None)}, "it lies in the repository itself, too"
