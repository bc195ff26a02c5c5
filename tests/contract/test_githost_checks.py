"""Reports as check runs: words, limits, and one run for one build whoever asks how often."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.centralconfig import Source
from bot.core.ids import HostKind, Sha
from bot.core.reports import Annotation, CommitStatus, Detail, StatusState
from bot.hosts.factory import Hosts
from bot.ports import Forbidden, GitHost, NotFound, Permanent
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.github_apps import key_pair
from tests.fakes.githost.model import App, CheckRun
from tests.fakes.githost.stage import (
    APP_PERMISSIONS,
    SOURCE,
    Stage,
    TurnedClock,
    app_source,
    staged,
)
from tests.fakes.openapi_documents import request_check

NAME = "pushwright/api"


@dataclasses.dataclass(slots=True)
class Checked:
    stage: Stage
    app: App
    source: Source
    hosts: Hosts

    @property
    def client(self) -> GitHost:
        return self.hosts.get(SOURCE)

    @property
    def runs(self) -> list[CheckRun]:
        return self.stage.fake.checks

    def again(self) -> GitHost:
        """A worker that was just started: it knows nothing of what was done before."""
        self.hosts.close()
        self.hosts = Hosts({SOURCE: self.source}, TurnedClock())
        return self.client

    def put(self, status: CommitStatus, sha: Sha | None = None) -> None:
        self.client.set_status(self.stage.repository, sha or self.stage.first, status)

    def read(self, name: str = NAME) -> CommitStatus | None:
        return self.client.read_status(self.stage.repository, self.stage.first, name)


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    return key_pair()


@pytest.fixture
def made(tmp_path: Path, keys: tuple[str, str]) -> Iterator[Checked]:
    kind = HostKind.GITHUB
    with staged(kind, tmp_path, check=request_check(kind)) as stage:
        app = stage.host.create_app(keys[1], APP_PERMISSIONS)
        stage.host.install(app, stage.fake)
        source = app_source(stage, app.id, keys[0], "checks")
        checked = Checked(stage, app, source, Hosts({SOURCE: source}, TurnedClock()))
        yield checked
        checked.hosts.close()


def status(
    state: StatusState = StatusState.PENDING,
    *,
    key: str = "b1",
    text: str = "queued",
    notes: int = 0,
    **detail: object,
) -> CommitStatus:
    remarks = tuple(Annotation("Dockerfile", n, f"remark {n}", "t") for n in range(1, notes + 1))
    made = Detail(key, "**summary**", remarks)
    made = dataclasses.replace(made, **detail)  # type: ignore[arg-type]  # fields by name
    return CommitStatus(NAME, state, text, "https://ci.example.com/b/1", "main", made)


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (StatusState.PENDING, ("queued", None)),
        (StatusState.RUNNING, ("in_progress", None)),
        (StatusState.SUCCESS, ("completed", "success")),
        (StatusState.FAILURE, ("completed", "failure")),
        (StatusState.ERROR, ("completed", "failure")),
        (StatusState.CANCELLED, ("completed", "cancelled")),
    ],
)
def test_words(made: Checked, state: StatusState, shown: tuple[str, str | None]) -> None:
    made.put(status(state, text="said", started_at=1000.0, ended_at=1044.0))
    (run,) = made.runs
    assert (run.status, run.conclusion) == shown
    assert (run.name, run.sha, run.external_id) == (NAME, made.stage.first, "b1")
    assert (run.title, run.summary) == ("said", "**summary**")
    assert run.details_url == "https://ci.example.com/b/1"
    assert run.started_at == "1970-01-01T00:16:40Z"
    assert run.completed_at == ("1970-01-01T00:17:24Z" if run.conclusion else None)


def test_one_run_from_start_to_end_and_back_again(made: Checked) -> None:
    """A run that ended may be asked for again: its state goes back, it stays one run."""
    for state in (StatusState.PENDING, StatusState.RUNNING, StatusState.FAILURE):
        made.put(status(state))
    made.put(status(StatusState.RUNNING))
    (run,) = made.runs
    assert (run.status, run.conclusion, run.completed_at) == ("in_progress", None, None)
    asked = [len(made.stage.host.calls(m, "/check-runs")) for m in ("GET", "POST", "PATCH")]
    assert asked == [1, 1, 3], "known runs are not looked up"


def test_a_restarted_worker_finds_its_run(made: Checked) -> None:
    made.put(status(StatusState.RUNNING))
    made.again()
    made.put(status(StatusState.SUCCESS))
    (run,) = made.runs
    assert run.conclusion == "success"


def test_an_answer_that_got_lost_makes_no_second_run(made: Checked) -> None:
    made.stage.host.faults.add(Fault("drop after", method="POST", path="/check-runs"))
    with pytest.raises(Exception, match="GitHub"):
        made.put(status(StatusState.RUNNING))
    made.put(status(StatusState.RUNNING))
    assert len(made.runs) == 1


def test_another_build_of_the_name_is_a_run_of_its_own(made: Checked) -> None:
    made.put(status(StatusState.FAILURE, key="b1", notes=1))
    made.again()
    made.put(status(StatusState.RUNNING, key="b2"))
    made.put(status(StatusState.SUCCESS, key="b2"))
    one, two = made.runs
    assert (one.external_id, one.conclusion) == ("b1", "failure")
    assert (two.external_id, two.conclusion) == ("b2", "success")
    shown = made.read()
    assert shown is not None
    assert shown.state is StatusState.SUCCESS, "the newest is what people see"


def test_a_build_that_takes_over_a_name_ends_no_second_run(made: Checked) -> None:
    """The first never came to an end: nobody would end its run."""
    made.put(status(StatusState.RUNNING, key="b1"))
    made.put(status(StatusState.RUNNING, key="b2"))
    (run,) = made.runs
    assert run.external_id == "b2"


def test_annotations_in_batches_and_once(made: Checked) -> None:
    made.put(status(StatusState.RUNNING))
    made.put(status(StatusState.FAILURE, notes=120))
    made.put(status(StatusState.FAILURE, notes=120))
    made.again()
    made.put(status(StatusState.FAILURE, notes=120))
    (run,) = made.runs
    assert [row["start_line"] for row in run.annotations] == list(range(1, 121))
    sizes = [
        len(json.loads(r.body)["output"].get("annotations", ()))
        for r in made.stage.host.calls("PATCH", "/check-runs")
    ]
    assert sizes == [50, 50, 20, 0, 0]


def test_annotations_go_on_where_they_were_cut_off(made: Checked) -> None:
    made.put(status(StatusState.RUNNING))
    # The second batch is taken, and its answer is lost.
    made.stage.host.faults.add(Fault("slow", method="PATCH", path="/check-runs"))
    made.stage.host.faults.add(Fault("drop after", method="PATCH", path="/check-runs"))
    with pytest.raises(Exception, match="GitHub"):
        made.put(status(StatusState.FAILURE, notes=120))
    made.again()
    made.put(status(StatusState.FAILURE, notes=120))
    (run,) = made.runs
    assert [row["start_line"] for row in run.annotations] == list(range(1, 121))


@pytest.mark.parametrize("known", [True, False])
def test_annotations_that_the_host_refuses_cost_nothing_else(made: Checked, known: bool) -> None:
    """GitHub answers 422 to the whole request for one that it can't take."""
    if known:
        made.put(status(StatusState.RUNNING))
    bad = (Annotation("Dockerfile", 3, "good", "t"), Annotation("/etc/passwd", 1, "bad", "t"))
    made.put(status(StatusState.FAILURE, text="failed", annotations=bad))
    (run,) = made.runs
    assert (run.status, run.conclusion, run.annotations) == ("completed", "failure", [])
    assert (run.title, run.summary) == ("failed", "**summary**")


def test_a_batch_that_the_host_refuses_leaves_the_others(made: Checked) -> None:
    good = tuple(Annotation("Dockerfile", n, "good", "t") for n in range(1, 61))
    made.put(status(StatusState.FAILURE, annotations=(*good, Annotation("/x", 1, "bad", "t"))))
    (run,) = made.runs
    assert (run.conclusion, len(run.annotations)) == ("failure", 50)


def test_what_is_refused_without_annotations_is_an_error(made: Checked) -> None:
    refused = Fault("answer", count=2, status=422, method="POST", message="Invalid request")
    made.stage.host.faults.add(refused)
    with pytest.raises(Permanent, match="Invalid request"):
        made.put(status(StatusState.FAILURE, notes=1))


def test_runs_of_another_app_are_left_alone(made: Checked) -> None:
    theirs = CheckRun(7, made.stage.first, NAME, made.app.id + 1, external_id="b1")
    made.runs.append(theirs)
    assert made.read() is None
    made.put(status(StatusState.SUCCESS))
    assert len(made.runs) == 2
    assert theirs.status == "queued"


def test_the_app_by_its_client_id(made: Checked, keys: tuple[str, str]) -> None:
    made.put(status(StatusState.RUNNING))
    assert made.source.app is not None
    listed = made.client.read_status(made.stage.repository, made.stage.first, NAME)
    from bot.hosts.github.client_checks import GitHubChecks

    checks = GitHubChecks(made.client._access, f"Iv1.{made.app.id}")  # type: ignore[attr-defined]
    selector = f"/repositories/{made.stage.fake.id}"
    assert checks.read(selector, made.stage.first, NAME) == listed is not None


def test_a_run_that_was_removed_is_made_again(made: Checked) -> None:
    made.put(status(StatusState.RUNNING))
    made.runs.clear()
    made.put(status(StatusState.SUCCESS))
    (run,) = made.runs
    assert run.conclusion == "success"


def test_a_commit_that_is_not_there(made: Checked) -> None:
    with pytest.raises(NotFound):
        made.put(status(), Sha("1" * 40))


def test_an_app_without_the_permission(made: Checked) -> None:
    made.app.permissions = {**APP_PERMISSIONS, "checks": "read"}
    with pytest.raises(Forbidden, match="checks"):
        made.put(status())


def test_a_title_is_cut_and_a_bad_address_left_out(made: Checked) -> None:
    long = dataclasses.replace(status(text="x" * 500), target_url="javascript:alert(1)")
    made.put(long)
    (run,) = made.runs
    assert run.title == "x" * 139 + "…"
    assert run.details_url is None


def test_read(made: Checked) -> None:
    assert made.read() is None
    made.put(status(StatusState.CANCELLED, text="superseded by 5d6e7f8"))
    shown = made.read()
    assert shown is not None
    assert (shown.state, shown.description) == (StatusState.CANCELLED, "superseded by 5d6e7f8")
    made.runs[0].conclusion = "stale"
    assert made.read() is None
