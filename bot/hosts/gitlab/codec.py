"""A GitLab delivery, read into what it means. Pure: bytes in, one value of a closed union out.

Shapes: https://docs.gitlab.com/user/project/integrations/webhook_events/. A delivery may have any
shape at all: administrators of hooks can write templates of their own for the body.
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
from bot.hosts.gitlab import vocabulary

_GHOST: Final = Person(None, "ghost")


def parse(event_name: str, body: bytes, content_type: str = "application/json") -> Parsed:
    """What the delivery `event_name` (the `X-Gitlab-Event` header) with these bytes means.

    Never raises. An event that is not ours to act on is `Ignored` before its body is looked at.
    """
    if event_name == vocabulary.SYSTEM_HOOK:
        return read(body, content_type, _system)
    understand = _KINDS.get(vocabulary.KINDS.get(event_name, ""))
    if understand is None:
        return Ignored(f"event {event_name[:80]!r} is not one that leads to a build")
    return read(body, content_type, understand)


def _system(fields: Fields) -> Parsed:
    kind = fields.text_or_none("object_kind") or fields.text("event_name")
    understand = _KINDS.get(kind)
    if understand is None:
        return Ignored(f"system hook {kind[:80]!r} is not one that leads to a build")
    return understand(fields)


def _push(fields: Fields) -> Parsed:
    ref = fields.text("ref")
    branch = ref.removeprefix("refs/heads/")
    if branch in ("", ref):
        return Ignored(f"{ref!r} is not a branch")
    repository, sender = _repository(fields), _pusher(fields)
    before, after = fields.sha_or_zero("before"), fields.sha_or_zero("after")
    if after is None:
        return BranchDeleted(repository, sender, branch, before)
    options = fields.inner_or_none("push_options")
    ci = options.inner_or_none("ci") if options else None
    head = _commit(fields, after)
    # Nothing here tells a force push; who needs to know asks for the merge base.
    return BranchPushed(
        repository,
        sender,
        branch,
        after,
        before,
        head.prose("message") if head else None,
        skip_asked=bool(ci and ci.values.get("skip")),
        committed=head.moment("timestamp") if head else None,
    )


def _commit(fields: Fields, sha: str) -> Fields | None:
    """That commit of the list. The newest 20 are in it; a new branch lists none."""
    return next((one for one in fields.items("commits") if one.values.get("id") == sha), None)


def _tag_push(fields: Fields) -> Parsed:
    ref = fields.text("ref")
    tag = ref.removeprefix("refs/tags/")
    if tag in ("", ref):
        return Ignored(f"{ref!r} is not a tag")
    repository, sender = _repository(fields), _pusher(fields)
    before, after = fields.sha_or_zero("before"), fields.sha_or_zero("after")
    if after is None:
        return TagDeleted(repository, sender, tag)
    # `after` of an annotated tag is the tag object; `checkout_sha` is the commit under it.
    if "checkout_sha" in fields.values and not fields.has("checkout_sha"):
        return Ignored(f"the tag {tag!r} is not on a commit")
    commit = fields.sha("checkout_sha")
    head = _commit(fields, commit)
    committed = head.moment("timestamp") if head else None
    moved = before is not None
    return TagPushed(repository, sender, tag, commit, moved=moved, committed=committed)


def _merge_request(fields: Fields) -> Parsed:
    request = fields.inner("object_attributes")
    action = request.text_or_none("action")
    if action is None:
        return Ignored("a merge request hook without an action: the hook's test button")
    if action in ("close", "merge"):
        head = _request_head(fields, request)
        return RequestClosed(_repository(fields), _user(fields), head, merged=action == "merge")
    known: RequestAction | None
    match action:
        case "open":
            known = "opened"
        case "reopen":
            known = "reopened"
        case "update":
            known = _what_changed(fields, request)
        case _:
            return unused("merge request", action)
    if known is None:
        return Ignored("an edit of the merge request that changes nothing to build")
    head = _request_head(fields, request)
    return RequestChanged(_repository(fields), _user(fields), known, head)


def _what_changed(fields: Fields, request: Fields) -> RequestAction | None:
    """`update` is sent for any edit; `oldrev` is there only where the code changed."""
    if request.sha_or_none("oldrev"):
        return "synchronize"
    changes = fields.inner_or_none("changes")
    if changes is None:
        return None
    if changes.has("target_branch"):
        return "retargeted"
    for name in ("draft", "work_in_progress"):
        if draft := changes.inner_or_none(name):
            return "drafted" if draft.flag("current") else "ready"
    if labels := changes.inner_or_none("labels"):
        added = set(_labels(labels, "current")) - set(_labels(labels, "previous"))
        return "labeled" if added else None
    return None


def _request_head(fields: Fields, request: Fields) -> RequestHead:
    return RequestHead(
        number=request.number("iid"),
        head_sha=request.inner("last_commit").sha("id"),
        head_branch=request.text("source_branch"),
        head_repository=(
            request.repository_id("source_project_id") if request.has("source_project_id") else None
        ),
        base_branch=request.text("target_branch"),
        author=_author(fields, request),
        draft=request.flag("draft") or request.flag("work_in_progress"),
        labels=_labels(fields, "labels"),
        title=request.prose("title") or "",
    )


def _author(fields: Fields, request: Fields) -> Person:
    """The hook names its author by number alone; the login is known where they are the sender."""
    number, sender = request.number_or_none("author_id"), _user(fields)
    if number is None:
        return _GHOST
    return sender if sender.id == number else Person(number, "")


def _labels(fields: Fields, name: str) -> tuple[str, ...]:
    return tuple(title for label in fields.items(name) if (title := label.prose("title")))


_INTERNAL: Final = "confidential_note"
"""https://docs.gitlab.com/user/project/integrations/webhook_events/#comment-events"""


def _note(fields: Fields) -> Parsed:
    note = fields.inner("object_attributes")
    # `action` came with GitLab 16.11; before, only new notes were sent.
    if (action := note.text_or_none("action") or "create") != "create":
        return unused("comment", action)
    if note.flag("system"):
        return Ignored("a note that GitLab wrote itself")
    kind = note.text("noteable_type")
    text, number = note.prose("note") or "", note.number("id")
    created = note.seconds("created_at")
    match kind:
        case "MergeRequest" if note.text_or_none("type") == vocabulary.ON_A_LINE:
            return Ignored("a comment on a line of the changes")
        case "MergeRequest":
            request = fields.inner("merge_request")
            last = request.inner_or_none("last_commit")
            return CommentCreated(
                _repository(fields),
                _user(fields),
                number,
                text,
                number=request.number("iid"),
                sha=last.sha("id") if last else None,
                request_open=request.text_or_none("state") not in ("closed", "merged", "locked"),
                created_at=created,
                internal=note.flag("internal") or fields.text_or_none("event_type") == _INTERNAL,
            )
        case "Commit":
            sha = fields.inner("commit").sha("id")
            where, author = _repository(fields), _user(fields)
            return CommentCreated(where, author, number, text, sha=sha, created_at=created)
        case _:
            return Ignored(f"a comment on {kind[:80]!r}, not on a merge request or commit")


def _release(fields: Fields) -> Parsed:
    if (action := fields.text("action")) != "create":
        return unused("release", action)
    # GitLab has no prereleases and does not say who made the release.
    return Released(_repository(fields), _GHOST, fields.text("tag"), prerelease=False)


def _repository(fields: Fields) -> Repository:
    """The project that the hook belongs to; of a merge request that is the target."""
    project = fields.inner("project")
    numbered = project if project.has("id") else fields
    return Repository(
        numbered.repository_id("id" if numbered is project else "project_id"),
        project.repository_path("path_with_namespace"),
        project.text_or_none("default_branch"),
        project.text_or_none("git_http_url") or "",
        project.text_or_none("web_url") or "",
        private=project.values.get("visibility_level") != vocabulary.PUBLIC,
        description=project.shown("description"),
    )


def _pusher(fields: Fields) -> Person:
    login = fields.text_or_none("user_username") or _GHOST.login
    return _person(fields.number_or_none("user_id"), login)


def _user(fields: Fields) -> Person:
    user = fields.inner_or_none("user")
    if user is None:
        return _GHOST
    return _person(user.number_or_none("id"), user.text_or_none("username") or _GHOST.login)


def _person(number: int | None, login: str) -> Person:
    return Person(number, login, bot=vocabulary.BOT_LOGIN.fullmatch(login) is not None)


_KINDS: Final[Mapping[str, Callable[[Fields], Parsed]]] = {
    "push": _push,
    "tag_push": _tag_push,
    "merge_request": _merge_request,
    "note": _note,
    "release": _release,
}
