"""Words in a commit message that ask for no build. They count for branch pushes alone: on a pull
request they would open a merge gate, and a tag is a wish of its own.

GitLab reads its tokens in any capitalisation
(https://docs.gitlab.com/ci/pipelines/#skip-a-pipeline), so the case does not matter here.
"""

from __future__ import annotations

from bot.core.events import BranchPushed, Event

SKIP_TOKENS = ("[skip ci]", "[ci skip]", "[skip pushwright]")


def skip_asked(event: Event) -> str | None:
    """Why the event's push wants no build, in words; None where it wants one."""
    if not isinstance(event, BranchPushed):
        return None
    token = skip_token(event.message)
    if token is not None:
        return f"the commit message says {token}"
    return "the push option ci.skip was given" if event.skip_asked else None


def skip_token(message: str | None) -> str | None:
    low = (message or "").lower()
    return next((token for token in SKIP_TOKENS if token in low), None)
