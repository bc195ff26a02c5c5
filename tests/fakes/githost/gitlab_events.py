"""GitLab's hook bodies for what happens in the model.

Shapes: https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from bot.core.ids import ZERO_SHA
from tests.fakes.githost.gitlab_shapes import GitLabShapes
from tests.fakes.githost.model import Comment, Person, Repository, Request
from tests.fakes.githost.web import Json

Sent = list[tuple[str, Json]]

_AT_ONCE = 3
"""`push_event_hooks_limit`: a group with more changes has no event at all."""
_COMMITS = 20

_ACTIONS = {
    "opened": "open",
    "reopened": "reopen",
    "closed": "close",
    "synchronize": "update",
    "ready_for_review": "update",
    "converted_to_draft": "update",
    "labeled": "update",
    "edited": "update",
}
"""The model speaks GitHub's words."""


@dataclass(frozen=True, slots=True)
class GitLabEvents:
    shapes: GitLabShapes

    def push(
        self,
        repository: Repository,
        sender: Person,
        before: dict[str, str],
        after: dict[str, str],
        options: list[str],
    ) -> Sent:
        """Changes are counted per kind of ref and kind of change."""
        groups: dict[tuple[str, str], list[str]] = {}
        for ref in sorted(before | after):
            old, new = before.get(ref), after.get(ref)
            if old == new or not ref.startswith(("refs/heads/", "refs/tags/")):
                continue
            change = "created" if old is None else "removed" if new is None else "pushed"
            groups.setdefault((ref.split("/")[1], change), []).append(ref)
        return [
            self._ref(repository, sender, ref, before, after, options)
            for refs in groups.values()
            if len(refs) <= _AT_ONCE
            for ref in refs
        ]

    def _ref(
        self,
        repository: Repository,
        sender: Person,
        ref: str,
        before: dict[str, str],
        after: dict[str, str],
        options: list[str],
    ) -> tuple[str, Json]:
        git = repository.git
        old, new = before.get(ref, ZERO_SHA), after.get(ref, ZERO_SHA)
        branch = ref.startswith("refs/heads/")
        head = git.resolve(new) if new != ZERO_SHA else None
        listed = git.log(old, head) if branch and head and old != ZERO_SHA else []
        kind = "push" if branch else "tag_push"
        body = {
            "object_kind": kind,
            "event_name": kind,
            "before": old,
            "after": new,
            "ref": ref,
            "ref_protected": ref == f"refs/heads/{repository.default_branch}",
            "checkout_sha": head,
            "message": None,
            "user_id": sender.id,
            "user_name": sender.login.title(),
            "user_username": sender.login,
            "user_email": "[REDACTED]",
            "project_id": repository.id,
            "project": self.shapes.hook_project(repository),
            "commits": [self.shapes.hook_commit(repository, sha) for sha in listed[-_COMMITS:]],
            "total_commits_count": len(listed),
            "push_options": {"ci": {"skip": True}} if "ci.skip" in options else {},
        }
        return ("Push Hook" if branch else "Tag Push Hook"), body

    def request(
        self, repository: Repository, sender: Person, request: Request, action: str, extra: Json
    ) -> Sent:
        """`extra` of a synchronize holds GitHub's `before`, which is `oldrev` here."""
        world, shapes = self.shapes.world, self.shapes
        source = world.repositories.get(request.head_repository or 0)
        shown = _ACTIONS[action]
        if action == "closed" and request.merged:
            shown = "merge"
        attributes = {
            "id": request.id,
            "iid": request.number,
            "action": shown,
            "author_id": request.author.id,
            "title": request.title,
            "state": "opened" if request.open else ("merged" if request.merged else "closed"),
            "source_branch": request.head_branch,
            "target_branch": request.base_branch,
            "source_project_id": request.head_repository,
            "target_project_id": repository.id,
            "source": shapes.hook_project(source) if source else None,
            "target": shapes.hook_project(repository),
            "last_commit": shapes.hook_commit(repository, request.head_sha),
            "draft": request.draft,
            "work_in_progress": request.draft,
            "url": f"{shapes.web}/{repository.path}/-/merge_requests/{request.number}",
        }
        changes: Json = {}
        if action == "synchronize":
            attributes["oldrev"] = extra["before"]
        if action in ("ready_for_review", "converted_to_draft"):
            changes["draft"] = {"previous": not request.draft, "current": request.draft}
        if action == "labeled":
            now = [{"id": number, "title": name} for number, name in enumerate(request.labels, 1)]
            changes["labels"] = {"previous": now[:-1], "current": now}
        if action == "edited" and extra:
            changes.update(extra.get("changes", {}))
        body = self._frame("merge_request", repository, sender)
        labels = [{"id": number, "title": name} for number, name in enumerate(request.labels, 1)]
        body |= {"object_attributes": attributes, "labels": labels, "changes": changes}
        return [("Merge Request Hook", body)]

    def comment(self, repository: Repository, comment: Comment) -> Sent:
        body = self._frame("note", repository, comment.author)
        attributes = {
            "id": comment.id,
            "note": comment.body,
            "noteable_type": "Commit" if comment.sha else "MergeRequest",
            "author_id": comment.author.id,
            "system": False,
            "action": "create",
            "created_at": _stamp(comment.at),
            "commit_id": comment.sha,
            "project_id": repository.id,
        }
        body["object_attributes"] = attributes
        if comment.sha:
            body["commit"] = self.shapes.hook_commit(repository, comment.sha)
            return [("Note Hook", body)]
        request = repository.requests[comment.number or 0]
        body["merge_request"] = {
            "id": request.id,
            "iid": request.number,
            "state": "opened" if request.open else "closed",
            "source_project_id": request.head_repository,
            "target_project_id": repository.id,
            "source_branch": request.head_branch,
            "target_branch": request.base_branch,
            "last_commit": self.shapes.hook_commit(repository, request.head_sha),
        }
        return [("Note Hook", body)]

    def release(self, repository: Repository, sender: Person, tag: str) -> Sent:
        sha = repository.git.resolve(f"refs/tags/{tag}")
        body = {
            "object_kind": "release",
            "id": 1,
            "action": "create",
            "tag": tag,
            "name": tag,
            "project": self.shapes.hook_project(repository),
            "commit": self.shapes.hook_commit(repository, sha) if sha else None,
        }
        return [("Release Hook", body)]

    def _frame(self, kind: str, repository: Repository, sender: Person) -> Json:
        return {
            "object_kind": kind,
            "event_type": kind,
            "user": self.shapes.person(sender),
            "project": self.shapes.hook_project(repository),
            "project_id": repository.id,
        }


def _stamp(at: float) -> str:
    """As GitLab's hooks write times."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
