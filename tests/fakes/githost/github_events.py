"""GitHub's webhook payloads for what happens in the model.

Shapes: https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.ids import ZERO_SHA
from tests.fakes.githost.github_shapes import Shapes
from tests.fakes.githost.model import Comment, Person, Repository, Request
from tests.fakes.githost.web import Json

Sent = list[tuple[str, Json]]

_TAGS_AT_ONCE = 3
"""More tags than this in one push, and none of them has an event."""


@dataclass(frozen=True, slots=True)
class GitHubEvents:
    shapes: Shapes

    def push(
        self,
        repository: Repository,
        sender: Person,
        before: dict[str, str],
        after: dict[str, str],
        options: list[str],
    ) -> Sent:
        """The events of one push: `before` and `after` are all refs with their objects."""
        changed = [ref for ref in sorted(before | after) if before.get(ref) != after.get(ref)]
        tags = [ref for ref in changed if ref.startswith("refs/tags/")]
        events: Sent = []
        for ref in changed:
            if not ref.startswith(("refs/heads/", "refs/tags/")):
                continue
            if ref in tags and len(tags) > _TAGS_AT_ONCE:
                continue
            old, new = before.get(ref, ZERO_SHA), after.get(ref, ZERO_SHA)
            events.extend(self._ref(repository, sender, ref, old, new))
        return events

    def _ref(self, repository: Repository, sender: Person, ref: str, old: str, new: str) -> Sent:
        events: Sent = [("push", self._push(repository, sender, ref, old, new))]
        if ZERO_SHA in (old, new):
            branch = ref.startswith("refs/heads/")
            short = {
                "ref": ref.split("/", 2)[2],
                "ref_type": "branch" if branch else "tag",
                "master_branch": repository.default_branch,
                "pusher_type": "user",
            }
            name = "create" if old == ZERO_SHA else "delete"
            events.append((name, self._frame(repository, sender, short)))
        return events

    def _push(self, repository: Repository, sender: Person, ref: str, old: str, new: str) -> Json:
        git, shapes = repository.git, self.shapes
        head = git.resolve(new) if new != ZERO_SHA else None
        branch = ref.startswith("refs/heads/")
        known = old != ZERO_SHA and git.kind(old) == "commit"
        forced = known and head is not None and (not branch or git.merge_base(old, head) != old)
        commits = git.log(old, head)[-2048:] if branch and known and head else []
        compare = f"{shapes.web}/{repository.path}/compare/{old[:12]}...{new[:12]}"
        body = {
            "ref": ref,
            "before": old,
            "after": new,
            "created": old == ZERO_SHA,
            "deleted": new == ZERO_SHA,
            "forced": forced,
            "base_ref": None,
            "compare": compare,
            "commits": [shapes.commit_in_push(repository, sha) for sha in commits],
            "head_commit": shapes.commit_in_push(repository, head) if head else None,
            "pusher": {"name": sender.login, "email": f"{sender.login}@example.com"},
        }
        framed = self._frame(repository, sender, body)
        # Push events alone have `owner.name` and a number for the date.
        framed["repository"]["owner"]["name"] = repository.owner
        framed["repository"]["created_at"] = 1700000000
        framed["repository"]["master_branch"] = repository.default_branch
        return framed

    def request(
        self, repository: Repository, sender: Person, request: Request, action: str, extra: Json
    ) -> Sent:
        body = {
            "action": action,
            "number": request.number,
            "pull_request": self.shapes.request(repository, request),
            **extra,
        }
        return [("pull_request", self._frame(repository, sender, body))]

    def comment(self, repository: Repository, comment: Comment) -> Sent:
        shown = self.shapes.comment(repository, comment)
        body: Json = {"action": "created", "comment": shown}
        if comment.sha is not None:
            shown["commit_id"] = comment.sha
            return [("commit_comment", self._frame(repository, comment.author, body))]
        request = repository.requests[comment.number or 0]
        address = f"{self.shapes.api}/repos/{repository.path}/pulls/{request.number}"
        body["issue"] = {
            "number": request.number,
            "title": request.title,
            "state": "open" if request.open else "closed",
            "locked": request.locked,
            "user": self.shapes.person(request.author),
            "labels": [],
            "pull_request": {"url": address},
        }
        return [("issue_comment", self._frame(repository, comment.author, body))]

    def release(self, repository: Repository, sender: Person, tag: str) -> Sent:
        release = {"id": 1, "tag_name": tag, "draft": False, "prerelease": False}
        body = {"action": "published", "release": release}
        return [("release", self._frame(repository, sender, body))]

    def _frame(self, repository: Repository, sender: Person, body: Json) -> Json:
        return {
            **body,
            "repository": self.shapes.repository(repository),
            "sender": self.shapes.person(sender),
        }
