"""What the bot needs of a Git host: permissions, scopes and events. `docs/git-hosts.md`,
`docs/webhooks.md`, `pushwright doctor` and `pushwright hooks sync` all show this table.

https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
https://docs.gitlab.com/api/project_webhooks/
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Access = Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class Permission:
    """One permission of a GitHub App or fine-grained token: its name in the API, as GitHub's pages
    show it, and what it is used for. `needed`: without it the bot does not work; else `use` says
    what is lost."""

    key: str
    title: str
    access: Access
    use: str
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of webhook event by the host's name in its API. `needed`: without it pushes or
    requests are seen only by the sweep; else `use` says what is lost."""

    key: str
    title: str
    needed: bool
    use: str


_REPORTS: Final = Permission(
    "statuses", "Commit statuses", "write", "the statuses `pushwright` and `pushwright/<image>`"
)
_CHECKS: Final = Permission("checks", "Checks", "write", "check runs, and the Re-run button")
GITHUB_PERMISSIONS: Final = (
    Permission(
        "contents",
        "Contents",
        "read",
        "`.pushwright.yaml` and Dockerfiles at a commit, refs, comparisons, `git fetch` in the "
        "build",
    ),
    _REPORTS,
    Permission(
        "pull_requests",
        "Pull requests",
        "read",
        "open pull requests, their heads and changed files",
    ),
    Permission(
        "issues",
        "Issues",
        "write",
        "reactions and answers to comments on pull requests (GitHub files these under issues)",
    ),
    Permission(
        "merge_queues",
        "Merge queues",
        "read",
        "the event *merge group* of an App; nothing is asked with it",
        needed=False,
    ),
    Permission(
        "metadata", "Metadata", "read", "always on; repositories and the role of a commenter"
    ),
)
"""An App may subscribe to an event only with the permission that goes with it:
https://docs.github.com/en/webhooks/webhook-events-and-payloads"""
HOOKS: Final = Permission(
    "repository_hooks",
    "Webhooks",
    "write",
    "`pushwright hooks sync` and `doctor`; an App needs it not, it has a webhook of its own",
)

GITHUB_EVENTS: Final = (
    Event("push", "push", True, "branches and tags"),
    Event("pull_request", "pull request", True, "pull requests"),
    Event("issue_comment", "issue comment", False, "comments on pull requests"),
    Event("commit_comment", "commit comment", False, "comments on commits"),
    Event("merge_group", "merge group", False, "the merge queue"),
)
GITHUB_APP_EVENTS: Final = (
    *GITHUB_EVENTS,
    Event("check_run", "check run", False, "the Re-run button of one check"),
    Event("check_suite", "check suite", False, "the Re-run button of all checks"),
)
"""An App is sent these two besides, where it may write checks."""

GITLAB_EVENTS: Final = (
    Event("push_events", "push", True, "branches"),
    Event("tag_push_events", "tag push", True, "tags"),
    Event("merge_requests_events", "merge request", True, "merge requests"),
    Event("note_events", "comments", False, "comments on merge requests and commits"),
)
GITEA_EVENTS: Final = (
    Event("push", "Push", True, "branches and tags"),
    Event("delete", "Delete", False, "deleted branches"),
    Event("pull_request", "Pull Request", True, "pull requests"),
    Event("pull_request_sync", "Pull Request Synchronized", True, "new commits of pull requests"),
    Event("pull_request_label", "Pull Request Labeled", False, "labels of pull requests"),
    Event("pull_request_comment", "Pull Request Comment", False, "comments on pull requests"),
)
GITEA_SCOPES: Final = (
    Permission(
        "repository",
        "repository",
        "write",
        "files, refs and requests; commit statuses; webhooks (`pushwright hooks sync`)",
    ),
    Permission("issue", "issue", "write", "comments and reactions on pull requests"),
    Permission("user", "user", "read", "who the bot is, and who a commenter is now"),
)
"""https://docs.gitea.com/development/oauth2-provider#scopes"""
GITEA_WRITE: Final = 30
"""Write: statuses."""
GITEA_ADMIN: Final = 50
"""Administrator: what others may do, so whether their commands count; webhooks."""
GITLAB_SCOPE: Final = "api"
GITLAB_ROLE: Final = 30
"""Developer: statuses."""
GITLAB_HOOK_ROLE: Final = 40
"""Maintainer: webhooks."""
GITLAB_ROLES: Final[Mapping[int, str]] = {
    0: "no role",
    5: "Minimal access",
    10: "Guest",
    15: "Planner",
    20: "Reporter",
    25: "Security manager",
    30: "Developer",
    40: "Maintainer",
    50: "Owner",
    60: "Admin",
}


def github_permissions(*, checks: bool) -> tuple[Permission, ...]:
    """Those of a source that reports by check runs, or by statuses."""
    if not checks:
        return GITHUB_PERMISSIONS
    return tuple(
        _CHECKS if permission is _REPORTS else permission for permission in GITHUB_PERMISSIONS
    )


def app_events(*, checks: bool) -> tuple[Event, ...]:
    return GITHUB_APP_EVENTS if checks else GITHUB_EVENTS


def lacking(needed: Collection[Permission], granted: Mapping[str, str]) -> tuple[Permission, ...]:
    """What is not granted. `granted`: the API's words, `read`, `write` or `admin`. Metadata is
    granted to every App and token."""
    enough = {"read": ("read", "write", "admin"), "write": ("write", "admin")}
    return tuple(
        one
        for one in needed
        if one.key != "metadata" and granted.get(one.key) not in enough[one.access]
    )


def scope_names(scopes: Collection[Permission]) -> str:
    """`write:repository, read:user`, as Gitea names them."""
    return ", ".join(f"{one.access}:{one.key}" for one in scopes)


def permission_names(permissions: Collection[Permission]) -> str:
    """`Commit statuses: write, Issues: write`, as GitHub's pages write them."""
    return ", ".join(f"{one.title}: {one.access}" for one in permissions)


def classic_scope(scopes: Collection[str], *, private: bool) -> str | None:
    """The scope that a classic GitHub token lacks; None: it has enough.
    https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps"""
    if "repo" in scopes or (not private and "public_repo" in scopes):
        return None
    return "repo" if private else "public_repo"
