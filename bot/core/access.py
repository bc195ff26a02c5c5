"""Whether the code of a commit may meet credentials: by write access, never by names in commits."""

from __future__ import annotations

from bot.core.centralconfig import TrustPolicy
from bot.core.events import RequestChanged
from bot.core.facts import PlannedEvent
from bot.core.ids import Role, Sha, Trust

WRITERS = frozenset({Role.WRITE, Role.MAINTAIN, Role.ADMIN})
BRINGS_A_COMMIT = frozenset({"opened", "synchronize"})
"""The actions whose sender is who brought the head commit. Who adds a label or reopens did not."""


def trust_of(
    event: PlannedEvent,
    policy: TrustPolicy,
    author: Role = Role.NONE,
    sender: Role = Role.NONE,
    *,
    brought: Sha | None = None,
) -> Trust:
    """The trust of the event's commit.

    A branch, tag or merge-queue commit lies in the repository itself, so somebody with write access
    put it there; so does a request from a branch of the same repository. A fork's head is
    untrusted, unless the policy trusts `writers`: then the author of the request and the sender of
    the event that brought the commit both need write access. `brought`: the head that the delivery
    itself named. Where the request has moved on since, that sender did not bring what is there.
    """
    if not isinstance(event, RequestChanged) or not event.fork:
        return Trust.TRUSTED
    if (
        policy.forks == "writers"
        and event.action in BRINGS_A_COMMIT
        and brought == event.request.head_sha
        and author in WRITERS
        and sender in WRITERS
    ):
        return Trust.TRUSTED
    return Trust.UNTRUSTED
