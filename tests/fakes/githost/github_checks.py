"""GitHub's check runs: made by Apps alone, changed by the App that made them, annotations appended.

https://docs.github.com/en/rest/checks/runs
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.fakes.githost.bare import HEX
from tests.fakes.githost.github_shapes import Shapes
from tests.fakes.githost.model import CheckRun, Repository, Token, World
from tests.fakes.githost.web import Answer, Asked, Json, Refused, Route, page

_SUMMARY = 65535
_ANNOTATIONS = 50
_FIELDS = ("external_id", "details_url", "started_at", "completed_at")


@dataclass(frozen=True, slots=True)
class Checks:
    world: World
    shapes: Shapes

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/check-runs", self.create),
            Route("PATCH", "/check-runs/{number}", self.update),
            Route("GET", "/commits/{sha}/check-runs", self.listing),
        )

    def create(self, asked: Asked, repository: Repository, token: Token) -> Answer:
        app = _app_of(token)
        body = asked.json()
        sha = body.get("head_sha") or ""
        if not HEX.fullmatch(sha) or not repository.git.commit_info(sha):
            raise Refused(422, f"No commit found for SHA: {sha}")
        if not body.get("name"):
            raise Refused(422, "Invalid request. Missing required keys: name")
        with self.world.changing():
            run = CheckRun(self.world.number(), sha, body["name"], app)
            _change(run, body)
            repository.checks.append(run)
        return Answer.of(self._shown(run), 201)

    def update(self, asked: Asked, repository: Repository, token: Token, number: str) -> Answer:
        app = _app_of(token)
        found = [run for run in repository.checks if run.id == int(number)]
        if not found:
            raise Refused(404, "Not Found")
        if found[0].app_id != app:
            text = "Invalid app_id - check run can only be modified by the GitHub App that made it."
            raise Refused(403, text)
        with self.world.changing():
            _change(found[0], asked.json())
        return Answer.of(self._shown(found[0]))

    def listing(self, asked: Asked, repository: Repository, sha: str) -> Answer:
        if repository.git.resolve(sha) is None:
            raise Refused(422, f"No commit found for SHA: {sha}")
        name = asked.one("check_name")
        runs = [r for r in reversed(repository.checks) if r.sha == sha and name in ("", r.name)]
        if asked.one("filter", "latest") == "latest":
            runs = list({run.name: run for run in reversed(runs)}.values())
        shown = [self._shown(run) for run in runs]
        return Answer.of({"total_count": len(shown), "check_runs": page(asked, shown)})

    def _shown(self, run: CheckRun) -> Json:
        output = {"title": run.title, "summary": run.summary, "text": None}
        return {
            "id": run.id,
            "name": run.name,
            "head_sha": run.sha,
            "status": run.status,
            "conclusion": run.conclusion,
            "external_id": run.external_id,
            "details_url": run.details_url,
            "started_at": run.started_at,
            "completed_at": run.completed_at,
            "output": {**output, "annotations_count": len(run.annotations)},
            "app": {"id": run.app_id, "slug": "pushwright", "client_id": f"Iv1.{run.app_id}"},
        }


def _app_of(token: Token) -> int:
    if token.installation is None or token.person.app_id is None:
        raise Refused(403, "You must authenticate via a GitHub App.")
    return token.person.app_id


def _change(run: CheckRun, body: Json) -> None:
    output = body.get("output") or {}
    annotations = output.get("annotations") or []
    if len(output.get("summary") or "") > _SUMMARY or len(annotations) > _ANNOTATIONS:
        raise Refused(422, "Invalid request. summary or annotations exceed the maximum")
    if any(row["start_line"] < 1 or row["path"].startswith("/") for row in annotations):
        raise Refused(422, "Invalid request. annotations are not within the repository")
    if body.get("status") == "completed" and not body.get("conclusion"):
        raise Refused(422, "Invalid request. Missing required keys: conclusion")
    for name in _FIELDS:
        if name in body:
            setattr(run, name, body[name])
    if "conclusion" in body:
        run.status, run.conclusion = "completed", body["conclusion"]
    elif "status" in body:
        run.status, run.conclusion, run.completed_at = body["status"], None, None
    if output:
        run.title, run.summary = output["title"], output["summary"]
        run.annotations += annotations
