"""Statuses of a fork's request on GitLab: in the fork where we may, else on the request's own ref
in the project that it goes to, never on a branch there that happens to have the fork's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.ids import HostKind, RepositoryId, Sha
from bot.core.reports import CommitStatus, Fork, StatusState
from tests.fakes.githost.model import Pipeline, Repository
from tests.fakes.githost.stage import Stage, staged
from tests.fakes.openapi_documents import request_check

NAME = "pushwright"


@pytest.fixture
def gitlab(tmp_path: Path) -> Iterator[Stage]:
    kind = HostKind.GITLAB
    with staged(kind, tmp_path, check=request_check(kind)) as made:
        yield made


@pytest.fixture
def fork(gitlab: Stage) -> Repository:
    """With an open request from its branch `main`."""
    made = gitlab.host.fork(gitlab.fake, "mallory/shop")
    gitlab.host.commit(made, "main", {"x": "y"})
    gitlab.host.open_request(gitlab.fake, "main", head=made)
    return made


def status(fork: Repository, state: StatusState, text: str = "said") -> CommitStatus:
    home = Fork(RepositoryId(fork.id), 1)
    return CommitStatus(NAME, state, text, "https://ci.example.com/b/1", "main", fork=home)


def head(gitlab: Stage) -> Sha:
    return Sha(gitlab.fake.requests[1].head_sha)


def put(gitlab: Stage, *statuses: CommitStatus) -> None:
    for one in statuses:
        gitlab.client.set_status(gitlab.repository, head(gitlab), one)


def shown(gitlab: Stage, fork: Repository) -> CommitStatus | None:
    home = Fork(RepositoryId(fork.id), 1)
    return gitlab.client.read_status(gitlab.repository, head(gitlab), NAME, home)


def test_in_the_fork_where_we_may_write(gitlab: Stage, fork: Repository) -> None:
    gitlab.host.set_role(fork, "pushwright-bot", "write")
    for state in (StatusState.PENDING, StatusState.RUNNING, StatusState.RUNNING):
        put(gitlab, status(fork, state))
    put(gitlab, status(fork, StatusState.SUCCESS))
    (found,) = fork.statuses
    assert (found.state, found.ref) == ("success", "main")
    assert gitlab.fake.statuses == []
    read = shown(gitlab, fork)
    assert read is not None
    assert read.state is StatusState.SUCCESS


def test_else_on_the_requests_own_ref(gitlab: Stage, fork: Repository) -> None:
    put(gitlab, status(fork, StatusState.PENDING), status(fork, StatusState.FAILURE))
    (found,) = gitlab.fake.statuses
    assert (found.state, found.ref) == ("failed", "refs/merge-requests/1/head")
    assert fork.statuses == []
    assert [p.ref for p in gitlab.fake.pipelines] == ["refs/merge-requests/1/head"]
    read = shown(gitlab, fork)
    assert read is not None
    assert read.state is StatusState.FAILURE


def test_a_fork_that_is_closed_to_us_is_asked_once(gitlab: Stage, fork: Repository) -> None:
    for state in (StatusState.PENDING, StatusState.RUNNING, StatusState.SUCCESS):
        put(gitlab, status(fork, state))
    asked = [r.path for r in gitlab.host.records if f"/projects/{fork.id}/" in r.path]
    assert len(asked) == 1, asked


def test_a_fork_that_was_deleted(gitlab: Stage, fork: Repository) -> None:
    gitlab.host.delete_fork(fork)
    put(gitlab, status(fork, StatusState.SUCCESS))
    gone = CommitStatus(
        NAME, StatusState.FAILURE, "said", None, "main", fork=Fork(RepositoryId(0), 1)
    )
    put(gitlab, gone)
    assert {one.ref for one in gitlab.fake.statuses} == {"refs/merge-requests/1/head"}


def test_another_worker_reads_back_where_it_was_written(gitlab: Stage, fork: Repository) -> None:
    gitlab.host.set_role(fork, "pushwright-bot", "write")
    put(gitlab, status(fork, StatusState.SUCCESS))
    home = Fork(RepositoryId(fork.id), 1)
    other = gitlab.new_client()
    read = other.read_status(gitlab.repository, head(gitlab), NAME, home)
    other.close()
    assert read is not None
    assert read.description == "said"


def test_the_forks_own_pipeline_is_taken(gitlab: Stage, fork: Repository) -> None:
    gitlab.host.set_role(fork, "pushwright-bot", "write")
    sha = head(gitlab)
    person = gitlab.host.person("mallory")
    fork.pipelines.append(
        Pipeline(77, sha, "refs/merge-requests/1/head", "merge_request_event", person)
    )
    put(gitlab, status(fork, StatusState.SUCCESS))
    (found,) = fork.statuses
    assert found.pipeline == 77
