"""GitHub's endpoints about statuses, pull requests, comments and people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from tests.fakes.githost.bare import HEX
from tests.fakes.githost.github_code import changed_file
from tests.fakes.githost.github_shapes import Shapes
from tests.fakes.githost.model import LEVELS, Comment, Person, Repository, Status, Token, World
from tests.fakes.githost.web import Answer, Asked, Json, Refused, Route, page

_STATES = ("error", "failure", "pending", "success")
_FILES = 3000
_BODY = 65536


@dataclass(frozen=True, slots=True)
class Talk:
    world: World
    shapes: Shapes

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/statuses/{sha}", self.set_status),
            Route("GET", "/commits/{sha}/statuses", self.statuses),
            Route("GET", "/commits/{sha}/status", self.combined),
            Route("GET", "/pulls", self.requests),
            Route("GET", "/pulls/{number}", self.request),
            Route("GET", "/pulls/{number}/files", self.files),
            Route("GET", "/issues/comments", self.all_comments),
            Route("GET", "/issues/{number}/comments", self.comments),
            Route("POST", "/issues/{number}/comments", self.comment),
            Route("GET", "/issues/comments/{number}", self.one_comment),
            Route("PATCH", "/issues/comments/{number}", self.edit),
            Route("POST", "/issues/comments/{number}/reactions", self.react),
            Route("POST", "/comments/{number}/reactions", self.react),
            Route("GET", "/comments/{number}", self.one_comment),
            Route("PATCH", "/comments/{number}", self.edit),
            Route("GET", "/commits/{sha}/comments", self.commit_comments),
            Route("POST", "/commits/{sha}/comments", self.comment_commit),
            Route("GET", "/collaborators/{login}/permission", self.permission),
        )

    def set_status(self, asked: Asked, repository: Repository, token: Token, sha: str) -> Answer:
        body = asked.json()
        if not HEX.fullmatch(sha) or not repository.git.commit_info(sha):
            raise Refused(422, f"No commit found for SHA: {sha}")
        _check_status(body)
        context = body.get("context", "default")
        with self.world.changing():
            same = [s for s in repository.statuses if s.sha == sha and s.context == context]
            if len(same) >= self.world.status_limit:
                text = "This SHA and context has reached the maximum number of statuses."
                raise Refused(422, _invalid("base", text))
            status = Status(
                self.world.number(),
                sha,
                context,
                body["state"],
                body.get("description"),
                body.get("target_url"),
                token.person,
                self.world.now(),
            )
            repository.statuses.append(status)
        return Answer.of(self.shapes.status(repository, status), 201)

    def statuses(self, asked: Asked, repository: Repository, sha: str) -> Answer:
        newest = [s for s in reversed(repository.statuses) if s.sha == sha]
        return Answer.of(page(asked, [self.shapes.status(repository, s) for s in newest]))

    def combined(self, asked: Asked, repository: Repository, sha: str) -> Answer:
        if repository.git.resolve(sha) is None:
            raise Refused(404, "Not Found")
        latest = repository.latest(sha)
        states = {status.state for status in latest.values()}
        state = "failure" if states & {"error", "failure"} else "success"
        if not states or (state == "success" and "pending" in states):
            state = "pending"
        shown = [self.shapes.status(repository, status) for status in latest.values()]
        answer = {"state": state, "sha": sha, "total_count": len(shown)}
        return Answer.of({**answer, "statuses": page(asked, shown)})

    def requests(self, asked: Asked, repository: Repository) -> Answer:
        state = asked.one("state", "open")
        chosen = [r for r in repository.requests.values() if state == "all" or r.open]
        if asked.one("direction", "desc") == "desc":
            chosen.reverse()
        return Answer.of([self.shapes.request(repository, r) for r in page(asked, chosen)])

    def request(self, asked: Asked, repository: Repository, number: str) -> Answer:
        request = repository.requests.get(int(number))
        if request is None:
            raise Refused(404, "Not Found")
        return Answer.of(self.shapes.request(repository, request))

    def files(self, asked: Asked, repository: Repository, number: str) -> Answer:
        request = repository.requests.get(int(number))
        if request is None:
            raise Refused(404, "Not Found")
        base = repository.git.merge_base(request.base_sha, request.head_sha)
        changes = repository.git.changes(base or request.base_sha, request.head_sha)
        return Answer.of(page(asked, [changed_file(change) for change in changes[:_FILES]]))

    def comments(self, asked: Asked, repository: Repository, number: str) -> Answer:
        if int(number) not in repository.requests:
            raise Refused(404, "Not Found")
        chosen = [c for c in repository.comments.values() if c.number == int(number)]
        return Answer.of([self.shapes.comment(repository, c) for c in page(asked, chosen)])

    def all_comments(self, asked: Asked, repository: Repository) -> Answer:
        """Of issues and pull requests, changed since then. In whole seconds, as they are shown."""
        since = datetime.fromisoformat(asked.one("since", "1970-01-01T00:00:00Z")).timestamp()
        chosen = [c for c in repository.comments.values() if c.number is not None]
        chosen = [c for c in chosen if int(c.changed_at or c.at) >= since]
        changed = asked.one("sort") == "updated"
        chosen.sort(
            key=lambda c: (changed and c.changed_at) or c.at,
            reverse=asked.one("direction") == "desc",
        )
        return Answer.of([self.shapes.comment(repository, c) for c in page(asked, chosen)])

    def comment(self, asked: Asked, repository: Repository, token: Token, number: str) -> Answer:
        request = repository.requests.get(int(number))
        if request is None:
            raise Refused(404, "Not Found")
        if request.locked:
            raise Refused(403, "Unable to create comment because issue is locked.")
        body = _body(asked)
        with self.world.changing():
            made = Comment(
                self.world.number(), request.number, token.person, body, self.world.now()
            )
            repository.comments[made.id] = made
        return Answer.of(self.shapes.comment(repository, made), 201)

    def one_comment(self, asked: Asked, repository: Repository, number: str) -> Answer:
        comment = _comment(repository, number)
        if (comment.number is None) == ("/issues/" in asked.path):
            raise Refused(404, "Not Found")
        return Answer.of(self.shapes.comment(repository, comment))

    def edit(self, asked: Asked, repository: Repository, token: Token, number: str) -> Answer:
        comment = _comment(repository, number)
        if (comment.number is None) == ("/issues/" in asked.path):
            raise Refused(404, "Not Found")
        if comment.author is not token.person:
            raise Refused(403, "Resource not accessible by integration")
        with self.world.changing():
            comment.body = _body(asked)
            comment.edited += 1
            comment.changed_at = self.world.now()
        return Answer.of(self.shapes.comment(repository, comment))

    def react(self, asked: Asked, repository: Repository, token: Token, number: str) -> Answer:
        comment = _comment(repository, number)
        if (comment.number is None) == ("/issues/" in asked.path):
            raise Refused(404, "Not Found")
        request = repository.requests.get(comment.number or 0)
        if request is not None and request.locked:
            raise Refused(403, "Unable to react because the conversation is locked.")
        word = asked.json().get("content")
        mine = (word, token.person.id)
        with self.world.changing():
            known = mine in comment.reactions
            if not known:
                comment.reactions.append(mine)
        answer = {"id": 1, "content": word, "user": self.shapes.person(token.person)}
        return Answer.of(answer, 200 if known else 201)

    def commit_comments(self, asked: Asked, repository: Repository, sha: str) -> Answer:
        chosen = [c for c in repository.comments.values() if c.sha == sha]
        return Answer.of([self.shapes.comment(repository, c) for c in page(asked, chosen)])

    def comment_commit(
        self, asked: Asked, repository: Repository, token: Token, sha: str
    ) -> Answer:
        if repository.git.resolve(sha) is None:
            raise Refused(422, f"No commit found for SHA: {sha}")
        with self.world.changing():
            made = Comment(
                self.world.number(), None, token.person, _body(asked), self.world.now(), sha
            )
            repository.comments[made.id] = made
        return Answer.of(self.shapes.comment(repository, made), 201)

    def permission(self, asked: Asked, repository: Repository, login: str) -> Answer:
        person = next((p for p in self.world.people.values() if p.login == login), None)
        if person is None:
            raise Refused(404, f"{login} is not a user")
        permission, role = _permission(self.world, repository, person)
        user = self.shapes.person(person)
        return Answer.of({"permission": permission, "role_name": role, "user": user})


def _permission(world: World, repository: Repository, person: Person) -> tuple[str, str]:
    level = world.level(repository, person)
    role = next(name for name, value in reversed(list(LEVELS.items())) if level >= value)
    legacy = {"maintain": "write", "triage": "read"}
    return legacy.get(role, role), role


def _check_status(body: Json) -> None:
    if body.get("state") not in _STATES:
        raise Refused(422, _invalid("state", "state is not included in the list"))
    description = body.get("description") or ""
    if len(description) > 140:
        text = "description is too long (maximum is 140 characters)"
        raise Refused(422, _invalid("description", text))
    if re.search(r"[\U00010000-\U0010ffff]", description):
        raise Refused(422, _invalid("description", "description doesn't accept 4-byte Unicode"))
    target = body.get("target_url")
    if target is not None and urlsplit(target).scheme not in ("http", "https"):
        text = "target_url must use http(s) scheme"
        raise Refused(422, _invalid("target_url", text))


def _invalid(name: str, text: str) -> Json:
    errors = [{"resource": "Status", "code": "custom", "field": name, "message": text}]
    return {"message": "Validation Failed", "errors": errors}


def _body(asked: Asked) -> str:
    text = asked.json().get("body")
    if not isinstance(text, str) or not text:
        raise Refused(422, _invalid("body", "body can't be blank"))
    if len(text) > _BODY:
        raise Refused(422, _invalid("body", "Body is too long (maximum is 65536 characters)"))
    return text


def _comment(repository: Repository, number: str) -> Comment:
    comment = repository.comments.get(int(number))
    if comment is None:
        raise Refused(404, "Not Found")
    return comment
