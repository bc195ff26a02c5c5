"""The fake hosts' webhooks: real pushes over HTTP, signed and shaped as the codecs expect."""

from __future__ import annotations

import base64
import hashlib
import hmac
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bot.core.events import (
    BranchDeleted,
    BranchPushed,
    CommentCreated,
    Parsed,
    Released,
    RequestChanged,
    RequestClosed,
    TagDeleted,
    TagPushed,
)
from bot.core.ids import HostKind
from bot.hosts.github import codec as github_codec
from bot.hosts.gitlab import codec as gitlab_codec
from tests.fakes.githost.host import PLAYED
from tests.fakes.githost.stage import Stage, staged

SECRET = "It's a Secret to Everybody"
KEY = b"0123456789abcdef0123456789abcdef"


@dataclass(slots=True)
class Received:
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """Keeps what arrives and answers 202."""

    got: list[Received] = field(default_factory=list)
    url: str = ""

    def events(self, stage: Stage) -> list[Parsed]:
        """What arrived, as the bot's own codec reads it. Clears the list."""
        stage.host.hooks.wait()
        taken, self.got = self.got, []
        github = stage.host.kind is HostKind.GITHUB
        name = "x-github-event" if github else "x-gitlab-event"
        parse = github_codec.parse if github else gitlab_codec.parse
        return [parse(r.headers[name], r.body, r.headers["content-type"]) for r in taken]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            receiver.got.append(Received(headers, body))
            self.send_response(202)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/webhooks/forge"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(params=PLAYED)
def stage(request: pytest.FixtureRequest, tmp_path: Path, receiver: Receiver) -> Iterator[Stage]:
    with staged(request.param, tmp_path) as made:
        made.host.add_hook(made.fake, receiver.url, SECRET)
        yield made


def events_of(stage: Stage, receiver: Receiver) -> list[Parsed]:
    """Without those that the bot ignores: GitHub's create and delete beside each push."""
    kinds = (BranchPushed, BranchDeleted, TagPushed, TagDeleted, RequestChanged, RequestClosed)
    more = (CommentCreated, Released)
    return [e for e in receiver.events(stage) if isinstance(e, (*kinds, *more))]


def work_tree(stage: Stage) -> list[str]:
    """The start of a git command in a clone."""
    work = stage.folder / "work"
    url = stage.host.clone_url(stage.fake).replace("://", f"://x:{stage.token}@")
    subprocess.run(["git", "clone", "-q", url, str(work)], check=True)
    return ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(work)]


def test_real_pushes(stage: Stage, receiver: Receiver) -> None:
    git = work_tree(stage)
    for words in (
        ["commit", "-q", "--allow-empty", "-m", "Two"],
        ["push", "-q", "origin", "HEAD:main"],
        ["push", "-q", "origin", "HEAD:refs/heads/topic/ü"],
        ["tag", "-a", "-m", "x", "v1"],
        ["push", "-q", "origin", "v1"],
        ["push", "-q", "origin", ":refs/heads/topic/ü", ":refs/tags/v1"],
    ):
        subprocess.run([*git, *words], check=True)
    head = stage.fake.git.resolve("refs/heads/main")
    found = events_of(stage, receiver)
    assert len(found) == 5
    pushed, branch, tag = found[:3]
    assert isinstance(pushed, BranchPushed)
    assert (pushed.branch, pushed.sha, pushed.before) == ("main", head, stage.first)
    assert pushed.repository == stage.repository
    assert pushed.sender.login == "pushwright-bot"
    assert isinstance(branch, BranchPushed)
    assert (branch.branch, branch.before) == ("topic/ü", None)
    assert isinstance(tag, TagPushed)
    assert (tag.tag, tag.sha) == ("v1", head)
    assert isinstance(found[3], BranchDeleted)
    assert isinstance(found[4], TagDeleted)


def test_push_of_a_large_pack(stage: Stage, receiver: Receiver) -> None:
    """Over a megabyte git sends it in chunks."""
    git = work_tree(stage)
    seed = hashlib.sha256(b"seed").digest()
    (stage.folder / "work" / "big").write_bytes(
        b"".join(hashlib.sha256(seed + n.to_bytes(4, "big")).digest() for n in range(90_000))
    )
    subprocess.run([*git, "add", "big"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "Big"], check=True)
    subprocess.run([*git, "push", "-q", "origin", "HEAD:main"], check=True)
    assert len(events_of(stage, receiver)) == 1


def test_push_without_the_right(stage: Stage, receiver: Receiver) -> None:
    reader = stage.host.create_token("reader", stage.fake, "read")
    git = work_tree(stage)
    url = stage.host.clone_url(stage.fake).replace("://", f"://x:{reader}@")
    done = subprocess.run(
        [*git, "push", "-q", url, "HEAD:refs/heads/no"], check=False, capture_output=True
    )
    assert done.returncode != 0
    assert events_of(stage, receiver) == []


def test_more_than_three_tags_at_once_send_nothing(stage: Stage, receiver: Receiver) -> None:
    refs = {f"refs/tags/v{number}": stage.first for number in range(3)}
    stage.host.set_refs(stage.fake, refs)
    assert len(events_of(stage, receiver)) == 3
    four = {f"refs/tags/w{number}": stage.first for number in range(4)}
    stage.host.set_refs(stage.fake, four)
    assert events_of(stage, receiver) == []


def test_signatures(stage: Stage, receiver: Receiver) -> None:
    hook = stage.fake.hooks[0]
    hook.signing_key = KEY
    stage.commit()
    stage.host.hooks.wait()
    got = receiver.got[-1]
    if stage.host.kind is HostKind.GITHUB:
        expected = hmac.new(SECRET.encode(), got.body, "sha256").hexdigest()
        assert got.headers["x-hub-signature-256"] == f"sha256={expected}"
        return
    assert got.headers["x-gitlab-token"] == SECRET
    assert got.headers["webhook-id"] == got.headers["idempotency-key"]
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode()
    digest = hmac.new(KEY, signed + got.body, "sha256").digest()
    assert got.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def test_form_encoding(stage: Stage, receiver: Receiver) -> None:
    if stage.host.kind is HostKind.GITLAB:
        return
    stage.fake.hooks[0].form = True
    sha = stage.commit()
    pushed = events_of(stage, receiver)[0]
    assert isinstance(pushed, BranchPushed)
    assert pushed.sha == sha


def test_lost_held_and_sent_again(stage: Stage, receiver: Receiver) -> None:
    hooks = stage.host.hooks
    hooks.lose(1)
    lost = stage.commit()
    assert events_of(stage, receiver) == []
    hooks.redeliver(hooks.deliveries[-1])
    hooks.redeliver(hooks.deliveries[-1])
    hooks.wait()
    name = "x-github-delivery" if stage.host.kind is HostKind.GITHUB else "idempotency-key"
    assert len({got.headers[name] for got in receiver.got}) == 1
    again = events_of(stage, receiver)
    assert [e.sha for e in again if isinstance(e, BranchPushed)] == [lost, lost]
    hooks.hold()
    one, two = stage.commit(), stage.commit()
    assert events_of(stage, receiver) == []
    hooks.release(turned=True)
    turned = events_of(stage, receiver)
    assert [e.sha for e in turned if isinstance(e, BranchPushed)] == [two, one]


def test_life_of_a_request(stage: Stage, receiver: Receiver) -> None:
    host = stage.host
    fork = host.fork(stage.fake, "mallory/shop")
    host.commit(fork, "topic", {"a": "1"}, by="mallory")
    request = host.open_request(stage.fake, "topic", head=fork, by="mallory")
    head = host.commit(fork, "topic", {"a": "2"}, by="mallory")
    host.change_request(stage.fake, request, "converted_to_draft")
    host.change_request(stage.fake, request, "ready_for_review")
    request.labels.append("ok")
    host.change_request(stage.fake, request, "labeled")
    host.comment(stage.fake, "/rebuild", number=request.number, by="ada")
    host.comment(stage.fake, "/rebuild", sha=stage.first, by="ada")
    host.release(stage.fake, "v1")
    request.merged = True
    host.change_request(stage.fake, request, "closed")
    found = events_of(stage, receiver)
    actions = [e.action for e in found if isinstance(e, RequestChanged)]
    assert actions == ["opened", "synchronize", "drafted", "ready", "labeled"]
    changed = found[1]
    assert isinstance(changed, RequestChanged)
    assert changed.fork
    assert changed.request.head_sha == head
    comments = [e for e in found if isinstance(e, CommentCreated)]
    # GitLab names the head of the request, GitHub does not.
    assert (comments[0].number, comments[0].sha) in ((1, None), (1, head))
    assert (comments[1].number, comments[1].sha) == (None, stage.first)
    assert isinstance(found[-2], Released)
    closed = found[-1]
    assert isinstance(closed, RequestClosed)
    assert closed.merged


def test_same_request_in_event_and_in_listing(stage: Stage, receiver: Receiver) -> None:
    stage.commit("topic")
    stage.host.open_request(stage.fake, "topic", by="bob", title="Same")
    opened = next(e for e in events_of(stage, receiver) if isinstance(e, RequestChanged))
    listed = stage.client.open_requests(stage.repository).requests[0]
    assert opened.request == listed
