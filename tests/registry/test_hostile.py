"""What registries say and do when they are overloaded, broken, lying or hostile."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import traceback
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests

from bot.ports import Forbidden, HostError, Manifest, NotFound, Permanent, TagRefused, Temporary
from bot.registry.client import MANIFEST_LIMIT, RegistryClient
from bot.registry.manifests import OCI_MANIFEST
from bot.registry.references import digest_of
from bot.registry.transport import Endpoint
from tests.fakes.loopback import Answer, Asked, Loopback, Reply, serve
from tests.fakes.registry_process import RegistryProcess
from tests.registry.conftest import MakeClient, Time
from tests.registry.images import make_image, push
from tests.registry.test_auth import auth_file
from tests.registry.token_server import json_reply

IMAGE = make_image("hostile")
DIGEST = IMAGE.manifest.digest
SECRET = "canary-hostile-55e1"


def forwarding(upstream: str, rule: Answer) -> Answer:
    """What `rule` answers, or, where its status is 0, what the real registry does."""

    def answer(asked: Asked) -> Reply:
        ruled = rule(asked)
        if ruled.status:
            return ruled
        kept = {k: v for k, v in asked.headers.items() if k in ("Accept", "Content-Type")}
        with requests.Session() as session:
            session.trust_env = False
            real = session.request(
                asked.method, upstream + asked.path, headers=kept, data=asked.body, timeout=10
            )
        headers = {
            k: v for k, v in real.headers.items() if k in ("Content-Type", "Docker-Content-Digest")
        }
        return Reply(real.status_code, real.content, headers)

    return answer


PASS = Reply(status=0)


@pytest.mark.parametrize(
    ("header", "after"),
    [
        ({"Retry-After": "17"}, 17.0),
        ({"Retry-After": format_datetime(datetime.fromtimestamp(1_800_000_030, UTC))}, 30.0),
        ({"Retry-After": "999999999"}, 3600.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_rate_limits(make_client: MakeClient, header: dict[str, str], after: float | None) -> None:
    with serve(lambda _: Reply(429, b"slow down", header)) as server:
        client = make_client(Endpoint(server.host, insecure=True))
        with pytest.raises(Temporary) as caught:
            client.manifest(f"{server.host}/api", "v1")
    assert caught.value.after == after
    assert "slow down" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, {}, Temporary),
        (503, {}, Temporary),
        (404, {"errors": [{"code": "NAME_UNKNOWN"}]}, Permanent),
        (403, {"errors": [{"code": "DENIED", "message": "no push"}]}, Forbidden),
        (413, {}, Permanent),
        (307, {}, Permanent),
        (400, {"errors": [{"code": "TAG_INVALID", "message": "immutable"}]}, TagRefused),
        (
            400,
            {
                "errors": [
                    {
                        "code": "TAG_INVALID",
                        "message": "The image tag 'v1' already exists and cannot be overwritten",
                    }
                ]
            },
            TagRefused,
        ),
        (
            412,
            {"errors": [{"code": "PRECONDITION", "message": "'api:v1' configured as immutable."}]},
            TagRefused,
        ),
        (409, "ImageTagAlreadyExistsException", TagRefused),
        (403, {"errors": [{"code": "DENIED", "message": "protected tag"}]}, TagRefused),
        (400, {"errors": [{"code": "MANIFEST_INVALID", "message": "bad"}]}, Permanent),
    ],
)
def test_refused_writes(
    registry: RegistryProcess,
    make_client: MakeClient,
    status: int,
    body: object,
    kind: type[HostError],
) -> None:
    push(registry.url, "acme/refused", IMAGE, "git-1")
    rule = forwarding(
        registry.url, lambda asked: json_reply(body, status) if asked.method == "PUT" else PASS
    )
    with serve(rule) as server:
        client = make_client(Endpoint(server.host, insecure=True))
        with pytest.raises(kind) as caught:
            client.move(f"{server.host}/acme/refused", "v1", DIGEST)
    assert type(caught.value) is (NotFound if status == 404 else kind)
    assert f"{server.host}/acme/refused:v1" in str(caught.value)


def test_created_but_dropped(registry: RegistryProcess, make_client: MakeClient) -> None:
    push(registry.url, "acme/dropped", IMAGE, "git-1")
    rule = forwarding(registry.url, lambda a: Reply(201) if a.method == "PUT" else PASS)
    with serve(rule) as server:
        client = make_client(Endpoint(server.host, insecure=True))
        with pytest.raises(Temporary, match="but shows nothing there"):
            client.move(f"{server.host}/acme/dropped", "v1", DIGEST)


def test_created_and_shown_late(registry: RegistryProcess, make_client: MakeClient) -> None:
    push(registry.url, "acme/late", IMAGE, "git-1")
    looks: list[str] = []

    def rule(asked: Asked) -> Reply:
        if asked.method == "HEAD":
            looks.append(asked.path)
            if len(looks) == 2:
                return Reply(404)
        return PASS

    with serve(forwarding(registry.url, rule)) as server:
        client = make_client(Endpoint(server.host, insecure=True))
        client.move(f"{server.host}/acme/late", "v1", DIGEST)
    assert len(looks) == 3


def get_only(reply: Reply) -> Answer:
    return lambda asked: Reply(405) if asked.method == "HEAD" else reply


def lying(body: bytes, digest: str = DIGEST) -> Reply:
    return Reply(200, body, {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": digest})


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (lying(b"{}"), Permanent),
        (lying(IMAGE.manifest.body + b" "), Permanent),
        (lying(b" " * (MANIFEST_LIMIT + 1)), Permanent),
        (Reply(200, IMAGE.manifest.body[:50], length=len(IMAGE.manifest.body)), Temporary),
        (Reply(200, b"<html>", {"Content-Type": "text/html"}), Permanent),
        (Reply(302, headers={"Location": "http://[bad"}), Permanent),
        (Reply(302, headers={"Location": "ftp://example.com/x"}), Permanent),
        (Reply(302, headers={"Location": "http://u:p@127.0.0.1/x"}), Permanent),
        (Reply(302, headers={"Location": "/v2/again"}), Permanent),
        (Reply(302), Permanent),
        (Reply(404), NotFound),
    ],
)
def test_lies(make_client: MakeClient, reply: Reply, kind: type[HostError]) -> None:
    with serve(get_only(reply)) as server:
        client = make_client(Endpoint(server.host, insecure=True))
        with pytest.raises(kind):
            client.manifest(f"{server.host}/api", DIGEST)
        assert len(server.asked) <= 6


def test_head_without_digest_or_not_allowed(make_client: MakeClient) -> None:
    good = Reply(200, IMAGE.manifest.body, {"Content-Type": OCI_MANIFEST})
    heads = [Reply(405), Reply(200), Reply(200, headers={"Docker-Content-Digest": "sha256:x"})]

    def answer(asked: Asked) -> Reply:
        return heads[0] if asked.method == "HEAD" else good

    while heads:
        with serve(answer) as server:
            client = make_client(Endpoint(server.host, insecure=True))
            assert client.digest(f"{server.host}/api", "v1") == DIGEST
        heads.pop(0)


def test_a_redirect_with_an_endless_body_is_not_read(make_client: MakeClient) -> None:
    good = Reply(200, IMAGE.manifest.body, {"Content-Type": OCI_MANIFEST})

    def answer(asked: Asked) -> Reply:
        if asked.path == "/there":
            return good
        return Reply(307, b"x", {"Location": "/there"}, length=1 << 40)

    with serve(answer) as server:
        client = make_client(Endpoint(server.host, insecure=True))
        assert client.manifest(f"{server.host}/api", "v1").digest == DIGEST


def test_an_answer_that_drips_is_left(make_client: MakeClient, clock: Time) -> None:
    """A byte now and then, never silent for as long as a connection may be: the clock is turned by
    half a minute for each."""
    left, waited = threading.Event(), threading.Event()

    class Drip(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", OCI_MANIFEST)
            self.send_header("Content-Length", "10000")
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(2000):
                    if left.wait(0.01):
                        return
                    self.wfile.write(b" ")
                    clock.at += 30.0
                waited.set()

        def log_message(self, *_: object) -> None:
            pass

    with Loopback(Drip) as server:
        client = make_client(Endpoint(server.host, insecure=True))
        with pytest.raises(Temporary, match="too slowly"):
            client.manifest(f"{server.host}/api", DIGEST)
        assert not waited.is_set()
        left.set()


def test_head_of_a_digest_that_answers_another(make_client: MakeClient) -> None:
    other = {"Docker-Content-Digest": "sha256:" + "1" * 64}
    with serve(lambda _: Reply(200, headers=other)) as server:
        client = make_client(Endpoint(server.host, insecure=True))
        with pytest.raises(Permanent):
            client.digest(f"{server.host}/api", DIGEST)


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"null", b'{"config": 7}', b'{"layers": {}}',
     b'{"manifests": 1}', b'{"config": {"digest": "sha256:x"}}', b'{"config": {}, "layers": []}'],
)  # fmt: skip
def test_garbage_is_translated(make_client: MakeClient, body: bytes) -> None:
    with serve(lambda _: Reply(200, body, {"Content-Type": OCI_MANIFEST})) as server:
        client = make_client(Endpoint(server.host, insecure=True))
        with pytest.raises(Permanent):
            client.size(f"{server.host}/api", Manifest(OCI_MANIFEST, body, digest_of(body)))
        with pytest.raises(Permanent):
            client.cache_records(f"{server.host}/api", digest_of(body))


def with_secret(client_of: MakeClient, host: str, path: Path, clock: Time) -> RegistryClient:
    entry = {"username": "robot", "password": SECRET}
    file = auth_file(path / "config.json", clock, host, entry)
    return client_of(Endpoint(host, credentials=file, insecure=True))


def test_credentials_stay_at_home(make_client: MakeClient, clock: Time, tmp_path: Path) -> None:
    """A redirect to another host is followed without Authorization; a 401 there gets nothing."""
    with serve(lambda _: Reply(200, IMAGE.manifest.body, {"Content-Type": OCI_MANIFEST})) as other:

        def home(asked: Asked) -> Reply:
            if "Authorization" not in asked.headers:
                return Reply(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
            return Reply(307, headers={"Location": f"{other.url}/elsewhere"})

        with serve(home) as server:
            client = with_secret(make_client, server.host, tmp_path, clock)
            assert client.manifest(f"{server.host}/api", "v1").digest == DIGEST
    assert [asked.path for asked in other.asked] == ["/elsewhere"]
    assert "Authorization" not in other.asked[0].headers


def test_secrets_a_registry_repeats_are_hidden(
    make_client: MakeClient, clock: Time, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def echo(asked: Asked) -> Reply:
        headers = {"WWW-Authenticate": 'Basic realm="x"'}
        said = f"{asked.headers.get('Authorization')} {SECRET}"
        return Reply(
            401, json.dumps({"errors": [{"code": "X", "message": said}]}).encode(), headers
        )

    with serve(echo) as server:
        client = with_secret(make_client, server.host, tmp_path, clock)
        with pytest.raises(Forbidden) as caught:
            client.manifest(f"{server.host}/api", "v1")
    assert "Authorization" in server.asked[-1].headers
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "[hidden]" in str(caught.value)
    assert SECRET not in shown
    assert server.asked[-1].headers["Authorization"].partition(" ")[2] not in shown
