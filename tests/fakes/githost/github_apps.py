"""GitHub's endpoints about the caller: its user, its App, its installations and tokens."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.githost.github_hooks import config, deliveries
from tests.fakes.githost.github_shapes import Shapes, stamp
from tests.fakes.githost.hooks import Hooks
from tests.fakes.githost.model import App, Repository, Token, World
from tests.fakes.githost.web import Answer, Asked, Json, Refused, Route, page

_JWT_SECONDS = 600
"""An App's own token may not live longer: 'exp' is then 'too far in the future'."""


@dataclass(frozen=True, slots=True)
class Apps:
    world: World
    shapes: Shapes
    hooks: Hooks

    def routes(self) -> tuple[Route, ...]:
        """Those that an App's JWT may call."""
        return (
            Route("GET", "/app", self.app),
            Route("GET", "/app/installations", self.installations),
            Route("POST", "/app/installations/{number}/access_tokens", self.mint),
            Route("GET", "/app/hook/config", self.hook_config),
            Route("GET", "/app/hook/deliveries", self.hook_deliveries),
            Route("GET", "/repos/{owner}/{name}/installation", self.installation),
        )

    def token_routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/user", self.user),
            Route("GET", "/user/repos", self.repositories),
            Route("GET", "/user/{number}", self.person),
            Route("GET", "/users/{login}", self.person_by_login),
            Route("GET", "/installation/repositories", self.installed),
        )

    def caller(self, value: str) -> App:
        """The App whose JWT this is. GitHub looks at signature, issuer and the two times."""
        date = [("Date", formatdate(self.world.now(), usegmt=True))]
        try:
            claims: dict[str, Any] = jwt.decode(value, options={"verify_signature": False})
            app = self.world.apps[int(claims["iss"])]
            jwt.decode(
                value,
                app.public_key,
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, KeyError, ValueError) as error:
            text = "A JSON web token could not be decoded"
            raise Refused(401, text, date) from error
        now = self.world.now()
        if claims["iat"] > now + 1:
            text = "'Issued at' claim ('iat') must be an Integer representing a time in the past"
            raise Refused(401, text, date)
        if claims["exp"] <= now:
            raise Refused(401, "'Expiration time' claim ('exp') must be in the future", date)
        if claims["exp"] > now + _JWT_SECONDS:
            raise Refused(401, "'Expiration time' claim ('exp') is too far in the future", date)
        return app

    def app(self, asked: Asked, app: App) -> Answer:
        shown = {"id": app.id, "slug": app.slug, "name": app.slug, "events": list(app.events)}
        return Answer.of({**shown, "permissions": app.permissions})

    def hook_config(self, asked: Asked, app: App) -> Answer:
        return Answer.of(config(app.hook) if app.hook else {"content_type": "form"})

    def hook_deliveries(self, asked: Asked, app: App) -> Answer:
        return Answer.of(deliveries(asked, self.hooks, app.hook) if app.hook else [])

    def installations(self, asked: Asked, app: App) -> Answer:
        rows = [self._installation(app, number) for number in app.installations]
        return Answer.of(page(asked, rows))

    @staticmethod
    def _installation(app: App, number: int) -> Json:
        return {
            "id": number,
            "app_id": app.id,
            "app_slug": app.slug,
            "suspended_at": "2026-01-02T03:04:05Z" if number in app.suspended else None,
            "permissions": app.granted.get(number, app.permissions),
            "events": list(app.events),
            "account": {"login": "acme"},
        }

    def installation(self, asked: Asked, app: App, owner: str, name: str) -> Answer:
        repository = self.world.by_path(f"{owner}/{name}")
        if repository is None and (moved := self.world.by_path(f"{owner}/{name}", former=True)):
            target = f"{self.shapes.api}/repositories/{moved.id}/installation"
            raise Refused(301, "Moved Permanently", [("Location", target)])
        for number, held in app.installations.items():
            if repository is not None and repository.id in held:
                return Answer.of(self._installation(app, number))
        raise Refused(404, "Not Found")

    def installation_by_id(self, app: App, number: int) -> Answer:
        for installation, held in app.installations.items():
            if number in held:
                return Answer.of(self._installation(app, installation))
        raise Refused(404, "Not Found")

    def mint(self, asked: Asked, app: App, number: str) -> Answer:
        """A token of an installation, for fewer repositories and permissions where asked."""
        held = app.installations.get(int(number))
        if held is None:
            raise Refused(404, "Not Found")
        body = asked.json()
        wanted = set(body.get("repository_ids", held))
        if not wanted <= held:
            raise Refused(422, "There is at least one repository that does not exist")
        permissions = body.get("permissions", app.permissions)
        for name, access in permissions.items():
            if app.permissions.get(name) not in ("write", access):
                text = f"The permissions requested are not granted to this installation: {name}"
                raise Refused(422, text)
        value = f"ghs_{app.id}_{secrets.token_urlsafe(40)}"
        expires = self.world.now() + self.world.token_seconds
        token = Token(value, app.person, expires, dict(permissions), frozenset(wanted), int(number))
        with self.world.changing():
            self.world.tokens[value] = token
        shown = {"token": value, "expires_at": stamp(expires), "permissions": permissions}
        return Answer.of({**shown, "repository_selection": "selected"}, 201)

    def user(self, asked: Asked, token: Token) -> Answer:
        if token.installation is not None:
            raise Refused(403, "Resource not accessible by integration")
        return Answer.of(self.shapes.person(token.person))

    def person(self, asked: Asked, token: Token, number: str) -> Answer:
        person = self.world.people.get(int(number))
        if person is None:
            raise Refused(404, "Not Found")
        return Answer.of(self.shapes.person(person))

    def person_by_login(self, asked: Asked, token: Token, login: str) -> Answer:
        for person in self.world.people.values():
            if person.login.lower() == login.lower():
                return Answer.of(self.shapes.person(person))
        raise Refused(404, "Not Found")

    def repositories(self, asked: Asked, token: Token) -> Answer:
        mine = [r for r in self.world.repositories.values() if token.person.id in r.members]
        return Answer.of(page(asked, self._shown(mine)))

    def installed(self, asked: Asked, token: Token) -> Answer:
        if token.repositories is None:
            raise Refused(403, "You must authenticate with an installation access token")
        held = [self.world.repositories[n] for n in sorted(token.repositories)]
        shown = {"total_count": len(held), "repositories": page(asked, self._shown(held))}
        return Answer.of(shown)

    def _shown(self, repositories: list[Repository]) -> Json:
        return [self.shapes.repository(repository) for repository in repositories]


def key_pair() -> tuple[str, str]:
    """A private and a public key in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()
