"""The Git host port, the same tests on all kinds of host: statuses and comments."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.ids import HostKind, Sha
from bot.core.reports import CommitStatus, StatusState
from bot.hosts.factory import Hosts
from bot.ports import NotFound, Permanent, Temporary
from tests.fakes.githost.gitlab_api import GitLabApi
from tests.fakes.githost.model import Pipeline, Status
from tests.fakes.githost.stage import SOURCE, Stage, TurnedClock, staged
from tests.fakes.openapi_documents import request_check

MARKER = "<!-- pushwright:sticky -->"


@pytest.fixture
def gitlab(tmp_path: Path) -> Iterator[Stage]:
    kind = HostKind.GITLAB
    with staged(kind, tmp_path, check=request_check(kind)) as made:
        yield made


@pytest.fixture
def github(tmp_path: Path) -> Iterator[Stage]:
    kind = HostKind.GITHUB
    with staged(kind, tmp_path, check=request_check(kind)) as made:
        yield made


def status(
    state: StatusState = StatusState.PENDING,
    text: str = "Queued",
    *,
    context: str = "pushwright",
    url: str | None = "https://ci.example.com/b/1",
    ref: str | None = "main",
) -> CommitStatus:
    return CommitStatus(context, state, text, url, ref)


def shown(stage: Stage, context: str = "pushwright") -> Status:
    """What the host's own page would show."""
    return stage.host.statuses(stage.fake, stage.first)[context]


def put(stage: Stage, *states: StatusState) -> None:
    for state in states:
        stage.client.set_status(stage.repository, stage.first, status(state))


WORDS = {
    StatusState.PENDING: ("pending", "pending"),
    StatusState.RUNNING: ("pending", "running"),
    StatusState.SUCCESS: ("success", "success"),
    StatusState.FAILURE: ("failure", "failed"),
    StatusState.ERROR: ("error", "failed"),
    StatusState.CANCELLED: ("error", "canceled"),
}


@pytest.mark.parametrize("state", list(StatusState))
def test_words_of_the_host(stage: Stage, state: StatusState) -> None:
    put(stage, state)
    assert shown(stage).state == WORDS[state][stage.host.kind is HostKind.GITLAB]
    assert shown(stage).description == "Queued"
    assert shown(stage).target_url == "https://ci.example.com/b/1"


@pytest.mark.parametrize("end", [StatusState.SUCCESS, StatusState.FAILURE, StatusState.CANCELLED])
def test_a_build_from_start_to_end(stage: Stage, end: StatusState) -> None:
    put(stage, StatusState.PENDING, StatusState.RUNNING, end)
    assert shown(stage).state == WORDS[end][stage.host.kind is HostKind.GITLAB]


@pytest.mark.parametrize(("one", "two"), list(itertools.product(StatusState, StatusState)))
def test_every_state_after_every_other(stage: Stage, one: StatusState, two: StatusState) -> None:
    """GitLab refuses steps back and repetitions with 400. None of that may surface, and a final
    state must be shown in the end."""
    put(stage, one, two)
    final = two not in (StatusState.PENDING, StatusState.RUNNING)
    word = WORDS[two][stage.host.kind is HostKind.GITLAB]
    if final or stage.host.kind is not HostKind.GITLAB:
        assert shown(stage).state == word
    found = stage.client.read_status(stage.repository, stage.first, "pushwright")
    assert found is not None
    if final:
        assert found.state in (two, StatusState.FAILURE, StatusState.ERROR)


def test_a_commit_that_waits_again_is_shown_so(stage: Stage) -> None:
    """GitLab keeps the text of a pending status; this one is read by who approves."""
    text = f"waiting for /ok-to-test {stage.first}"
    put(stage, StatusState.PENDING)
    for _ in range(2):
        wanted = status(StatusState.PENDING, text)
        at = stage.client.set_status(stage.repository, stage.first, wanted)
        assert at is not None, "the host says when it took it"
        assert shown(stage).description == text
        assert shown(stage).state == "pending"


def test_read_status(stage: Stage) -> None:
    client, repository = stage.client, stage.repository
    assert client.read_status(repository, stage.first, "pushwright") is None
    for number in range(120):
        client.set_status(repository, stage.first, status(context=f"pushwright/{number}"))
    client.set_status(repository, stage.first, status(StatusState.SUCCESS, "Built"))
    found = client.read_status(repository, stage.first, "pushwright")
    assert found is not None
    assert (found.state, found.description) == (StatusState.SUCCESS, "Built")
    assert found.target_url == "https://ci.example.com/b/1"
    assert client.read_status(repository, stage.first, "pushwright/119") is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Built 🎉 api", "Built api"),
        ("ü" * 141, "ü" * 139 + "…"),
        ("x" * 500, "x" * 139 + "…"),
        ("two\nlines\x00", "two lines"),
        ("x" * 139 + "🎉🎉", "x" * 139),
    ],
)
def test_description_is_cut_to_what_the_host_takes(stage: Stage, text: str, expected: str) -> None:
    stage.client.set_status(stage.repository, stage.first, status(text=text))
    assert shown(stage).description == expected


@pytest.mark.parametrize("url", [None, "", "javascript:alert(1)", "no address", "/b/1"])
def test_address_that_the_host_would_refuse_is_left_out(stage: Stage, url: str | None) -> None:
    stage.client.set_status(stage.repository, stage.first, status(url=url))
    assert shown(stage).target_url is None


def test_status_of_an_unknown_commit(stage: Stage) -> None:
    with pytest.raises(NotFound):
        stage.client.set_status(stage.repository, Sha("1" * 40), status())


def test_status_on_a_forks_commit(stage: Stage) -> None:
    """It belongs to the repository that the request goes to."""
    fork = stage.host.fork(stage.fake, "mallory/shop")
    head = Sha(stage.host.commit(fork, "topic", {"x": "y"}))
    stage.host.open_request(stage.fake, "topic", head=fork)
    stage.client.set_status(stage.repository, head, status(ref=stage.host._request_ref(1)))
    assert stage.host.statuses(stage.fake, head)["pushwright"].state == "pending"


def test_github_limit_of_statuses(github: Stage) -> None:
    github.host.world.status_limit = 3
    put(github, *[StatusState.PENDING] * 3)
    with pytest.raises(Permanent, match="maximum number") as caught:
        put(github, StatusState.SUCCESS)
    assert not isinstance(caught.value, NotFound)


def test_github_contexts_in_any_case(github: Stage) -> None:
    github.client.set_status(github.repository, github.first, status(context="Pushwright/API"))
    found = github.client.read_status(github.repository, github.first, "pushwright/api")
    assert found is not None


def test_gitlab_address_over_255_characters_is_left_out(gitlab: Stage) -> None:
    url = "https://ci.example.com/" + "x" * 255
    gitlab.client.set_status(gitlab.repository, gitlab.first, status(url=url))
    assert shown(gitlab).target_url is None


def test_gitlab_status_after_the_end_is_a_new_one(gitlab: Stage) -> None:
    put(gitlab, StatusState.SUCCESS)
    old = shown(gitlab).id
    put(gitlab, StatusState.PENDING, StatusState.RUNNING)
    assert shown(gitlab).id != old
    found = gitlab.client.read_status(gitlab.repository, gitlab.first, "pushwright")
    assert found is not None
    assert found.state is StatusState.RUNNING


def test_gitlab_commit_that_is_busy(gitlab: Stage) -> None:
    api = gitlab.host._api
    assert isinstance(api, GitLabApi)
    api.statuses.busy.add(gitlab.first)
    with pytest.raises(Temporary, match="409") as caught:
        put(gitlab, StatusState.PENDING)
    assert caught.value.after is not None
    assert 0.5 <= caught.value.after <= 5.0
    assert len(gitlab.host.calls("POST")) == 1


def test_gitlab_name_of_a_ci_job(gitlab: Stage) -> None:
    gitlab.fake.ci_jobs.add("pushwright")
    with pytest.raises(Permanent, match="CI job"):
        put(gitlab, StatusState.PENDING)


def test_gitlab_commit_without_a_ref(gitlab: Stage) -> None:
    loose = Sha(gitlab.fake.git.commit({"x": "y"}, "Loose"))
    with pytest.raises(NotFound, match="names no ref"):
        gitlab.client.set_status(gitlab.repository, loose, status(ref=None))


def pipeline(stage: Stage, ref: str, source: str = "push") -> Pipeline:
    person = stage.host.person("ada")
    made = Pipeline(stage.host.world.number(), stage.first, ref, source, person)
    stage.fake.pipelines.append(made)
    return made


def test_gitlab_commit_on_two_branches(gitlab: Stage) -> None:
    gitlab.host.set_refs(gitlab.fake, {"refs/heads/other": gitlab.first})
    own, other = pipeline(gitlab, "main"), pipeline(gitlab, "other")
    put(gitlab, StatusState.RUNNING)
    assert (shown(gitlab).ref, shown(gitlab).pipeline) == ("main", own.id)
    assert other.id != own.id


def test_gitlab_pipeline_of_the_merge_request_comes_first(gitlab: Stage) -> None:
    pipeline(gitlab, "main")
    wanted = pipeline(gitlab, "refs/merge-requests/1/head", "merge_request_event")
    put(gitlab, StatusState.RUNNING)
    assert shown(gitlab).pipeline == wanted.id


def test_gitlab_pipeline_that_was_deleted(gitlab: Stage) -> None:
    pipeline(gitlab, "main")
    put(gitlab, StatusState.RUNNING)
    gitlab.fake.pipelines.clear()
    gitlab.fake.statuses.clear()
    put(gitlab, StatusState.SUCCESS)
    assert shown(gitlab).state == "success"


def bodies(stage: Stage) -> dict[int, str]:
    """The comments of the request by their ids."""
    return {one.id: one.body for one in stage.host.comments(stage.fake, 1)}


@pytest.fixture
def request_open(stage: Stage) -> Stage:
    stage.commit("topic")
    stage.host.open_request(stage.fake, "topic")
    return stage


def test_comment_is_made_once_and_edited(request_open: Stage) -> None:
    stage = request_open
    first = stage.client.upsert_comment(stage.repository, 1, MARKER, f"{MARKER}\none", None)
    assert first is not None
    again = stage.client.upsert_comment(stage.repository, 1, MARKER, f"{MARKER}\ntwo", first)
    found = stage.client.upsert_comment(stage.repository, 1, MARKER, f"{MARKER}\nthree", None)
    assert first == again == found
    assert bodies(stage) == {first: f"{MARKER}\nthree"}


def test_comment_of_somebody_else_with_our_marker(request_open: Stage) -> None:
    stage = request_open
    theirs = stage.host.comment(stage.fake, f"{MARKER}\ntrap", number=1, by="mallory")
    for number in range(5 if stage.host.kind is HostKind.GITEA else 120):
        stage.host.comment(stage.fake, f"chatter {number}", number=1)
    ours = stage.client.upsert_comment(stage.repository, 1, MARKER, f"{MARKER}\nours", None)
    assert ours != theirs.id
    assert bodies(stage)[theirs.id] == f"{MARKER}\ntrap"
    again = stage.client.upsert_comment(stage.repository, 1, MARKER, f"{MARKER}\nagain", None)
    assert again == ours


def test_comment_of_the_named_bot(request_open: Stage) -> None:
    """`bot-login` says whose comments are ours, too."""
    stage = request_open
    theirs = stage.host.comment(stage.fake, f"{MARKER}\ntrap", number=1, by="mallory")
    ours = stage.host.comment(stage.fake, f"{MARKER}\nold", number=1, by="pushwright-bot")
    source = dataclasses.replace(stage.source, bot_login="Pushwright-Bot")
    client = Hosts({SOURCE: source}, TurnedClock()).get(SOURCE)
    assert client.upsert_comment(stage.repository, 1, MARKER, f"{MARKER}\nnew", None) == ours.id
    assert bodies(stage) == {theirs.id: f"{MARKER}\ntrap", ours.id: f"{MARKER}\nnew"}
    client.close()


def test_comment_that_somebody_deleted_stays_away(request_open: Stage) -> None:
    stage = request_open
    made = stage.client.upsert_comment(stage.repository, 1, MARKER, MARKER, None)
    assert made is not None
    stage.host.delete_comment(stage.fake, made)
    assert stage.client.upsert_comment(stage.repository, 1, MARKER, MARKER, made) is None
    assert bodies(stage) == {}


def test_comment_on_a_locked_conversation(request_open: Stage) -> None:
    stage = request_open
    stage.host.lock(stage.fake, 1)
    if stage.host.kind is HostKind.GITEA:  # who may write there is not kept from talking
        reader = stage.host.create_token("reader", stage.fake, "read")
        Path(str(stage.source.token_file)).write_text(reader)
    assert stage.client.upsert_comment(stage.repository, 1, MARKER, MARKER, None) is None


def test_comment_on_a_request_that_is_not_there(stage: Stage) -> None:
    with pytest.raises(NotFound):
        stage.client.upsert_comment(stage.repository, 77, MARKER, MARKER, None)


def test_comment_longer_than_the_host_takes(request_open: Stage) -> None:
    stage = request_open
    body = MARKER + "x" * 2_000_000
    assert stage.client.upsert_comment(stage.repository, 1, MARKER, body, None) is not None
