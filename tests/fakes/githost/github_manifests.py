"""GitHub's pages and endpoint for Apps that are registered from a manifest.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

from __future__ import annotations

import html
import json
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.fakes.githost.github_apps import key_pair
from tests.fakes.githost.github_shapes import Shapes, stamp
from tests.fakes.githost.model import App, Hook, World
from tests.fakes.githost.web import Answer, Asked, Json, Refused, Route

_CODE_SECONDS = 3600.0
_NAME_LIMIT = 34
_KEYS = {
    "name": str,
    "url": str,
    "hook_attributes": dict,
    "redirect_url": str,
    "callback_urls": list,
    "setup_url": str,
    "description": str,
    "public": bool,
    "default_events": list,
    "default_permissions": dict,
    "request_oauth_on_install": bool,
    "setup_on_update": bool,
}
_EVENTS = {
    "push": "contents",
    "commit_comment": "contents",
    "pull_request": "pull_requests",
    "issue_comment": "issues",
    "merge_group": "merge_queues",
    "check_run": "checks",
    "check_suite": "checks",
    "status": "statuses",
}
"""With the permission that a subscription needs, to be read at least:
https://docs.github.com/en/webhooks/webhook-events-and-payloads"""
_PERMISSIONS = {*_EVENTS.values(), "metadata", "repository_hooks", "administration", "actions"}


@dataclass(slots=True)
class _Pending:
    """Between the first page and its button, and between the code and the exchange."""

    manifest: Json
    owner: str
    state: str
    until: float = 0.0


@dataclass(slots=True)
class Manifests:
    """`signed_in`: who looks at the pages; `organizations` are those that this person owns."""

    world: World
    shapes: Shapes
    signed_in: str = "ada"
    organizations: set[str] = field(default_factory=lambda: {"acme"})
    _pages: dict[str, _Pending] = field(default_factory=dict)
    _codes: dict[str, _Pending] = field(default_factory=dict)

    def pages(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/settings/apps/new", self.preview),
            Route("POST", "/organizations/{owner}/settings/apps/new", self.preview),
            Route("POST", "/settings/apps", self.create),
        )

    def page(self, asked: Asked) -> Answer | None:
        """None: it is none of these pages."""
        for route in self.pages():
            found = route.match(asked.method, asked.path)
            if found is not None:
                try:
                    answer: Answer = route.handle(asked, **found)
                except Refused as refused:
                    return _page(f"<p>{html.escape(str(refused.message))}</p>", refused.status)
                return answer
        return None

    def preview(self, asked: Asked, owner: str | None = None) -> Answer:
        if owner is not None and owner not in self.organizations:
            raise Refused(404, "Not Found")
        given = parse_qs(asked.body.decode()).get("manifest", [""])[0]
        try:
            manifest = json.loads(given)
        except ValueError as error:
            raise Refused(400, "Invalid GitHub App configuration") from error
        if wrong := mistakes(manifest):
            raise Refused(422, f"Invalid GitHub App configuration: {'; '.join(wrong)}")
        ticket = secrets.token_hex(8)
        self._pages[ticket] = _Pending(manifest, owner or self.signed_in, asked.one("state"))
        name = html.escape(manifest.get("name", ""))
        return _page(
            f'<form method="post" action="/settings/apps"><input name="ticket" value="{ticket}">'
            f'<input name="name" value="{name}"><button>Create GitHub App</button></form>'
        )

    def create(self, asked: Asked) -> Answer:
        """The App is there from now on; its secrets are got with the code."""
        form = {key: values[0] for key, values in parse_qs(asked.body.decode()).items()}
        pending = self._pages.pop(form["ticket"])
        name = form["name"]
        if len(name) > _NAME_LIMIT:
            raise Refused(422, f"Name is too long (maximum is {_NAME_LIMIT} characters)")
        if any(app.slug == name for app in self.world.apps.values()):
            raise Refused(422, "Name is already taken")
        pending.manifest["name"] = name
        pending.until = self.world.now() + _CODE_SECONDS
        code = secrets.token_hex(20)
        self._codes[code] = pending
        query = {"code": code} | ({"state": pending.state} if pending.state else {})
        back = pending.manifest["redirect_url"]
        target = f"{back}{'&' if urlsplit(back).query else '?'}{urlencode(query)}"
        return Answer(302, headers=[("Location", target)])

    def convert(self, asked: Asked, code: str) -> Answer:
        pending = self._codes.pop(code, None)
        if pending is None or self.world.now() > pending.until:
            raise Refused(404, "Not Found")
        private, public = key_pair()
        app, secret = self._made(pending, public), secrets.token_hex(20)
        attributes = pending.manifest.get("hook_attributes")
        if attributes:
            app.hook = Hook(self.world.number(), attributes["url"], secret, ("*",))
        shown = self._shown(pending, app)
        return Answer.of(
            shown
            | {
                "client_id": f"Iv1.{secrets.token_hex(8)}",
                "client_secret": secrets.token_hex(20),
                "webhook_secret": secret if attributes else None,
                "pem": private,
            },
            201,
        )

    def _made(self, pending: _Pending, public: str) -> App:
        number, slug = self.world.number(), pending.manifest["name"]
        person = self.world.person(f"{slug}[bot]", bot=True)
        person.app_id = number
        asked = dict(pending.manifest.get("default_permissions", {})) | {"metadata": "read"}
        app = App(number, slug, public, person, asked)
        app.events = tuple(pending.manifest.get("default_events", ()))
        self.world.apps[number] = app
        return app

    def _shown(self, pending: _Pending, app: App) -> Json:
        now = stamp(self.world.now())
        return {
            "id": app.id,
            "slug": app.slug,
            "node_id": f"A_{app.id}",
            "owner": self.shapes.person(self.world.person(pending.owner)),
            "name": app.slug,
            "description": pending.manifest.get("description"),
            "external_url": pending.manifest["url"],
            "html_url": f"{self.shapes.web}/apps/{app.slug}",
            "created_at": now,
            "updated_at": now,
            "permissions": app.permissions,
            "events": list(app.events),
        }


def mistakes(manifest: Json) -> list[str]:
    """What GitHub's page would not take."""
    if not isinstance(manifest, dict):
        return ["it is no object"]
    wrong = [f"unknown key {key}" for key in manifest if key not in _KEYS]
    wrong += [
        f"{key} is of the wrong type"
        for key, kind in _KEYS.items()
        if key in manifest and not isinstance(manifest[key], kind)
    ]
    if wrong:
        return wrong
    hook = manifest.get("hook_attributes")
    for key, url in (
        ("url", manifest.get("url")),
        ("redirect_url", manifest.get("redirect_url")),
        *([("hook_attributes.url", hook.get("url"))] if hook is not None else []),
    ):
        if not str(url or "").startswith(("http://", "https://")):
            wrong.append(f"{key} must be a valid URL")
    return wrong + _grants(manifest)


def _grants(manifest: Json) -> list[str]:
    permissions = manifest.get("default_permissions", {})
    wrong = [
        f"default_permissions: {key}: {access} is unknown"
        for key, access in permissions.items()
        if key not in _PERMISSIONS or access not in ("read", "write", "admin")
    ]
    for event in manifest.get("default_events", []):
        if event not in _EVENTS:
            wrong.append(f"default_events: {event} is unknown")
        elif _EVENTS[event] not in permissions:
            wrong.append(f"Default events are not supported by permissions: {event}")
    return wrong


def _page(body: str, status: int = 200) -> Answer:
    text = f"<!doctype html><title>GitHub</title>{body}"
    return Answer(status, text.encode(), [("Content-Type", "text/html; charset=utf-8")])
