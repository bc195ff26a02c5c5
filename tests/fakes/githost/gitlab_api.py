"""GitLab's REST API over the model. Projects are named by number or by encoded path."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from tests.fakes.githost.github_shapes import stamp
from tests.fakes.githost.gitlab_hooks import Webhooks
from tests.fakes.githost.gitlab_shapes import GitLabShapes, diff
from tests.fakes.githost.gitlab_statuses import Statuses
from tests.fakes.githost.hooks import Hooks
from tests.fakes.githost.limits import Limits
from tests.fakes.githost.model import LEVELS, Comment, Repository, Request, Token, World
from tests.fakes.githost.web import Answer, Asked, Json, Refused, Route, page

_BODY = 1_000_000
_DIFFS = 1000
"""More changed files than these are not listed by a comparison."""


class GitLabApi:
    def __init__(self, world: World, shapes: GitLabShapes, limits: Limits, hooks: Hooks) -> None:
        self._world = world
        self._shapes = shapes
        self._limits = limits
        self.statuses = Statuses(world)
        project = "/projects/{project}"
        self._routes = (
            Route("GET", "/user", self._me),
            Route("GET", "/users/{number}", self._user),
            Route("GET", "/projects", self._projects),
            Route("GET", project, self._project),
            Route("GET", project + "/repository/files/{path}", self._file),
            Route("GET", project + "/repository/tree", self._tree),
            Route("GET", project + "/repository/commits/{sha}", self._commit),
            Route("GET", project + "/repository/commits/{sha}/statuses", self._listing),
            Route("POST", project + "/statuses/{sha}", self._set_status),
            Route("GET", project + "/repository/branches/{name}", self._branch),
            Route("GET", project + "/repository/tags/{name}", self._tag),
            Route("GET", project + "/repository/compare", self._compare),
            Route("GET", project + "/repository/merge_base", self._merge_base),
            Route("GET", project + "/events", self._happened),
            Route("GET", project + "/merge_requests", self._requests),
            Route("GET", project + "/merge_requests/{number}", self._request),
            Route("GET", project + "/merge_requests/{number}/diffs", self._diffs),
            Route("GET", project + "/merge_requests/{number}/notes", self._notes),
            Route("POST", project + "/merge_requests/{number}/notes", self._note),
            Route("GET", project + "/merge_requests/{number}/notes/{note}", self._one_note),
            Route("PUT", project + "/merge_requests/{number}/notes/{note}", self._edit),
            Route(
                "POST",
                project + "/merge_requests/{number}/notes/{note}/award_emoji",
                self._award,
            ),
            Route("GET", project + "/repository/commits/{sha}/discussions", self._discussions),
            Route("POST", project + "/repository/commits/{sha}/discussions", self._discuss),
            Route(
                "PUT",
                project + "/repository/commits/{sha}/discussions/{discussion}/notes/{note}",
                self._rewrite,
            ),
            Route("GET", project + "/members/all/{number}", self._member),
            *Webhooks(world, hooks, self._need).routes(),
        )

    def answer(self, asked: Asked) -> Answer:
        """`asked.path` is relative to the API's root."""
        try:
            self._count(asked)
            return self._route(asked)
        except Refused as refused:
            return _refusal(refused)

    def _count(self, asked: Asked) -> None:
        if exceeded := self._limits.count(asked.method):
            wait = max(1, int(exceeded.reset - self._world.now()))
            raise Refused(429, {"message": "Retry later"}, [("Retry-After", str(wait))])

    def _route(self, asked: Asked) -> Answer:
        token = self._token(asked)
        self._by_scope(asked, token)
        for route in self._routes:
            found = route.match(asked.method, asked.path)
            if found is None:
                continue
            values: dict[str, Any] = dict(found)
            if "project" in values:
                values["project"] = self._find(asked, token, values["project"])
            answer: Answer = route.handle(asked, token, **values)
            return answer
        raise Refused(404, {"error": "404 Not Found"})

    def _token(self, asked: Asked) -> Token:
        value = asked.headers.get("private-token", "")
        scheme, _, bearer = asked.headers.get("authorization", "").partition(" ")
        token = self._world.valid_token(value or (bearer if scheme == "Bearer" else ""))
        if token is None:
            raise Refused(401, {"message": "401 Unauthorized"})
        return token

    @staticmethod
    def _by_scope(asked: Asked, token: Token) -> None:
        """https://docs.gitlab.com/user/profile/personal_access_tokens/#personal-access-token-scopes"""
        scopes = token.scopes
        if scopes is None or "api" in scopes or asked.path == "/personal_access_tokens/self":
            return
        if asked.method == "GET" and "read_api" in scopes:
            return
        words = "The request requires higher privileges than provided by the access token."
        said = {"error": "insufficient_scope", "error_description": words, "scope": "api"}
        raise Refused(403, said)

    def _find(self, asked: Asked, token: Token, name: str) -> Repository:
        world = self._world
        if name.isdigit():
            repository = world.repositories.get(int(name))
        else:
            repository = world.by_path(name)
            moved = world.by_path(name, former=True)
            if repository is None and moved is not None:
                if asked.method != "GET":
                    text = "405 Non GET methods are not allowed for moved projects"
                    raise Refused(405, {"message": text})
                target = asked.path.replace(quote(name, safe=""), str(moved.id))
                raise Refused(302, {}, [("Location", "/api/v4" + target)])
        if repository is None or not world.may(token, repository, LEVELS["read"], "api:read"):
            raise Refused(404, {"message": "404 Project Not Found"})
        return repository

    def _need(self, token: Token, project: Repository, role: str) -> None:
        if not self._world.may(token, project, LEVELS[role], "api:write"):
            raise Refused(403, {"message": "403 Forbidden"})

    def _me(self, asked: Asked, token: Token) -> Answer:
        return Answer.of(self._shapes.person(token.person))

    def _user(self, asked: Asked, token: Token, number: str) -> Answer:
        person = self._world.people.get(int(number))
        if person is None:
            raise Refused(404, {"message": "404 User Not Found"})
        return Answer.of(self._shapes.person(person))

    def _projects(self, asked: Asked, token: Token) -> Answer:
        mine = [r for r in self._world.repositories.values() if token.person.id in r.members]
        return _listed(asked, [self._shapes.project(repository) for repository in mine])

    def _project(self, asked: Asked, token: Token, project: Repository) -> Answer:
        return Answer.of(self._shapes.project(project))

    def _file(self, asked: Asked, token: Token, project: Repository, path: str) -> Answer:
        sha = project.git.resolve(asked.one("ref"))
        if sha is None:
            raise Refused(404, {"message": "404 Commit Not Found"})
        entry = project.git.entry(sha, path)
        if entry is None or entry.kind != "blob":
            raise Refused(404, {"message": "404 File Not Found"})
        return Answer.of(
            {
                "file_name": path.rpartition("/")[2],
                "file_path": path,
                "size": len(entry.content),
                "encoding": "base64",
                "content": base64.b64encode(entry.content).decode(),
                "ref": asked.one("ref"),
                "blob_id": entry.oid,
                "commit_id": sha,
                "execute_filemode": entry.mode == "100755",
            }
        )

    def _tree(self, asked: Asked, token: Token, project: Repository) -> Answer:
        sha, path = project.git.resolve(asked.one("ref")), asked.one("path").strip("/")
        entry = project.git.entry(sha, path) if sha else None
        if sha is None or entry is None or entry.kind != "tree":
            raise Refused(404, {"message": "404 Tree Not Found"})
        rows = [
            {"id": row.oid, "name": name, "type": row.kind, "path": name, "mode": row.mode}
            for name, row in project.git.listing(sha, path)
        ]
        return _listed(asked, rows)

    def _commit(self, asked: Asked, token: Token, project: Repository, sha: str) -> Answer:
        found = project.git.resolve(sha)
        if found is None:
            raise Refused(404, {"message": "404 Commit Not Found"})
        return Answer.of(self._shapes.commit(project, found))

    def _listing(self, asked: Asked, token: Token, project: Repository, sha: str) -> Answer:
        every = asked.one("all") in ("true", "1")
        rows = self.statuses.listing(project, sha, asked.one("ref"), asked.one("name"), all_=every)
        return _listed(asked, [self._shapes.status(row) for row in rows])

    def _set_status(self, asked: Asked, token: Token, project: Repository, sha: str) -> Answer:
        self._need(token, project, "write")
        status = self.statuses.create(project, token.person, sha, asked.json())
        return Answer.of(self._shapes.status(status), 201)

    def _branch(self, asked: Asked, token: Token, project: Repository, name: str) -> Answer:
        oid = project.git.refs().get(f"refs/heads/{name}")
        if oid is None:
            raise Refused(404, {"message": "404 Branch Not Found"})
        return Answer.of({"name": name, "commit": self._shapes.commit(project, oid)})

    def _tag(self, asked: Asked, token: Token, project: Repository, name: str) -> Answer:
        oid = project.git.refs().get(f"refs/tags/{name}")
        if oid is None:
            raise Refused(404, {"message": "404 Tag Not Found"})
        commit = project.git.resolve(oid)
        shown = {"name": name, "target": oid, "message": ""}
        return Answer.of({**shown, "commit": self._shapes.commit(project, commit or oid)})

    def _compare(self, asked: Asked, token: Token, project: Repository) -> Answer:
        git = project.git
        one, other = git.resolve(asked.one("from")), git.resolve(asked.one("to"))
        if one is None or other is None:
            raise Refused(404, {"message": "404 Ref Not Found"})
        fork = git.merge_base(one, other)
        changes = git.changes(fork, other) if fork else []
        return Answer.of(
            {
                "commits": [],
                "diffs": [diff(change) for change in changes[:_DIFFS]],
                "compare_timeout": len(changes) > _DIFFS,
                "compare_same_ref": one == other,
            }
        )

    def _merge_base(self, asked: Asked, token: Token, project: Repository) -> Answer:
        refs = asked.query.get("refs[]", [])
        commits = [project.git.resolve(ref) for ref in refs]
        if len(refs) != 2 or commits[0] is None or commits[1] is None:
            raise Refused(400, {"message": "400 Bad request - Could not find ref"})
        found = project.git.merge_base(commits[0], commits[1])
        if found is None:
            raise Refused(404, {"message": "404 Merge Base Not Found"})
        return Answer.of(self._shapes.commit(project, found))

    def _requests(self, asked: Asked, token: Token, project: Repository) -> Answer:
        state = asked.one("state", "all")
        chosen = [r for r in project.requests.values() if state == "all" or r.open]
        if asked.one("sort", "desc") == "desc":
            chosen.reverse()
        return _listed(asked, [self._shapes.request(project, row) for row in chosen])

    @staticmethod
    def _one(project: Repository, number: str) -> Request:
        request = project.requests.get(int(number))
        if request is None:
            raise Refused(404, {"message": "404 Not found"})
        return request

    def _request(self, asked: Asked, token: Token, project: Repository, number: str) -> Answer:
        return Answer.of(self._shapes.request(project, self._one(project, number)))

    def _diffs(self, asked: Asked, token: Token, project: Repository, number: str) -> Answer:
        request = self._one(project, number)
        base = project.git.merge_base(request.base_sha, request.head_sha)
        changes = project.git.changes(base or request.base_sha, request.head_sha)
        return _listed(asked, [diff(change) for change in changes[:_DIFFS]])

    def _notes(self, asked: Asked, token: Token, project: Repository, number: str) -> Answer:
        request = self._one(project, number)
        rows = [c for c in project.comments.values() if c.number == request.number]
        if asked.one("sort", "desc") == "desc":
            rows.reverse()
        return _listed(asked, [self._shapes.note(project, row) for row in rows])

    def _note(self, asked: Asked, token: Token, project: Repository, number: str) -> Answer:
        request = self._one(project, number)
        if request.locked:
            raise Refused(403, {"message": "403 Forbidden"})
        made = Comment(
            self._world.number(), request.number, token.person, _body(asked), self._world.now()
        )
        project.comments[made.id] = made
        return Answer.of(self._shapes.note(project, made), 201)

    def _one_note(
        self, asked: Asked, token: Token, project: Repository, number: str, note: str
    ) -> Answer:
        return Answer.of(self._shapes.note(project, self._on_request(project, number, note)))

    def _edit(
        self, asked: Asked, token: Token, project: Repository, number: str, note: str
    ) -> Answer:
        return self._edited(asked, token, project, self._on_request(project, number, note))

    def _on_request(self, project: Repository, number: str, note: str) -> Comment:
        comment = project.comments.get(int(note))
        if comment is None or comment.number != self._one(project, number).number:
            raise Refused(404, {"message": "404 Note Not Found"})
        return comment

    def _edited(self, asked: Asked, token: Token, project: Repository, comment: Comment) -> Answer:
        if comment.author is not token.person:
            raise Refused(403, {"message": "403 Forbidden"})
        comment.body = _body(asked)
        comment.edited += 1
        comment.changed_at = self._world.now()
        return Answer.of(self._shapes.note(project, comment))

    def _award(
        self, asked: Asked, token: Token, project: Repository, number: str, note: str
    ) -> Answer:
        request, comment = self._one(project, number), project.comments.get(int(note))
        if comment is None or comment.number != request.number:
            raise Refused(404, {"message": "404 Not found"})
        if request.locked:
            raise Refused(403, {"message": "403 Forbidden"})
        mine = (str(asked.json().get("name")), token.person.id)
        if mine in comment.reactions:
            text = "404 Award Emoji Name has already been taken Not Found"
            raise Refused(404, {"message": text})
        comment.reactions.append(mine)
        comment.changed_at = self._world.now()
        return Answer.of({"id": 1, "name": mine[0], "awardable_id": comment.id}, 201)

    def _happened(self, asked: Asked, token: Token, project: Repository) -> Answer:
        """Comments alone, by the day in UTC; `after` is left out itself."""
        if asked.one("action") != "commented":
            raise Refused(400, {"error": "the stand-in knows no other events"})
        after = asked.one("after", "1970-01-01")
        chosen = [c for c in project.comments.values() if stamp(c.at)[:10] > after]
        if asked.one("sort", "desc") == "desc":
            chosen.reverse()
        return _listed(asked, [self._shapes.commented(project, row) for row in chosen])

    def _discussions(self, asked: Asked, token: Token, project: Repository, sha: str) -> Answer:
        rows = [c for c in project.comments.values() if c.sha == sha]
        return _listed(asked, [self._discussion(project, row) for row in rows])

    def _discuss(self, asked: Asked, token: Token, project: Repository, sha: str) -> Answer:
        if project.git.resolve(sha) is None:
            raise Refused(404, {"message": "404 Commit Not Found"})
        number, now = self._world.number(), self._world.now()
        made = Comment(number, None, token.person, _body(asked), now, sha)
        project.comments[made.id] = made
        return Answer.of(self._discussion(project, made), 201)

    def _rewrite(
        self,
        asked: Asked,
        token: Token,
        project: Repository,
        sha: str,
        discussion: str,
        note: str,
    ) -> Answer:
        comment = project.comments.get(int(note))
        if comment is None or comment.sha != sha or discussion != f"{comment.id:040x}":
            raise Refused(404, {"message": "404 Note Not Found"})
        return self._edited(asked, token, project, comment)

    def _discussion(self, project: Repository, row: Comment) -> Json:
        shown = self._shapes.note(project, row)
        return {"id": f"{row.id:040x}", "individual_note": False, "notes": [shown]}

    def _member(self, asked: Asked, token: Token, project: Repository, number: str) -> Answer:
        person = self._world.people.get(int(number))
        if person is None or person.id not in project.members:
            raise Refused(404, {"message": "404 Not found"})
        level = project.members[person.id]
        return Answer.of({**self._shapes.person(person), "access_level": level})


def _listed(asked: Asked, rows: Sequence[Json]) -> Answer:
    if "per_page" not in asked.query:
        asked.query["per_page"] = ["20"]
    shown = page(asked, rows)
    headers = [("X-Total", str(len(rows))), ("X-Page", asked.one("page", "1"))]
    return Answer.of(shown, headers=headers)


def _body(asked: Asked) -> str:
    text = asked.json().get("body")
    if not isinstance(text, str) or not text:
        raise Refused(400, {"error": "body is missing"})
    if len(text) > _BODY:
        raise Refused(400, {"message": {"note": ["is too long"]}})
    return text


def _refusal(refused: Refused) -> Answer:
    message = refused.message
    body = message if isinstance(message, dict) else {"message": message}
    return Answer.of(body, refused.status, refused.headers)
