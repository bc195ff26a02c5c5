"""Whose commits may meet credentials."""

from __future__ import annotations

import pytest

from bot.core.access import trust_of
from bot.core.centralconfig import TrustPolicy
from bot.core.events import RequestAction
from bot.core.facts import PlannedEvent
from bot.core.ids import Role, Sha, Trust
from tests.core.scene import A, B, pushed, queued, requested, tagged

WRITERS = TrustPolicy("writers")


@pytest.mark.parametrize("event", [pushed(), tagged("v1.0.0"), queued(), requested()])
def test_what_lies_in_the_repository_is_trusted(event: PlannedEvent) -> None:
    assert trust_of(event, TrustPolicy()) is Trust.TRUSTED


@pytest.mark.parametrize("head_repository", [2, None])
def test_a_forks_head_is_not_whoever_opened_the_request(head_repository: int | None) -> None:
    fork = requested(head_repository=head_repository)
    found = trust_of(fork, TrustPolicy(), Role.ADMIN, Role.ADMIN, brought=A)
    assert found is Trust.UNTRUSTED


@pytest.mark.parametrize(
    ("author", "sender", "action", "brought", "wanted"),
    [
        (Role.WRITE, Role.ADMIN, "opened", A, Trust.TRUSTED),
        (Role.WRITE, Role.WRITE, "synchronize", A, Trust.TRUSTED),
        (Role.READ, Role.WRITE, "synchronize", A, Trust.UNTRUSTED),
        (Role.WRITE, Role.NONE, "synchronize", A, Trust.UNTRUSTED),
        # Who reopens, labels or edits did not bring the commit.
        (Role.WRITE, Role.ADMIN, "reopened", A, Trust.UNTRUSTED),
        (Role.WRITE, Role.ADMIN, "labeled", A, Trust.UNTRUSTED),
        # Somebody else pushed after the delivery that this sender caused.
        (Role.WRITE, Role.ADMIN, "opened", B, Trust.UNTRUSTED),
        (Role.WRITE, Role.ADMIN, "opened", None, Trust.UNTRUSTED),
    ],
)
def test_writers_are_trusted_with_what_they_brought(
    author: Role, sender: Role, action: RequestAction, brought: Sha | None, wanted: Trust
) -> None:
    fork = requested(action=action, head_repository=2)
    assert trust_of(fork, WRITERS, author, sender, brought=brought) is wanted
