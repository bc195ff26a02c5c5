"""The Git host port, the same tests on all kinds of host: what goes wrong on the way."""

from __future__ import annotations

import dataclasses
import logging
import sys
import threading
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from bot.core.facts import UnknownPaths
from bot.core.ids import HostKind
from bot.core.reports import CommitStatus, StatusState
from bot.hosts.factory import Hosts
from bot.ports import Forbidden, HostError, Permanent, Temporary
from tests.fakes.githost.faults import Fault
from tests.fakes.githost.stage import SOURCE, Stage, TurnedClock, staged

PENDING = CommitStatus("pushwright", StatusState.PENDING, "Queued", None, "main")


def fail(stage: Stage, fault: Fault) -> HostError:
    """The error of a status that meets the fault."""
    fault.path = "/statuses/"
    fault.method = "POST"
    stage.host.faults.add(fault)
    with pytest.raises(HostError) as caught:
        stage.client.set_status(stage.repository, stage.first, PENDING)
    assert stage.token not in str(caught.value)
    return caught.value


def posts(stage: Stage) -> int:
    return len(stage.host.calls("POST", "/statuses/"))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 429])
def test_temporary_answers_are_tried_exactly_once(stage: Stage, status: int) -> None:
    assert isinstance(fail(stage, Fault("answer", status=status)), Temporary)
    assert posts(stage) == 1


@pytest.mark.parametrize("status", [403, 429])
def test_retry_after_in_seconds(stage: Stage, status: int) -> None:
    if stage.host.kind is not HostKind.GITHUB and status == 403:
        status = 503
    error = fail(stage, Fault("answer", status=status, headers=(("Retry-After", "37"),)))
    assert isinstance(error, Temporary)
    assert error.after == 37


def test_retry_after_as_a_date(stage: Stage) -> None:
    date = formatdate(time.time() + 1000, usegmt=True)
    error = fail(stage, Fault("answer", status=429, headers=(("Retry-After", date),)))
    assert isinstance(error, Temporary)
    assert error.after is not None
    assert 900 < error.after <= 1000


def test_retry_after_that_is_nonsense(stage: Stage) -> None:
    error = fail(stage, Fault("answer", status=429, headers=(("Retry-After", "soon"),)))
    assert isinstance(error, Temporary)


def test_connection_that_drops_before(stage: Stage) -> None:
    assert isinstance(fail(stage, Fault("drop before")), Temporary)
    assert posts(stage) == 1


def test_connection_that_drops_after_the_status_was_kept(stage: Stage) -> None:
    """Sent once; and once more by us is harmless."""
    assert isinstance(fail(stage, Fault("drop after")), Temporary)
    assert posts(stage) == 1
    assert stage.host.statuses(stage.fake, stage.first)["pushwright"].state == "pending"
    stage.client.set_status(stage.repository, stage.first, PENDING)


def test_comment_that_was_kept_before_the_connection_dropped(stage: Stage) -> None:
    stage.commit("topic")
    stage.host.open_request(stage.fake, "topic")
    stage.host.faults.add(Fault("drop after", method="POST", path="/(comments|notes)"))
    with pytest.raises(Temporary):
        stage.client.upsert_comment(stage.repository, 1, "<!-- m -->", "<!-- m -->\na", None)
    made = stage.client.upsert_comment(stage.repository, 1, "<!-- m -->", "<!-- m -->\nb", None)
    assert [one.id for one in stage.host.comments(stage.fake, 1)] == [made]


def test_host_that_is_down(stage: Stage) -> None:
    stage.host.faults.outage = True
    for call in (
        lambda: stage.client.repository(stage.fake.path),
        lambda: stage.client.refs(stage.repository),
        lambda: stage.client.open_requests(stage.repository),
    ):
        with pytest.raises(Temporary):
            call()
    stage.host.faults.outage = False
    assert stage.client.refs(stage.repository) == {"refs/heads/main": stage.first}


def test_host_that_is_gone(stage: Stage) -> None:
    client, repository = stage.client, stage.repository
    stage.host._server.socket.close()
    for call in (
        lambda: client.repository(stage.fake.path),
        lambda: client.set_status(repository, stage.first, PENDING),
        lambda: client.refs(repository),
    ):
        with pytest.raises(Temporary) as caught:
            call()
        assert stage.token not in str(caught.value)


def test_answer_that_was_not_kept(stage: Stage) -> None:
    """The host said 201 and forgot: only reading back can tell."""
    fault = Fault("not stored", status=201, method="POST", path="/statuses/")
    stage.host.faults.add(fault)
    stage.client.set_status(stage.repository, stage.first, PENDING)
    assert stage.client.read_status(stage.repository, stage.first, "pushwright") is None


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_write_that_is_redirected_is_no_success(stage: Stage, status: int) -> None:
    target = f"{stage.host.api_url}/elsewhere"
    error = fail(stage, Fault("answer", status=status, headers=(("Location", target),)))
    assert isinstance(error, Temporary)
    assert posts(stage) == 1
    assert not stage.host.calls("POST", "elsewhere")
    assert not stage.host.calls("GET", "elsewhere")


@pytest.mark.parametrize("status", [301, 302, 307])
def test_token_never_leaves_the_host(stage: Stage, other: Stage, status: int) -> None:
    headers = (("Location", other.host.api_url + "/user"),)
    stage.host.faults.add(Fault("answer", status=status, headers=headers))
    with pytest.raises(HostError):
        stage.client.repository(stage.fake.path)
    assert other.host.records == []


def test_redirects_in_a_circle(stage: Stage) -> None:
    target = f"{stage.host.api_url}/user"
    fault = Fault("answer", count=100, status=302, headers=(("Location", target),))
    stage.host.faults.add(fault)
    with pytest.raises(Temporary):
        stage.client.repository(stage.fake.path)


def test_no_access_to_write(stage: Stage) -> None:
    reader = stage.host.create_token("reader", stage.fake, "read")
    Path(str(stage.source.token_file)).write_text(reader)
    with pytest.raises(Forbidden) as caught:
        stage.client.set_status(stage.repository, stage.first, PENDING)
    needed = {HostKind.GITHUB: "statuses=write", HostKind.GITLAB: "Developer"}
    assert needed.get(stage.host.kind, "permission to write") in str(caught.value)


def test_token_that_is_rotated(stage: Stage) -> None:
    """The file is read at each use."""
    file = Path(str(stage.source.token_file))
    file.write_text("0123456789" * 4)
    with pytest.raises(Forbidden):
        stage.client.repository(stage.fake.path)
    file.write_text(stage.host.create_token("pushwright-bot"))
    assert stage.client.repository(stage.fake.path).id == stage.fake.id
    file.write_text("")
    with pytest.raises(Temporary, match="empty"):
        stage.client.repository(stage.fake.path)
    file.unlink()
    with pytest.raises(Temporary, match="can't be read"):
        stage.client.repository(stage.fake.path)


def test_primary_and_secondary_limit(played: Stage) -> None:
    client, limits = played.client, played.host.limits
    limits.writes = 1
    client.set_status(played.repository, played.first, PENDING)
    with pytest.raises(Temporary) as caught:
        client.set_status(played.repository, played.first, PENDING)
    assert caught.value.after is not None
    assert 50 <= caught.value.after <= 60
    limits.quota, limits.writes = 1, None
    with pytest.raises(Temporary) as caught:
        client.repository(played.fake.path)
    assert caught.value.after is not None
    assert 3000 < caught.value.after <= 3600


def test_twelve_threads_lose_nothing(stage: Stage) -> None:
    """Each with its own client: PyGithub objects that are shared lose and double writes."""
    wanted = {f"pushwright/{n}-{m}" for n in range(12) for m in range(10)}
    errors: list[BaseException] = []
    clients: set[int] = set()

    def run(number: int) -> None:
        try:
            client = stage.hosts.get(SOURCE)
            clients.add(id(client))
            for index in range(10):
                context = f"pushwright/{number}-{index}"
                status = CommitStatus(context, StatusState.SUCCESS, context, None, "main")
                client.set_status(stage.repository, stage.first, status)
                assert stage.hosts.get(SOURCE) is client
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(12)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
    assert len(clients) == 12
    found = stage.host.statuses(stage.fake, stage.first)
    assert {name: s.description for name, s in found.items()} == {name: name for name in wanted}
    assert posts(stage) == len(wanted)


def test_comparison_that_github_can_not_finish(tmp_path: Path) -> None:
    with staged(HostKind.GITHUB, tmp_path) as stage:
        text = "Server Error: Sorry, this diff is taking too long to generate."
        stage.host.faults.add(Fault("answer", status=500, message=text, path="/compare/"))
        found = stage.client.changed_paths(stage.repository, stage.first, stage.first)
        assert isinstance(found, UnknownPaths)


def test_answers_that_are_no_json(stage: Stage) -> None:
    stage.host.faults.add(Fault("answer", status=200, message="x"))
    with pytest.raises(Permanent, match="can't be read"):
        stage.client.repository(stage.fake.path)


def test_token_in_no_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    client = stage.client
    for name in ("", "github", "gitlab", "urllib3", "requests", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, name)
    assert stage.client is client
    stage.client.set_status(stage.repository, stage.first, PENDING)
    fail(stage, Fault("answer", status=400, message=f"you sent {stage.token}"))
    assert "/statuses/" in caplog.text
    assert stage.token not in caplog.text


def test_proxy_of_the_source(stage: Stage) -> None:
    """Nothing listens there. Its password is in no text."""
    proxy = "http://name:proxy-password@127.0.0.1:9"
    source = dataclasses.replace(stage.source, proxy=proxy)
    client = Hosts({SOURCE: source}, TurnedClock()).get(SOURCE)
    for call in (
        lambda: client.repository(stage.fake.path),
        lambda: client.refs(stage.repository),
    ):
        with pytest.raises(Temporary) as caught:
            call()
        assert "proxy-password" not in str(caught.value)
    assert stage.host.calls("GET") == []
    client.close()


def test_proxy_of_the_environment_is_not_for_loopback(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    client = stage.new_client()
    assert client.repository(stage.fake.path).id == stage.fake.id
    assert client.refs(stage.repository) == {"refs/heads/main": stage.first}
    client.close()
    monkeypatch.delenv("no_proxy")
    client = stage.new_client()
    with pytest.raises(Temporary):
        client.repository(stage.fake.path)
    client.close()


def test_netrc_does_not_replace_the_token(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login x password wrong\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    client = stage.new_client()
    assert client.repository(stage.fake.path).id == stage.fake.id
    client.close()
