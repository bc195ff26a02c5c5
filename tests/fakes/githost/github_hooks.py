"""GitHub's endpoints about the webhooks of a repository.

https://docs.github.com/en/rest/repos/webhooks
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from tests.fakes.githost.github_shapes import Shapes, stamp
from tests.fakes.githost.hooks import Delivery, Hooks
from tests.fakes.githost.model import Hook, Repository, World
from tests.fakes.githost.web import Answer, Asked, Json, Refused, Route, page

_MOST = 20
"""Hooks of one repository for one event."""


@dataclass(frozen=True, slots=True)
class Webhooks:
    world: World
    shapes: Shapes
    hooks: Hooks

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/hooks", self.listing),
            Route("POST", "/hooks", self.create),
            Route("PATCH", "/hooks/{number}", self.edit),
            Route("GET", "/hooks/{number}/deliveries", self.deliveries),
            Route("POST", "/hooks/{number}/pings", self.ping),
        )

    def listing(self, asked: Asked, repository: Repository) -> Answer:
        return Answer.of(page(asked, [self._shown(repository, one) for one in repository.hooks]))

    def create(self, asked: Asked, repository: Repository) -> Answer:
        body = asked.json()
        given = body.get("config", {})
        events = tuple(body.get("events", ["push"]))
        for other in repository.hooks:
            if other.url == given.get("url") and set(other.events) & set(events):
                raise Refused(422, _invalid("Hook already exists on this repository"))
        for event in events:
            if sum(event in other.events for other in repository.hooks) >= _MOST:
                raise Refused(422, _invalid(f"The {event!r} event cannot have more than 20 hooks"))
        hook = Hook(self.world.number(), "", None, events)
        _configure(hook, given)
        hook.active = body.get("active", True)
        repository.hooks.append(hook)
        self.hooks.send_to(repository, hook, "ping", self._ping(hook))
        return Answer.of(self._shown(repository, hook), 201)

    def edit(self, asked: Asked, repository: Repository, number: str) -> Answer:
        hook, body = self._one(repository, number), asked.json()
        if "config" in body:  # replaced as a whole, the secret with it
            _configure(hook, body["config"])
        events = set(body.get("events", hook.events)) | set(body.get("add_events", []))
        hook.events = tuple(sorted(events - set(body.get("remove_events", []))))
        hook.active = body.get("active", hook.active)
        return Answer.of(self._shown(repository, hook))

    def deliveries(self, asked: Asked, repository: Repository, number: str) -> Answer:
        return Answer.of(deliveries(asked, self.hooks, self._one(repository, number)))

    def ping(self, asked: Asked, repository: Repository, number: str) -> Answer:
        hook = self._one(repository, number)
        self.hooks.send_to(repository, hook, "ping", self._ping(hook))
        return Answer(204)

    @staticmethod
    def _one(repository: Repository, number: str) -> Hook:
        for hook in repository.hooks:
            if hook.id == int(number):
                return hook
        raise Refused(404, "Not Found")

    @staticmethod
    def _ping(hook: Hook) -> Json:
        return {"zen": "Keep it logically awesome.", "hook_id": hook.id, "hook": {"id": hook.id}}

    def _shown(self, repository: Repository, hook: Hook) -> Json:
        where = f"{self.shapes.api}/repos/{repository.path}/hooks/{hook.id}"
        sent = self.hooks.of(hook)
        code = sent[0].answers[-1] if sent else None
        return {
            "type": "Repository",
            "id": hook.id,
            "name": "web",
            "active": hook.active,
            "events": list(hook.events),
            "config": config(hook),
            "url": where,
            "test_url": f"{where}/test",
            "ping_url": f"{where}/pings",
            "deliveries_url": f"{where}/deliveries",
            "created_at": stamp(self.world.now()),
            "updated_at": stamp(self.world.now()),
            "last_response": {"code": code, "status": "active" if sent else "unused"},
        }


def config(hook: Hook) -> Json:
    shown = {
        "url": hook.url,
        "content_type": "form" if hook.form else "json",
        "insecure_ssl": "0" if hook.verify_tls else "1",
    }
    return {**shown, "secret": "********"} if hook.secret else shown


def deliveries(asked: Asked, hooks: Hooks, hook: Hook) -> Json:
    return page(asked, [_delivered(one) for one in hooks.of(hook)])


def _delivered(delivery: Delivery) -> Json:
    code = delivery.answers[-1]
    return {
        "id": uuid.UUID(delivery.id).int % 10**9 + 1,
        "guid": delivery.id,
        "delivered_at": "2026-01-02T03:04:05Z",
        "redelivery": len(delivery.answers) > 1,
        "duration": 0.1,
        "status": "OK" if 200 <= code < 300 else f"Invalid HTTP Response: {code}",
        "status_code": code,
        "event": delivery.event,
        "action": None,
        "installation_id": None,
        "repository_id": delivery.repository_id,
    }


def _configure(hook: Hook, given: Json) -> None:
    """What is left out falls back to GitHub's own choice."""
    if not str(given.get("url", "")).startswith(("http://", "https://")):
        raise Refused(422, _invalid("url is missing a scheme"))
    hook.url = given["url"]
    hook.secret = given.get("secret") or None
    hook.form = given.get("content_type", "form") == "form"
    hook.verify_tls = str(given.get("insecure_ssl", "0")) == "0"


def _invalid(text: str) -> Json:
    errors = [{"resource": "Hook", "code": "custom", "message": text}]
    return {"message": "Validation Failed", "errors": errors}
