"""GitHub's REST API over the model: who asks, may they, and which endpoint answers.

Endpoints of a repository answer under `/repos/{owner}/{name}` and under `/repositories/{id}`, the
form that GitHub's own redirects and page links use.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import unquote

from tests.fakes.githost.github_apps import Apps
from tests.fakes.githost.github_checks import Checks
from tests.fakes.githost.github_code import Code
from tests.fakes.githost.github_hooks import Webhooks
from tests.fakes.githost.github_manifests import Manifests
from tests.fakes.githost.github_shapes import Shapes
from tests.fakes.githost.github_talk import Talk
from tests.fakes.githost.hooks import Hooks
from tests.fakes.githost.limits import Exceeded, Limits
from tests.fakes.githost.model import LEVELS, Repository, Token, World
from tests.fakes.githost.web import Answer, Asked, Json, Refused, Route

_REPOSITORY = re.compile(r"/repos/([^/]+/[^/]+)(/.*)?|/repositories/(\d+)(/.*)?")
_DOCS = "https://docs.github.com/rest"

_PERMISSIONS = (
    ("POST", "/statuses/", "statuses:write", "write"),
    ("GET", "/commits/{sha}/status", "statuses:read", "read"),
    ("POST", "/check-runs", "checks:write", "read"),
    ("PATCH", "/check-runs", "checks:write", "read"),
    ("GET", "/commits/{sha}/check-runs", "checks:read", "read"),
    ("POST", "/issues/{number}/comments", "issues:write", "read"),
    ("POST", "/issues/comments/{number}/reactions", "issues:write", "read"),
    ("PATCH", "/issues/comments", "issues:write", "read"),
    ("POST", "/comments/{number}/reactions", "contents:write", "read"),
    ("PATCH", "/comments/{number}", "contents:write", "read"),
    ("POST", "/commits/{sha}/comments", "contents:read", "read"),
    ("GET", "/issues/", "issues:read", "read"),
    ("GET", "/pulls", "pull_requests:read", "read"),
    ("GET", "/collaborators/", "metadata:read", "write"),
    ("GET", "/hooks", "repository_hooks:read", "admin"),
    ("POST", "/hooks", "repository_hooks:write", "admin"),
    ("PATCH", "/hooks", "repository_hooks:write", "admin"),
    ("GET", "", "contents:read", "read"),
)
"""Method, start of the pattern, what an App's token needs, what a person needs."""


class GitHubApi:
    def __init__(self, world: World, shapes: Shapes, limits: Limits, hooks: Hooks) -> None:
        self._world = world
        self._limits = limits
        self._shapes = shapes
        self._apps = Apps(world, shapes, hooks)
        self.manifests = Manifests(world, shapes)
        convert = "/app-manifests/{code}/conversions"
        self._conversion = Route("POST", convert, self.manifests.convert)
        code, talk, checks = Code(shapes), Talk(world, shapes), Checks(world, shapes)
        webhooks = Webhooks(world, shapes, hooks)
        told = (*talk.routes(), *checks.routes())
        self._with_token = {route.pattern for route in told if _writes(route)}
        self._routes = (*code.routes(), *told, *webhooks.routes())

    def answer(self, asked: Asked) -> Answer:
        """`asked.path` is relative to the API's root."""
        try:
            if exceeded := self._limits.count(asked.method):
                raise _limited(exceeded)
            answer = self._route(asked)
        except Refused as refused:
            answer = _refusal(refused)
        answer.headers.extend([*self._limits.headers(), *self._of_token(asked)])
        return answer

    def _of_token(self, asked: Asked) -> list[tuple[str, str]]:
        """What GitHub tells of a personal token with each answer."""
        token = self._world.valid_token(asked.headers.get("authorization", "").partition(" ")[2])
        if token is None or token.installation is not None:
            return []
        found = []
        if token.scopes is not None:
            found.append(("X-OAuth-Scopes", ", ".join(sorted(token.scopes))))
        if token.expires is not None:
            end = datetime.fromtimestamp(token.expires, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            found.append(("GitHub-Authentication-Token-Expiration", end))
        return found

    def _route(self, asked: Asked) -> Answer:
        scheme, _, value = asked.headers.get("authorization", "").partition(" ")
        if (code := self._conversion.match(asked.method, asked.path)) is not None:
            return self.manifests.convert(asked, **code)
        for route in self._apps.routes():
            found = route.match(asked.method, asked.path)
            if found is not None:
                if value.count(".") != 2:
                    raise Refused(401, "A JSON web token could not be decoded")
                handled: Answer = route.handle(asked, self._apps.caller(value), **found)
                return handled
        moved = re.fullmatch(r"/repositories/(\d+)/installation", asked.path)
        if moved is not None:
            return self._apps.installation_by_id(self._apps.caller(value), int(moved[1]))
        token = self._world.valid_token(value) if scheme.lower() in ("token", "bearer") else None
        if token is None:
            raise Refused(401, "Bad credentials")
        for route in self._apps.token_routes():
            found = route.match(asked.method, asked.path)
            if found is not None:
                answered: Answer = route.handle(asked, token, **found)
                return answered
        return self._of_repository(asked, token)

    def _of_repository(self, asked: Asked, token: Token) -> Answer:
        found = _REPOSITORY.fullmatch(asked.path)
        if found is None:
            raise Refused(404, "Not Found")
        repository = self._find(found[1], found[3], asked, found[2] or "")
        rest = (found[2] if found[1] else found[4]) or ""
        for route in self._routes:
            values = route.match(asked.method, rest)
            if values is not None:
                self._authorise(token, repository, route)
                if route.pattern == "":
                    return self._shown(repository, token)
                if route.pattern in self._with_token and _writes(route):
                    handled: Answer = route.handle(asked, repository, token, **values)
                    return handled
                answered: Answer = route.handle(asked, repository, **values)
                return answered
        raise Refused(404, "Not Found")

    def _shown(self, repository: Repository, token: Token) -> Answer:
        """The repository, with what the asking person may do in it."""
        level = self._world.level(repository, token.person)
        steps = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain"}
        granted = {
            name: level >= LEVELS[role] for name, role in (steps | {"admin": "admin"}).items()
        }
        shown = self._shapes.repository(repository)
        return Answer.of(shown if token.installation else {**shown, "permissions": granted})

    def _find(self, path: str | None, number: str | None, asked: Asked, rest: str) -> Repository:
        world = self._world
        if number is not None:
            repository = world.repositories.get(int(number))
        else:
            repository = world.by_path(unquote(path or ""))
            moved = world.by_path(unquote(path or ""), former=True)
            if repository is None and moved is not None:
                target = f"{self._shapes.api}/repositories/{moved.id}{rest}"
                status = 301 if asked.method in ("GET", "HEAD") else 307
                raise Refused(status, "Moved Permanently", [("Location", target)])
        if repository is None:
            raise Refused(404, "Not Found")
        return repository

    def _authorise(self, token: Token, repository: Repository, route: Route) -> None:
        world = self._world
        if not world.may(token, repository, LEVELS["read"], "metadata:read"):
            raise Refused(404, "Not Found")
        self._by_scope(token, repository, route)
        if route.pattern == "":
            return
        for method, start, permission, role in _PERMISSIONS:
            if method == route.method and route.pattern.startswith(start):
                if not world.may(token, repository, LEVELS[role], permission):
                    if start == "/hooks" and token.permissions is None:
                        raise Refused(404, "Not Found")
                    whose = "integration" if token.installation else "personal access token"
                    needed = [("X-Accepted-GitHub-Permissions", permission.replace(":", "="))]
                    raise Refused(403, f"Resource not accessible by {whose}", needed)
                return

    @staticmethod
    def _by_scope(token: Token, repository: Repository, route: Route) -> None:
        """A classic token without the scope is answered as if there were nothing."""
        if token.scopes is None or "repo" in token.scopes:
            return
        needed = [("X-Accepted-OAuth-Scopes", "repo")]
        hooks = route.pattern.startswith("/hooks") and "admin:repo_hook" in token.scopes
        public = not repository.private and "public_repo" in token.scopes
        free = not repository.private and not _writes(route)
        if not (hooks or public or free):
            raise Refused(404, "Not Found", needed)


def _writes(route: Route) -> bool:
    return route.method != "GET"


def _refusal(refused: Refused) -> Answer:
    body: Json = refused.message
    if isinstance(body, str):
        body = {"message": body}
    body = {**body, "documentation_url": _DOCS, "status": str(refused.status)}
    return Answer.of(body, refused.status, refused.headers)


def _limited(exceeded: Exceeded) -> Refused:
    if exceeded.primary:
        return Refused(403, "API rate limit exceeded for user ID 1.")
    text = (
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    )
    return Refused(403, text)
