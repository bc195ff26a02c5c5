"""GitLab's JSON for the things of the model: API answers and hook bodies share these."""

from __future__ import annotations

from dataclasses import dataclass

from tests.fakes.githost.bare import Change
from tests.fakes.githost.github_shapes import stamp
from tests.fakes.githost.model import Comment, Person, Pipeline, Repository, Request, Status, World
from tests.fakes.githost.web import Json


@dataclass(frozen=True, slots=True)
class GitLabShapes:
    """`web` is the host's address without a slash at the end."""

    world: World
    web: str

    def person(self, person: Person) -> Json:
        return {
            "id": person.id,
            "username": person.login,
            "name": person.login.title(),
            "state": person.state,
            "avatar_url": None,
            "web_url": f"{self.web}/{person.login}",
        }

    def project(self, repository: Repository) -> Json:
        return {
            "id": repository.id,
            "name": repository.name,
            "path": repository.name,
            "path_with_namespace": repository.path,
            "default_branch": repository.default_branch,
            "http_url_to_repo": f"{self.web}/{repository.path}.git",
            "ssh_url_to_repo": f"git@gitlab.example.com:{repository.path}.git",
            "web_url": f"{self.web}/{repository.path}",
            "visibility": "private" if repository.private else "public",
            "archived": repository.archived,
            "namespace": {"full_path": repository.owner, "kind": "group"},
        }

    def hook_project(self, repository: Repository) -> Json:
        """What hook bodies hold: `visibility_level` instead of a word."""
        return {
            "id": repository.id,
            "name": repository.name,
            "description": None,
            "web_url": f"{self.web}/{repository.path}",
            "git_http_url": f"{self.web}/{repository.path}.git",
            "git_ssh_url": f"git@gitlab.example.com:{repository.path}.git",
            "namespace": repository.owner,
            "visibility_level": 0 if repository.private else 20,
            "path_with_namespace": repository.path,
            "default_branch": repository.default_branch,
        }

    def commit(self, repository: Repository, sha: str) -> Json:
        info = repository.git.commit_info(sha)
        if info is None:
            return None
        newest = [p for p in repository.pipelines if p.sha == sha]
        return {
            "id": sha,
            "short_id": sha[:8],
            "title": info.message.split("\n")[0],
            "message": info.message,
            "parent_ids": list(info.parents),
            "author_name": info.author,
            "author_email": info.email,
            "authored_date": info.date,
            "created_at": info.date,
            "committed_date": info.date,
            "last_pipeline": self.pipeline(newest[-1]) if newest else None,
            "web_url": f"{self.web}/{repository.path}/-/commit/{sha}",
        }

    @staticmethod
    def pipeline(pipeline: Pipeline) -> Json:
        shown = {"id": pipeline.id, "sha": pipeline.sha, "ref": pipeline.ref}
        return {**shown, "source": pipeline.source, "status": "running"}

    def hook_commit(self, repository: Repository, sha: str) -> Json:
        info = repository.git.commit_info(sha)
        if info is None:
            return None
        changes = repository.git.changes(info.parents[0], sha) if info.parents else []
        return {
            "id": sha,
            "message": info.message,
            "title": info.message.split("\n")[0],
            "timestamp": info.date,
            "url": f"{self.web}/{repository.path}/-/commit/{sha}",
            "author": {"name": info.author, "email": info.email},
            "added": [change.path for change in changes if change.status == "A"],
            "modified": [change.path for change in changes if change.status not in "AD"],
            "removed": [change.path for change in changes if change.status == "D"],
        }

    def request(self, repository: Repository, request: Request) -> Json:
        state = "opened" if request.open else ("merged" if request.merged else "closed")
        return {
            "id": request.id,
            "iid": request.number,
            "project_id": repository.id,
            "title": request.title,
            "description": None,
            "state": state,
            "created_at": stamp(request.at),
            "source_branch": request.head_branch,
            "target_branch": request.base_branch,
            "source_project_id": request.head_repository,
            "target_project_id": repository.id,
            "author": self.person(request.author),
            "labels": list(request.labels),
            "draft": request.draft,
            "work_in_progress": request.draft,
            "sha": request.head_sha,
            "merge_commit_sha": None,
            "discussion_locked": request.locked or None,
            "diff_refs": {"base_sha": request.base_sha, "head_sha": request.head_sha},
            "web_url": f"{self.web}/{repository.path}/-/merge_requests/{request.number}",
        }

    def commented(self, repository: Repository, comment: Comment) -> Json:
        """As events show it."""
        return {
            "id": comment.id,
            "project_id": repository.id,
            "action_name": "commented on",
            "target_id": comment.id,
            "target_type": "Note",
            "author_id": comment.author.id,
            "created_at": stamp(comment.at),
            "note": self.note(repository, comment),
            "author": self.person(comment.author),
            "author_username": comment.author.login,
        }

    def note(self, repository: Repository, comment: Comment) -> Json:
        kind = "Issue" if comment.number in repository.issues else "MergeRequest"
        return {
            "id": comment.id,
            "type": None,
            "body": comment.body,
            "author": self.person(comment.author),
            "created_at": stamp(comment.at),
            "updated_at": stamp(comment.changed_at or comment.at),
            "system": False,
            "noteable_type": "Commit" if comment.sha else kind,
            "confidential": comment.internal,
            "internal": comment.internal,
            "noteable_iid": comment.number,
            "project_id": repository.id,
        }

    def status(self, status: Status) -> Json:
        return {
            "id": status.id,
            "sha": status.sha,
            "ref": status.ref,
            "status": status.state,
            "name": status.context,
            "target_url": status.target_url,
            "description": status.description,
            "created_at": stamp(status.at),
            "pipeline_id": status.pipeline,
            "allow_failure": False,
            "coverage": None,
            "author": self.person(status.creator),
        }


def diff(change: Change) -> Json:
    return {
        "old_path": change.old,
        "new_path": change.path,
        "new_file": change.status == "A",
        "renamed_file": change.status == "R",
        "deleted_file": change.status == "D",
        "a_mode": "100644",
        "b_mode": "100644",
        "diff": "",
        "collapsed": False,
        "too_large": False,
    }
