"""Requests to a Gitea, on a server that answers as it is told: what a real one would not do."""

from __future__ import annotations

import json
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.centralconfig import Source
from bot.core.events import Repository
from bot.core.ids import HostKind, RepositoryId, Sha, SourceName
from bot.core.reports import CommitStatus, StatusState
from bot.hosts.gitea.client import GiteaHost
from bot.hosts.gitea.client_requests import GiteaRequests
from bot.ports import Forbidden, NotFound, Permanent, Temporary
from tests.cluster.pki import Authority
from tests.fakes.githost.faults import Faults
from tests.fakes.githost.server import HostServer
from tests.fakes.githost.web import Answer, Asked

TOKEN = "the token of the bot's user"
SHOP = Repository(RepositoryId(7), "acme/shop", "main", "", "")
SHA = Sha("a" * 40)


class Told:
    """Answers by the path behind the API's root; anything else is 404."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[str, Callable[[Asked], Answer]] = {
            "/repositories/7": lambda _: Answer.of({"id": 7, "full_name": "acme/shop"}),
            "/user": lambda _: Answer.of({"id": 3, "login": "pushwright-bot"}),
        }
        self.server = HostServer(("127.0.0.1", 0), self._answer, Faults())
        (folder / "token").write_text(TOKEN)
        self.source = Source(
            SourceName("forge"),
            HostKind.GITEA,
            self.url("http"),
            f"{self.url('http')}/api/v1",
            token_file=str(folder / "token"),
        )

    def url(self, scheme: str) -> str:
        return f"{scheme}://127.0.0.1:{self.server.server_address[1]}"

    def _answer(self, asked: Asked) -> Answer:
        made = self.answers.get(asked.path.removeprefix("/api/v1"))
        return made(asked) if made else Answer.of({"message": "not found"}, 404)

    def asked(self, part: str) -> int:
        return len([one for one in self.server.records if part in one.path])


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path)
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def host(told: Told) -> Iterator[GiteaHost]:
    made = GiteaHost(told.source)
    yield made
    made.close()


def numbers(told: Told, count: int, *, size: int, total: bool) -> None:
    """A list of that many rows, `size` at most on a page whatever was asked for."""

    def page(asked: Asked) -> Answer:
        first = (asked.number("page", 1) - 1) * size
        rows = [{"number": n + 1} for n in range(first, min(first + size, count))]
        return Answer.of(rows, headers=[("X-Total-Count", str(count))] if total else [])

    told.answers["/list"] = page


@pytest.mark.parametrize(
    ("count", "size", "total"),
    [(0, 50, True), (50, 50, True), (51, 50, False), (100, 50, False), (35, 10, True)],
)
def test_all_pages(told: Told, count: int, size: int, total: bool) -> None:
    """An instance may give fewer rows on a page than we ask for."""
    numbers(told, count, size=size, total=total)
    requests = GiteaRequests(told.source)
    rows, complete = requests.every("/list", lambda row: row.number("number"))
    requests.close()
    assert (rows, complete) == ([*range(1, count + 1)], True)


def test_pages_without_an_end(told: Told) -> None:
    numbers(told, 10**9, size=50, total=False)
    requests = GiteaRequests(told.source)
    rows, complete = requests.every("/list", lambda row: row.number("number"))
    requests.close()
    assert (len(rows), complete) == (50 * 200, False)


def test_an_answer_that_is_too_large(told: Told, host: GiteaHost) -> None:
    told.answers["/repositories/7"] = lambda _: Answer(200, b" " * (33 * 1024 * 1024))
    with pytest.raises(Permanent, match="32 MiB"):
        host.repository(RepositoryId(7))


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (200, b"<html>", Temporary, "not JSON"),
        (200, b"[1]", Permanent, "not an object"),
        (200, b'{"id": "7"}', Permanent, "can't be read at id"),
        (401, b'{"message": "token expired"}', Forbidden, "revoked or expired"),
        (403, b'{"message": "required=[read:repository]"}', Forbidden, "read:repository"),
        (404, b"", NotFound, "nothing"),
        (410, b"{}", NotFound, "410"),
        (422, b'{"message": "no"}', Permanent, "no"),
        (423, b'{"message": "locked"}', Permanent, "archived"),
        (409, b'{"message": "Git Repository is empty."}', NotFound, "empty"),
        (409, b'{"message": "busy"}', Temporary, "busy"),
        (500, b"Internal Server Error", Temporary, "500"),
        (502, b"<html>", Temporary, "proxy"),
    ],
)
def test_answers_by_their_status(
    told: Told, host: GiteaHost, status: int, body: bytes, error: type[Exception], words: str
) -> None:
    told.answers["/repositories/7"] = lambda _: Answer(status, body)
    with pytest.raises(error, match=words) as caught:
        host.repository(RepositoryId(7))
    assert type(caught.value) is error or issubclass(type(caught.value), error)
    assert isinstance(caught.value, Temporary) == (error is Temporary)
    assert told.asked("/repositories/7") == 1


def test_what_is_not_there_is_told_from_what_fails(told: Told, host: GiteaHost) -> None:
    """Gitea answers 500 to a status of a commit that is gone; so it does when it fails."""
    said = CommitStatus("pushwright", StatusState.SUCCESS, "Built", None, "main")
    path = f"/repos/acme/shop/statuses/{SHA}"
    told.answers[path] = lambda _: Answer(500, b"Internal Server Error")
    with pytest.raises(NotFound):
        host.set_status(SHOP, SHA, said)
    commit = f"/repos/acme/shop/git/commits/{SHA}"
    told.answers[commit] = lambda _: Answer.of({"sha": SHA, "commit": {}})
    with pytest.raises(Temporary, match="500"):
        host.set_status(SHOP, SHA, said)
    assert told.asked("/statuses/") == 2


def test_a_role_is_that_persons_or_none(told: Told, host: GiteaHost) -> None:
    """The login that the event names is somebody else's by now, and the search finds others."""

    def permission(number: int, login: str, role: str) -> None:
        answer = {"permission": role, "user": {"id": number, "login": login}}
        path = f"/repos/acme/shop/collaborators/{login}/permission"
        told.answers[path] = lambda _: Answer.of(answer)

    permission(9, "carol", "admin")
    found = {"ok": True, "data": [{"id": 9, "login": "carol"}]}
    told.answers["/users/search"] = lambda _: Answer.of(found)
    assert host.role(SHOP, 5, "carol") == "none"
    found["data"] = [{"id": 5, "login": "caroline"}]
    permission(5, "caroline", "write")
    assert host.role(SHOP, 5, "carol") == "write"
    permission(9, "carol", "something new")
    assert host.role(SHOP, 9, "carol") == "none"
    assert host.role(SHOP, None, "carol") == "none"


def test_one_name_is_looked_up_for_many_questions(told: Told, host: GiteaHost) -> None:
    commit = f"/repos/acme/shop/git/commits/{SHA}"
    told.answers[commit] = lambda _: Answer.of({"sha": SHA, "commit": {"message": "m"}})
    for _ in range(5):
        assert host.commit(SHOP, SHA) is not None
    assert told.asked("/repositories/7") == 1


def test_a_private_ca_is_trusted_while_its_file_holds_it(told: Told, tmp_path: Path) -> None:
    """One without the extensions that newer Pythons want, as everywhere."""
    ours, other = Authority(tmp_path / "pki"), Authority(tmp_path / "other")
    pair = ours.issue("server", "server", hosts=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    told.server.socket = context.wrap_socket(told.server.socket, server_side=True)
    file = tmp_path / "ca.pem"
    file.write_bytes(ours.certificate.read_bytes())
    source = replace(told.source, api_url=f"{told.url('https')}/api/v1")
    host, stranger = GiteaHost(replace(source, ca_file=str(file))), GiteaHost(source)
    try:
        assert host.repository(RepositoryId(7)).path == "acme/shop"
        with pytest.raises(Temporary, match="ca-file"):
            stranger.repository(RepositoryId(7))
        file.write_bytes(other.certificate.read_bytes())
        os.utime(file, (1, 1))
        with pytest.raises(Temporary, match="ca-file"):
            host.repository(RepositoryId(7))
        file.unlink()
        with pytest.raises(Temporary, match="can't be read"):
            host.repository(RepositoryId(7))
    finally:
        host.close()
        stranger.close()


def test_comments_longer_than_a_column(told: Told, host: GiteaHost) -> None:
    told.answers["/repos/acme/shop/issues/1/comments"] = lambda asked: (
        Answer.of({"id": 4}) if asked.method == "POST" else Answer.of([])
    )
    assert host.upsert_comment(SHOP, 1, "<!-- m -->", "<!-- m -->" + "ü" * 65_535, None) == 4
    body = json.loads(told.server.records[-1].body)["body"]
    assert body.startswith("<!-- m -->ü")
    assert body.endswith("ü…")
    assert 65_530 < len(body.encode()) <= 65_535
