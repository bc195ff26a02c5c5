"""Gitea's words for events and what they are to us; Forgejo has the same ones.

Which action comes with which event is written in no document; it is in Gitea's own
https://github.com/go-gitea/gitea/blob/v1.26.0/services/webhook/notifier.go
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bot.core.events import RequestAction

REQUEST_ACTIONS: Final[Mapping[str, RequestAction]] = {
    "opened": "opened",
    "synchronized": "synchronize",
    "reopened": "reopened",
    "label_updated": "labeled",
}
"""`edited` and `closed` need a look at more than the action."""

TOLD_OTHERWISE: Final[Mapping[str, str]] = {
    "create": "the push event tells of the same new ref",
    "status": "our own statuses come back as this event",
    "issue_comment": "a comment on an issue, not on a pull request",
    "pull_request_review_comment": "commands are read from comments, not from reviews",
}
"""Events that are left alone on purpose, and why."""

DRAFT_PREFIXES: Final = ("wip:", "[wip]")
"""A pull request is a draft while its title begins with one of these, in any case:
https://docs.gitea.com/usage/issues-prs/pull-request#work-in-progress-pull-requests"""
