"""GitHub's words for events and what they are to us.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bot.core.events import RequestAction

REQUEST_ACTIONS: Final[Mapping[str, RequestAction]] = {
    "opened": "opened",
    "synchronize": "synchronize",
    "reopened": "reopened",
    "ready_for_review": "ready",
    "converted_to_draft": "drafted",
    "labeled": "labeled",
}
"""`edited` and `closed` need a look at more than the action."""

INSTALLATION_ACTIONS: Final = frozenset(
    {"created", "deleted", "suspend", "unsuspend", "new_permissions_accepted", "added", "removed"}
)

TOLD_OTHERWISE: Final[Mapping[str, str]] = {
    "create": "the push event tells of the same new ref",
    "delete": "the push event tells of the same deleted ref",
    "status": "our own statuses come back as this event",
}
"""Events that are left alone on purpose, and why."""

MERGE_QUEUE_PREFIX: Final = "gh-readonly-queue/"
"""Branches of the merge queue. They are pushed, too; the merge_group event is the one to act on."""
