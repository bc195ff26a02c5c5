"""GitHub's JSON for the things of the model; events and API answers share these."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from tests.fakes.githost.model import Comment, Person, Repository, Request, Status, World
from tests.fakes.githost.web import Json

GHOST: Json = None


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Shapes:
    """`web` and `api` are the host's addresses without a slash at the end."""

    world: World
    web: str
    api: str

    def person(self, person: Person) -> Json:
        return {
            "login": person.login,
            "id": person.id,
            "node_id": f"U_{person.id}",
            "avatar_url": f"{self.web}/avatars/{person.id}",
            "url": f"{self.api}/users/{person.login}",
            "html_url": f"{self.web}/{person.login}",
            "type": "Bot" if person.bot else "User",
            "site_admin": False,
        }

    def repository(self, repository: Repository) -> Json:
        owner = self.world.person(repository.owner)
        return {
            "id": repository.id,
            "node_id": f"R_{repository.id}",
            "name": repository.name,
            "full_name": repository.path,
            "private": repository.private,
            "owner": self.person(owner),
            "html_url": f"{self.web}/{repository.path}",
            "description": None,
            "fork": repository.fork_of is not None,
            "url": f"{self.api}/repos/{repository.path}",
            "clone_url": f"{self.web}/{repository.path}.git",
            "git_url": f"git://{repository.path}.git",
            "default_branch": repository.default_branch,
            "visibility": "private" if repository.private else "public",
            "archived": repository.archived,
            "disabled": False,
        }

    def commit_in_push(self, repository: Repository, sha: str) -> Json:
        info = repository.git.commit_info(sha)
        if info is None:
            return None
        parent = info.parents[0] if info.parents else None
        changes = repository.git.changes(parent, sha) if parent else []
        author = {"name": info.author, "email": info.email, "username": info.author.split()[0]}
        return {
            "id": sha,
            "tree_id": info.tree,
            "distinct": True,
            "message": info.message,
            "timestamp": info.date,
            "url": f"{self.web}/{repository.path}/commit/{sha}",
            "author": author,
            "committer": author,
            "added": [change.path for change in changes if change.status == "A"],
            "removed": [change.path for change in changes if change.status == "D"],
            "modified": [change.path for change in changes if change.status not in "AD"],
        }

    def request(self, repository: Repository, request: Request) -> Json:
        head = self.world.repositories.get(request.head_repository or 0)
        head_owner = head.owner if head else "unknown"
        merged_at = stamp(request.at) if request.merged else None
        return {
            "id": request.id,
            "node_id": f"PR_{request.id}",
            "number": request.number,
            "url": f"{self.api}/repos/{repository.path}/pulls/{request.number}",
            "html_url": f"{self.web}/{repository.path}/pull/{request.number}",
            "state": "open" if request.open else "closed",
            "locked": request.locked,
            "title": request.title,
            "body": None,
            "user": self.person(request.author),
            "labels": [{"id": n, "name": name} for n, name in enumerate(request.labels, 1)],
            "draft": request.draft,
            "merged": request.merged,
            "merged_at": merged_at,
            "mergeable": None,
            "created_at": stamp(request.at),
            "author_association": "CONTRIBUTOR",
            "head": {
                "label": f"{head_owner}:{request.head_branch}",
                "ref": request.head_branch,
                "sha": request.head_sha,
                "user": self.person(self.world.person(head_owner)) if head else None,
                "repo": self.repository(head) if head else None,
            },
            "base": {
                "label": f"{repository.owner}:{request.base_branch}",
                "ref": request.base_branch,
                "sha": request.base_sha,
                "user": self.person(self.world.person(repository.owner)),
                "repo": self.repository(repository),
            },
        }

    def comment(self, repository: Repository, comment: Comment) -> Json:
        author, number = comment.author, comment.number
        app = {"id": author.app_id} if author.app_id else None
        kind = "issues" if number in repository.issues else "pull"
        page = f"{self.web}/{repository.path}/{kind}/{number}"
        return {
            "id": comment.id,
            "node_id": f"IC_{comment.id}",
            "url": f"{self.api}/repos/{repository.path}/issues/comments/{comment.id}",
            "html_url": f"{page}#issuecomment-{comment.id}",
            "issue_url": f"{self.api}/repos/{repository.path}/issues/{number}",
            "body": comment.body,
            "user": self.person(author),
            "created_at": stamp(comment.at),
            "updated_at": stamp(comment.changed_at or comment.at),
            "author_association": "NONE",
            "performed_via_github_app": app,
        }

    def status(self, repository: Repository, status: Status) -> Json:
        return {
            "url": f"{self.api}/repos/{repository.path}/statuses/{status.sha}",
            "id": status.id,
            "node_id": f"SC_{status.id}",
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": stamp(status.at),
            "updated_at": stamp(status.at),
            "creator": self.person(status.creator),
        }
