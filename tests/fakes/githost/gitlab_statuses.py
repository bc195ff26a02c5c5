"""GitLab's commit statuses: pipelines, and one state machine per (pipeline, name, user).

Source of the rules: app/services/ci/create_commit_status_service.rb and
app/models/concerns/ci/has_status.rb of GitLab.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.fakes.githost.bare import HEX
from tests.fakes.githost.model import Person, Pipeline, Repository, Status, World
from tests.fakes.githost.web import Json, Refused

STATES = ("pending", "running", "success", "failed", "canceled", "skipped")
_LIVE = ("created", "pending", "running")
_EVENTS = {
    "pending": "enqueue",
    "running": "run",
    "success": "success",
    "failed": "drop",
    "canceled": "cancel",
    "skipped": "skip",
}
_FROM = {
    "pending": ("created",),
    "running": ("created", "pending"),
    "success": _LIVE,
    "failed": _LIVE,
    "canceled": _LIVE,
    "skipped": ("created", "pending"),
}
"""From which states each state can be reached; a running status is put into pending first."""


@dataclass(slots=True)
class Statuses:
    world: World
    busy: set[str] = field(default_factory=set)
    """Commits whose lock another request holds: those are answered 409."""

    def create(self, repository: Repository, person: Person, sha: str, body: Json) -> Status:
        """Raises Refused as GitLab does."""
        state = body.get("state")
        if state not in STATES:
            raise Refused(400, {"error": "state does not have a valid value"})
        if sha in self.busy:
            text = "409 Conflict: Another update to this commit status is in progress"
            raise Refused(409, {"message": text})
        if not HEX.fullmatch(sha) or repository.git.commit_info(sha) is None:
            raise Refused(404, {"message": "404 Commit Not Found"})
        with self.world.changing():
            pipeline = self._pipeline(repository, person, sha, body)
            name = body.get("name") or body.get("context") or "default"
            status = self._status(repository, person, pipeline, name)
            self._validate(repository, name, body)
            allowed = status.state in _FROM[state]
            if not allowed:
                event = _EVENTS[state]
                text = f"Cannot transition status via :{event} from :{status.state} "
                text += f'(Reason(s): Status cannot transition via "{event}")'
                raise Refused(400, {"message": text})
            if status not in repository.statuses:
                repository.statuses.append(status)
            status.state = state
            status.description = body.get("description", status.description)
            status.target_url = body.get("target_url", status.target_url)
            return status

    def _pipeline(self, repository: Repository, person: Person, sha: str, body: Json) -> Pipeline:
        ref, wanted = body.get("ref"), body.get("pipeline_id")
        matching = [p for p in repository.pipelines if p.sha == sha and ref in (None, p.ref)]
        if wanted is not None:
            found = [p for p in matching if p.id == int(wanted)]
            if not found:
                raise Refused(404, {"message": "404 Pipeline Not Found"})
            return found[-1]
        if matching:
            return matching[-1]
        ref = ref or self._branch_of(repository, sha)
        if ref is None:
            raise Refused(404, {"message": "404 References for commit Not Found"})
        made = Pipeline(self.world.number(), sha, ref, "external", person)
        repository.pipelines.append(made)
        return made

    @staticmethod
    def _branch_of(repository: Repository, sha: str) -> str | None:
        names = repository.git.run(
            "for-each-ref", "--contains", sha, "--format=%(refname)", "refs/heads"
        )
        first = names.decode().split("\n", 1)[0]
        return first.removeprefix("refs/heads/") or None

    def _status(
        self, repository: Repository, person: Person, pipeline: Pipeline, name: str
    ) -> Status:
        """The live status of that pipeline, name and user, else a new one."""
        for status in reversed(repository.statuses):
            same = status.pipeline == pipeline.id and status.context == name
            if same and status.creator is person and status.state in ("pending", "running"):
                return status
        return Status(
            self.world.number(),
            pipeline.sha,
            name,
            "created",
            None,
            None,
            person,
            self.world.now(),
            pipeline.ref,
            pipeline.id,
        )

    @staticmethod
    def _validate(repository: Repository, name: str, body: Json) -> None:
        if name in repository.ci_jobs:
            raise Refused(400, {"message": {"name": ["has already been taken"]}})
        for field_name in ("target_url", "description"):
            if len(body.get(field_name) or "") > 255:
                text = "is too long (maximum is 255 characters)"
                raise Refused(400, {"message": {field_name: [text]}})

    @staticmethod
    def listing(
        repository: Repository, sha: str, ref: str, name: str, *, all_: bool
    ) -> list[Status]:
        """Statuses of a commit; without `all_` only the newest of each pipeline and name."""
        chosen = [
            status
            for status in repository.statuses
            if status.sha == sha
            and (not ref or status.ref == ref)
            and (not name or status.context == name)
        ]
        if all_:
            return chosen
        return list({(s.pipeline, s.context, s.creator.id): s for s in chosen}.values())
