"""A delivery of Gitea or Forgejo, read into what it means. Pure: bytes in, one value out.

Shapes: `modules/structs/hook.go` of https://github.com/go-gitea/gitea (1.26). They look like
GitHub's and differ in what they mean: a pushed tag never says what it pointed at before, a deleted
branch has no push event, drafts are titles, and deleted accounts are a user with the number -1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bot.core.events import (
    BranchDeleted,
    BranchPushed,
    CommentCreated,
    Ignored,
    Parsed,
    Person,
    Pinged,
    Released,
    Repository,
    RequestAction,
    RequestChanged,
    RequestClosed,
    RequestHead,
    TagDeleted,
    TagPushed,
)
from bot.hosts.fields import Fields, read, unused
from bot.hosts.gitea import vocabulary

_GHOST: Final = Person(None, "Ghost")


def parse(event_name: str, body: bytes, content_type: str = "application/json") -> Parsed:
    """What the delivery `event_name` (the `X-Gitea-Event-Type` header) with these bytes means.

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
    if branch := ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else "":
        return _branch(fields, branch)
    if tag := ref.removeprefix("refs/tags/") if ref.startswith("refs/tags/") else "":
        return _tag(fields, tag)
    return Ignored(f"{ref!r} is neither a branch nor a tag")


def _branch(fields: Fields, branch: str) -> Parsed:
    place, sender = repository(fields.inner("repository")), person(fields.inner_or_none("sender"))
    before, after = fields.sha_or_zero("before"), fields.sha_or_zero("after")
    if after is None:
        return BranchDeleted(place, sender, branch, before)
    if before == after:
        # The hook's test button: nothing was pushed.
        return Pinged(None, (), place)
    head = fields.inner_or_none("head_commit")
    # Nothing here tells a force push; who needs to know asks for the merge base.
    return BranchPushed(
        place,
        sender,
        branch,
        after,
        before,
        head.prose("message") if head else None,
        committed=head.moment("timestamp") if head else None,
    )


def _tag(fields: Fields, tag: str) -> Parsed:
    place, sender = repository(fields.inner("repository")), person(fields.inner_or_none("sender"))
    if fields.sha_or_zero("after") is None:
        return TagDeleted(place, sender, tag)
    # `after` of an annotated tag is the tag object; only `head_commit` names the commit.
    head = fields.inner("head_commit")
    return TagPushed(place, sender, tag, head.sha("id"), committed=head.moment("timestamp"))


def _delete(fields: Fields) -> Parsed:
    place, sender = repository(fields.inner("repository")), person(fields.inner_or_none("sender"))
    name, kind = fields.text("ref"), fields.text("ref_type")
    match kind:
        case "branch":
            return BranchDeleted(place, sender, name, None)
        case "tag":
            return TagDeleted(place, sender, name)
        case _:
            return Ignored(f"{kind[:80]!r} is neither a branch nor a tag")


def _pull_request(fields: Fields) -> Parsed:
    action, request = fields.text("action"), fields.inner("pull_request")
    known = vocabulary.REQUEST_ACTIONS.get(action)
    if action == "edited":
        known = _what_changed(fields, request)
        if known is None:
            return Ignored("an edit of the pull request that changes nothing to build")
    if known is None and action != "closed":
        return unused("pull request", action)
    place, sender = repository(fields.inner("repository")), person(fields.inner_or_none("sender"))
    head = request_head(request)
    if known is None:
        return RequestClosed(place, sender, head, merged=request.flag("merged"))
    return RequestChanged(place, sender, known, head)


def _what_changed(fields: Fields, request: Fields) -> RequestAction | None:
    changes = fields.inner_or_none("changes")
    if changes is None:
        return None
    if changes.has("ref"):
        return "retargeted"
    title = changes.inner_or_none("title")
    if title is None:
        return None
    was, draft = _is_draft(title.prose("from") or ""), request.flag("draft")
    if was == draft:
        return None
    return "drafted" if draft else "ready"


def _is_draft(title: str) -> bool:
    return title.lower().startswith(vocabulary.DRAFT_PREFIXES)


def _comment(fields: Fields) -> Parsed:
    if (action := fields.text("action")) != "created":
        return unused("comment", action)
    if not fields.flag("is_pull"):
        return Ignored("a comment on an issue, not on a pull request")
    comment, issue = fields.inner("comment"), fields.inner("issue")
    return CommentCreated(
        repository(fields.inner("repository")),
        person(comment.inner_or_none("user")),
        comment.number("id"),
        comment.prose("body") or "",
        number=issue.number("number"),
        request_open=issue.text_or_none("state") != "closed",
        created_at=comment.seconds("created_at"),
    )


def _release(fields: Fields) -> Parsed:
    if (action := fields.text("action")) != "published":
        return unused("release", action)
    release = fields.inner("release")
    return Released(
        repository(fields.inner("repository")),
        person(fields.inner_or_none("sender")),
        release.text("tag_name"),
        prerelease=release.flag("prerelease"),
    )


def repository(fields: Fields) -> Repository:
    """Of a delivery or an answer: they show repositories alike."""
    licenses = fields.words("licenses")
    return Repository(
        fields.repository_id("id"),
        fields.repository_path("full_name"),
        fields.text_or_none("default_branch"),
        fields.text_or_none("clone_url") or "",
        fields.text_or_none("html_url") or "",
        private=fields.flag("private", default=True) or fields.flag("internal"),
        description=fields.shown("description"),
        licenses=licenses[0] if len(licenses) == 1 else "",
    )


def person(fields: Fields | None) -> Person:
    """Gitea's own accounts have numbers below zero: -1 for people who are gone, -2 for its
    pipelines."""
    number = fields.values.get("id") if fields is not None else None
    if fields is None or (isinstance(number, int) and number < 0):
        return _GHOST
    return Person(fields.number_or_none("id"), fields.text_or_none("login") or _GHOST.login)


def request_head(fields: Fields) -> RequestHead:
    """What was pushed to `refs/for/…` needs no write access, yet names the base repository as its
    head's: only a head that is a branch there counts as the repository's own."""
    head, base = fields.inner("head"), fields.inner("base")
    ref, label = head.text("ref"), head.text_or_none("label")
    place = head.inner_or_none("repo") if label and not ref.startswith("refs/") else None
    return RequestHead(
        number=fields.number("number"),
        head_sha=head.sha("sha"),
        head_branch=label or ref,
        head_repository=place.repository_id("id") if place else None,
        base_branch=base.text("ref"),
        author=person(fields.inner_or_none("user")),
        base_sha=base.sha_or_none("sha"),
        draft=fields.flag("draft"),
        labels=tuple(name for label in fields.items("labels") if (name := label.prose("name"))),
        title=fields.prose("title") or "",
    )


_EVENTS: Final[Mapping[str, Callable[[Fields], Parsed]]] = {
    "push": _push,
    "delete": _delete,
    "pull_request": _pull_request,
    "pull_request_sync": _pull_request,
    "pull_request_label": _pull_request,
    "pull_request_comment": _comment,
    "release": _release,
}
