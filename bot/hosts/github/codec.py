"""A GitHub delivery, read into what it means. Pure: bytes in, one value of a closed union out.

Shapes: https://docs.github.com/en/webhooks/webhook-events-and-payloads. GitHub Enterprise Server
sends the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from bot.core.events import (
    BranchDeleted,
    BranchPushed,
    CommentCreated,
    Ignored,
    InstallationChanged,
    MergeGroupDestroyed,
    MergeGroupRequested,
    Parsed,
    Person,
    Pinged,
    Released,
    Repository,
    RequestAction,
    RequestChanged,
    RequestClosed,
    RequestHead,
    RerunRequested,
    TagDeleted,
    TagPushed,
)
from bot.core.ids import Sha
from bot.hosts.fields import Fields, read, unused
from bot.hosts.github import vocabulary

_GHOST: Final = Person(None, "ghost")


def parse(event_name: str, body: bytes, content_type: str = "application/json") -> Parsed:
    """What the delivery `event_name` (the `X-GitHub-Event` header) with these bytes means.

    Never raises. An event that is not ours to act on is `Ignored` before its body is looked at.
    """
    if reason := vocabulary.TOLD_OTHERWISE.get(event_name):
        return Ignored(reason)
    understand = _EVENTS.get(event_name)
    if understand is None:
        return Ignored(f"event {event_name[:80]!r} is not one that leads to a build")
    return read(body, content_type, understand)


def _push(fields: Fields) -> Parsed:
    ref = fields.text("ref")
    if ref.startswith("refs/heads/" + vocabulary.MERGE_QUEUE_PREFIX):
        return Ignored("a branch of the merge queue: its merge_group event counts")
    if branch := ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else "":
        return _branch(fields, branch)
    if tag := ref.removeprefix("refs/tags/") if ref.startswith("refs/tags/") else "":
        return _tag(fields, tag)
    return Ignored(f"{ref!r} is neither a branch nor a tag")


def _branch(fields: Fields, branch: str) -> Parsed:
    repository, sender = _repository(fields), _person(fields, "sender")
    before, after = fields.sha_or_zero("before"), fields.sha_or_zero("after")
    if after is None or fields.flag("deleted"):
        return BranchDeleted(repository, sender, branch, before)
    # `commits` is empty on real changes (a force push back, a new branch on an old commit) and
    # decides nothing here: https://github.com/buildbot/buildbot/issues/4334
    head = fields.inner_or_none("head_commit")
    return BranchPushed(
        repository,
        sender,
        branch,
        after,
        before,
        head.prose("message") if head else None,
        forced=fields.flag("forced"),
        committed=_committed(head, after),
    )


def _tag(fields: Fields, tag: str) -> Parsed:
    repository, sender = _repository(fields), _person(fields, "sender")
    before, after = fields.sha_or_zero("before"), fields.sha_or_zero("after")
    if after is None or fields.flag("deleted"):
        return TagDeleted(repository, sender, tag)
    # `after` of an annotated tag is the tag object; only `head_commit` names the commit.
    if "head_commit" in fields.values and not fields.has("head_commit"):
        return Ignored(f"the tag {tag!r} is not on a commit")
    head = fields.inner("head_commit")
    commit = head.sha("id")
    return TagPushed(
        repository,
        sender,
        tag,
        commit,
        moved=before is not None,
        base_branch=_base_branch(fields),
        committed=_committed(head, commit),
    )


def _base_branch(fields: Fields) -> str | None:
    """Not documented, and for show in tags only: what is no branch is left out."""
    base = fields.values.get("base_ref")
    if not isinstance(base, str) or not base.startswith("refs/heads/"):
        return None
    return fields.text("base_ref").removeprefix("refs/heads/") or None


def _committed(head: Fields | None, sha: Sha) -> datetime | None:
    return head.moment("timestamp") if head and head.values.get("id") == sha else None


def _pull_request(fields: Fields) -> Parsed:
    action = fields.text("action")
    known: RequestAction | None = vocabulary.REQUEST_ACTIONS.get(action)
    if action == "edited":
        changes = fields.inner_or_none("changes")
        if changes is None or not changes.has("base"):
            return Ignored("an edit of the pull request that changes nothing to build")
        known = "retargeted"
    if known is None and action != "closed":
        return unused("pull request", action)
    repository, sender = _repository(fields), _person(fields, "sender")
    request = fields.inner("pull_request")
    head = _request_head(request)
    if known is None:
        return RequestClosed(repository, sender, head, merged=request.flag("merged"))
    return RequestChanged(repository, sender, known, head)


def _request_head(request: Fields) -> RequestHead:
    head, base = request.inner("head"), request.inner("base")
    # null once the fork was deleted: https://github.com/atlassian/github-for-jira/issues/105
    fork = head.inner_or_none("repo")
    return RequestHead(
        number=request.number("number"),
        head_sha=head.sha("sha"),
        head_branch=head.text("ref"),
        head_repository=fork.repository_id("id") if fork else None,
        base_branch=base.text("ref"),
        author=_person(request, "user"),
        base_sha=base.sha_or_none("sha"),
        draft=request.flag("draft"),
        labels=tuple(name for label in request.items("labels") if (name := label.prose("name"))),
        title=request.prose("title") or "",
    )


def _issue_comment(fields: Fields) -> Parsed:
    if (action := fields.text("action")) != "created":
        return unused("comment", action)
    issue = fields.inner("issue")
    if not issue.has("pull_request"):
        return Ignored("a comment on an issue, not on a pull request")
    comment = fields.inner("comment")
    return CommentCreated(
        _repository(fields),
        _person(comment, "user"),
        comment.number("id"),
        comment.prose("body") or "",
        number=issue.number("number"),
        request_open=issue.text_or_none("state") != "closed",
        created_at=comment.seconds("created_at"),
    )


def _commit_comment(fields: Fields) -> Parsed:
    if (action := fields.text("action")) != "created":
        return unused("comment", action)
    comment = fields.inner("comment")
    return CommentCreated(
        _repository(fields),
        _person(comment, "user"),
        comment.number("id"),
        comment.prose("body") or "",
        sha=comment.sha("commit_id"),
        created_at=comment.seconds("created_at"),
    )


def _release(fields: Fields) -> Parsed:
    # `published` comes for prereleases as well; `released` and `created` tell nothing more.
    if (action := fields.text("action")) != "published":
        return unused("release", action)
    release = fields.inner("release")
    return Released(
        _repository(fields),
        _person(fields, "sender"),
        release.text("tag_name"),
        prerelease=release.flag("prerelease"),
    )


def _check_run(fields: Fields) -> Parsed:
    if (action := fields.text("action")) != "rerequested":
        return unused("check run", action)
    run = fields.inner("check_run")
    suite = run.inner_or_none("check_suite")
    return RerunRequested(
        _repository(fields),
        _person(fields, "sender"),
        run.sha("head_sha"),
        run.text("name"),
        head_branch=suite.text_or_none("head_branch") if suite else None,
        external_id=run.text_or_none("external_id"),
    )


def _check_suite(fields: Fields) -> Parsed:
    if (action := fields.text("action")) != "rerequested":
        return unused("check suite", action)
    suite = fields.inner("check_suite")
    return RerunRequested(
        _repository(fields),
        _person(fields, "sender"),
        suite.sha("head_sha"),
        None,
        head_branch=suite.text_or_none("head_branch"),
    )


def _merge_group(fields: Fields) -> Parsed:
    action = fields.text("action")
    if action not in ("checks_requested", "destroyed"):
        return unused("merge group", action)
    repository, sender = _repository(fields), _person(fields, "sender")
    group = fields.inner("merge_group")
    sha, ref = group.sha("head_sha"), group.text("head_ref")
    if action == "destroyed":
        reason = fields.text_or_none("reason") or "unknown"
        return MergeGroupDestroyed(repository, sender, sha, ref, reason)
    base = group.text("base_ref").removeprefix("refs/heads/")
    return MergeGroupRequested(repository, sender, sha, ref, base, group.sha_or_none("base_sha"))


def _ping(fields: Fields) -> Parsed:
    hook = fields.inner_or_none("hook")
    return Pinged(
        fields.number_or_none("hook_id"),
        hook.words("events") if hook else (),
        _repository(fields) if fields.has("repository") else None,
    )


def _installation(fields: Fields) -> Parsed:
    action = fields.text("action")
    if action not in vocabulary.INSTALLATION_ACTIONS:
        return unused("installation", action)
    installation = fields.inner("installation")
    account = installation.inner_or_none("account")
    lists = {"added": "repositories_added", "removed": "repositories_removed"}
    repositories = fields.items(lists.get(action, "repositories"))
    return InstallationChanged(
        action,
        installation.number("id"),
        (account.text_or_none("login") if account else None) or _GHOST.login,
        tuple((r.repository_id("id"), r.repository_path("full_name")) for r in repositories),
    )


def _repository(fields: Fields) -> Repository:
    repository = fields.inner("repository")
    return Repository(
        repository.repository_id("id"),
        repository.repository_path("full_name"),
        repository.text_or_none("default_branch"),
        repository.text_or_none("clone_url") or "",
        repository.text_or_none("html_url") or "",
        private=repository.flag("private", default=True),
        description=repository.shown("description"),
        licenses=repository.shown("license", "spdx_id"),
    )


def _person(fields: Fields, name: str) -> Person:
    person = fields.inner_or_none(name)
    if person is None:
        return _GHOST
    login = person.text_or_none("login") or _GHOST.login
    return Person(person.number_or_none("id"), login, bot=person.text_or_none("type") == "Bot")


_EVENTS: Final[Mapping[str, Callable[[Fields], Parsed]]] = {
    "push": _push,
    "pull_request": _pull_request,
    "issue_comment": _issue_comment,
    "commit_comment": _commit_comment,
    "release": _release,
    "check_run": _check_run,
    "check_suite": _check_suite,
    "merge_group": _merge_group,
    "ping": _ping,
    "installation": _installation,
    "installation_repositories": _installation,
}
