"""GitLab's endpoints about the webhooks of a project, and about the token that asks.

https://docs.gitlab.com/api/project_webhooks/, https://docs.gitlab.com/api/personal_access_tokens/
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.fakes.githost.github_shapes import stamp
from tests.fakes.githost.hooks import Hooks
from tests.fakes.githost.model import Hook, Repository, Token, World
from tests.fakes.githost.web import Answer, Asked, Json, Refused, Route, page

_FLAGS = {
    "push_events": "Push Hook",
    "tag_push_events": "Tag Push Hook",
    "merge_requests_events": "Merge Request Hook",
    "note_events": "Note Hook",
    "releases_events": "Release Hook",
    "pipeline_events": "Pipeline Hook",
    "job_events": "Job Hook",
}

Guard = Callable[[Token, Repository, str], None]


@dataclass(frozen=True, slots=True)
class Webhooks:
    """`need` raises 403 for a token whose person has not that role."""

    world: World
    hooks: Hooks
    need: Guard

    def routes(self) -> tuple[Route, ...]:
        hooks = "/projects/{project}/hooks"
        return (
            Route("GET", "/personal_access_tokens/self", self.token),
            Route("GET", hooks, self.listing),
            Route("POST", hooks, self.create),
            Route("PUT", hooks + "/{number}", self.edit),
            Route("GET", hooks + "/{number}/events", self.events),
            Route("POST", hooks + "/{number}/test/push_events", self.test),
        )

    def token(self, asked: Asked, token: Token) -> Answer:
        end = None
        if token.expires is not None:
            end = datetime.fromtimestamp(token.expires, UTC).date().isoformat()
        shown = {"id": 1, "name": "bot", "revoked": False, "active": True, "expires_at": end}
        scopes = sorted(token.scopes) if token.scopes is not None else ["api"]
        return Answer.of({**shown, "scopes": scopes, "user_id": token.person.id})

    def listing(self, asked: Asked, token: Token, project: Repository) -> Answer:
        self.need(token, project, "maintain")
        return Answer.of(page(asked, [self._shown(project, hook) for hook in project.hooks]))

    def create(self, asked: Asked, token: Token, project: Repository) -> Answer:
        self.need(token, project, "maintain")
        hook = Hook(self.world.number(), "", None, ("Push Hook",))
        _configure(hook, asked.json())
        project.hooks.append(hook)
        return Answer.of(self._shown(project, hook), 201)

    def edit(self, asked: Asked, token: Token, project: Repository, number: str) -> Answer:
        self.need(token, project, "maintain")
        hook = self._one(project, number)
        _configure(hook, asked.json())
        return Answer.of(self._shown(project, hook))

    def events(self, asked: Asked, token: Token, project: Repository, number: str) -> Answer:
        self.need(token, project, "maintain")
        rows = [
            {
                "id": index,
                "url": one.hook.url,
                "trigger": one.event.lower().replace(" ", "_"),
                "request_data": one.payload,
                "response_status": str(one.answers[-1] or "internal error"),
            }
            for index, one in enumerate(self.hooks.of(self._one(project, number)), 1)
        ]
        return Answer.of(page(asked, rows))

    def test(self, asked: Asked, token: Token, project: Repository, number: str) -> Answer:
        self.need(token, project, "maintain")
        hook = self._one(project, number)
        if not project.git.refs():
            raise Refused(422, {"message": "Ensure the project has at least one commit."})
        answer = self.hooks.test(project, hook, "Push Hook", {"object_kind": "push"})
        if not 200 <= answer < 400:
            raise Refused(
                422, {"message": f"Hook executed successfully but returned HTTP {answer}"}
            )
        return Answer.of({"message": "201 Created"}, 201)

    @staticmethod
    def _one(project: Repository, number: str) -> Hook:
        for hook in project.hooks:
            if hook.id == int(number):
                return hook
        raise Refused(404, {"message": "404 Not found"})

    def _shown(self, project: Repository, hook: Hook) -> Json:
        status, until = "executable", None
        if self.hooks.disabled(hook):
            status = "disabled" if hook.disabled_until is None else "temporarily_disabled"
        if hook.disabled_until is not None and status != "executable":
            until = stamp(hook.disabled_until)
        return {
            "id": hook.id,
            "url": hook.url,
            "project_id": project.id,
            **{flag: name in hook.events for flag, name in _FLAGS.items()},
            "enable_ssl_verification": hook.verify_tls,
            "alert_status": status,
            "disabled_until": until,
            "token_present": hook.secret is not None,
            "signing_token_present": hook.signing_key is not None,
        }


def _configure(hook: Hook, given: Json) -> None:
    """What is left out stays as it is."""
    if not str(given.get("url", "")).startswith(("http://", "https://")):
        raise Refused(422, {"error": "Invalid url given"})
    hook.url = given["url"]
    hook.verify_tls = given.get("enable_ssl_verification", hook.verify_tls)
    if "token" in given:
        hook.secret = given["token"] or None
    if "signing_token" in given:
        key = given["signing_token"]
        if not key.startswith("whsec_"):
            raise Refused(400, {"error": "signing_token is invalid"})
        hook.signing_key = base64.b64decode(key.removeprefix("whsec_"))
    kept = [name for flag, name in _FLAGS.items() if given.get(flag, name in hook.events)]
    hook.events = tuple(kept)
