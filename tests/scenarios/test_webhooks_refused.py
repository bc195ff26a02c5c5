"""Webhooks over real HTTP to a real gunicorn: who may send them, and what is refused."""

from __future__ import annotations

import base64
import hmac
import random
import socket
import time
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scenarios.web_process import (
    BODY,
    JSON,
    KEY,
    MIB,
    SECRET,
    TOKEN,
    Receiver,
    gitea_headers,
    gitlab_headers,
    head,
    status_of,
)

# -- who may ---------------------------------------------------------------------------------------


def signed_headers(body: bytes, at: float | None = None, key: bytes = KEY) -> dict[str, str]:
    stamp, message = str(int(at or time.time())), f"msg_{random.getrandbits(64):x}"
    digest = hmac.new(key, f"{message}.{stamp}.".encode() + body, sha256).digest()
    return {
        "Content-Type": JSON,
        "X-Gitlab-Event": "Push Hook",
        "Idempotency-Key": "not-covered-by-the-signature",
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def test_a_signing_key_takes_signed_requests_alone(receiver: Receiver) -> None:
    headers = signed_headers(BODY)
    sent = receiver.send(BODY, headers, "/webhooks/signed")
    assert sent.delivery() == headers["webhook-id"]
    for refused in (
        gitlab_headers(),
        signed_headers(BODY + b" "),
        signed_headers(BODY, at=time.time() - 400),
        signed_headers(BODY, at=time.time() + 400),
        signed_headers(BODY, key=b"some other key of 32 bytes, long"),
        {**signed_headers(BODY), "webhook-id": "msg_other"},
    ):
        assert receiver.send(BODY, refused, "/webhooks/signed").status == 401


def test_everything_not_genuine_gets_one_and_the_same_answer(receiver: Receiver) -> None:
    good = receiver.github_headers()
    sha1 = "sha1=" + hmac.new(SECRET, BODY, "sha1").hexdigest()
    signature = good["X-Hub-Signature-256"]
    wrong: list[tuple[str, dict[str, str]]] = [
        ("github", receiver.github_headers(X_Hub_Signature_256="")),
        ("github", {**receiver.github_headers(X_Hub_Signature_256=""), "X-Hub-Signature": sha1}),
        ("github", {**good, "X-Hub-Signature-256": signature.upper()}),
        ("github", {**good, "X-Hub-Signature-256": signature[:-1]}),
        ("github", {**good, "X-Hub-Signature-256": "sha256=\xe9"}),
        ("github", receiver.github_headers(secret=b"a wrong secret of twenty-eight")),
        ("github", receiver.github_headers(body=BODY + b" ")),
        ("gitlab", gitlab_headers(X_Gitlab_Token="wrong")),
        ("gitlab", {"Content-Type": JSON, "X-Gitlab-Event": "Push Hook"}),
        ("gitlab", {**gitlab_headers(), "X-Gitlab-Token": TOKEN + "\xe9"}),
        ("gitlab", good),
        ("gitea", good),
        ("gitea", {**gitea_headers(), "X-Gitea-Signature": ""}),
        ("gitea", gitea_headers(secret=b"a wrong secret of twenty-eight")),
        ("gitea", gitea_headers(body=BODY + b" ")),
        ("signed", {"Content-Type": JSON, "X-Gitlab-Event": "Push Hook"}),
    ]
    answers = [receiver.send(BODY, headers, f"/webhooks/{name}") for name, headers in wrong]
    assert {sent.status for sent in answers} == {401}
    assert len({sent.body for sent in answers}) == 1
    assert all(not receiver.rows(h.get("X-GitHub-Delivery", "-")) for _, h in wrong)


def test_a_secret_of_one_source_opens_no_other(receiver: Receiver) -> None:
    headers = receiver.github_headers() | {"X-Gitlab-Event": "Push Hook"}
    assert receiver.send(BODY, headers, "/webhooks/gitlab").status == 401


# -- what is refused -------------------------------------------------------------------------------


def test_an_unknown_source_is_not_found(receiver: Receiver) -> None:
    for path in (
        "/webhooks/other",
        "/webhooks/",
        "/webhooks",
        "/webhooks/github/x",
        "/webhooks/%00",
    ):
        sent = receiver.send(BODY, receiver.github_headers(), path)
        assert sent.status == 404, path
        assert b"<" not in sent.body
        assert b"other" not in sent.body


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_post_is_allowed(receiver: Receiver, method: str) -> None:
    sent = receiver.send(b"", receiver.github_headers(b""), method=method)
    assert sent.status == 405
    assert sent.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "multipart/form-data; boundary=x", "json", ""]
)
def test_other_content_types_are_refused(receiver: Receiver, content_type: str) -> None:
    assert receiver.github(Content_Type=content_type).status == 415


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity"])
def test_encoded_bodies_are_refused(receiver: Receiver, encoding: str) -> None:
    assert receiver.github(Content_Encoding=encoding).status == 415


def test_a_request_without_an_event_is_a_bad_one(receiver: Receiver) -> None:
    assert receiver.github(X_GitHub_Event="").status == 400
    headers = gitlab_headers()
    del headers["X-Gitlab-Event"]
    assert receiver.send(BODY, headers, "/webhooks/gitlab").status == 400


@pytest.mark.parametrize("length", [25 * MIB + 1, 10**12, 10**300])
def test_what_says_that_it_is_too_large_is_refused_unread(receiver: Receiver, length: int) -> None:
    with receiver.raw() as connection:
        connection.sendall(head(receiver, b"", f"Content-Length: {length}"))
        # Not a byte of the body was sent: the answer can't have waited for one.
        assert status_of(connection) == 413


def test_chunks_are_cut_at_the_limit(receiver: Receiver) -> None:
    piece = b"%x\r\n" % MIB + bytes(MIB) + b"\r\n"
    with receiver.raw() as connection:
        connection.sendall(head(receiver, b"", "Transfer-Encoding: chunked"))
        sent = 0
        try:
            while sent < 64:
                connection.sendall(piece)
                sent += 1
        except OSError:
            pass  # it hung up, as it should
        assert 25 <= sent < 64
    assert receiver.github().status == 202


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"5\r\nabc", b"-1\r\n\r\n", b"3\r\nabcXX0\r\n\r\n"])
def test_broken_chunks_are_a_bad_request(receiver: Receiver, chunks: bytes) -> None:
    with receiver.raw() as connection:
        connection.sendall(head(receiver, b"", "Transfer-Encoding: chunked") + chunks)
        connection.shutdown(socket.SHUT_WR)
        assert status_of(connection) == 400


def test_a_client_that_hangs_up_leaves_nothing(receiver: Receiver) -> None:
    body = b"x" * 100_000
    with receiver.raw() as connection:
        request = head(receiver, body, f"Content-Length: {len(body)}")
        connection.sendall(request + body[:50_000])
    assert receiver.github().status == 202


def test_every_answer_has_the_headers_of_a_careful_server(receiver: Receiver) -> None:
    for sent in (
        receiver.github(),
        receiver.github(secret=b"a wrong secret of twenty-eight"),
        receiver.send(path="/nothing/here", method="GET"),
        receiver.send(path="/healthz", method="GET"),
        receiver.send(path="/metrics", method="GET"),
    ):
        assert "default-src 'none'" in sent.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in sent.headers["content-security-policy"]
        assert sent.headers["x-content-type-options"] == "nosniff"
        assert sent.headers["referrer-policy"] == "no-referrer"
        assert not any(c.isdigit() for c in sent.headers.get("server", ""))


header_names = st.sampled_from(
    ["X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256", "X-Gitlab-Token", "Content-Type",
     "X-Gitlab-Event", "Idempotency-Key", "webhook-id", "webhook-timestamp", "webhook-signature",
     "Content-Encoding", "X-Gitlab-Webhook-UUID", "Expect", "X-Forwarded-For"]
)  # fmt: skip
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=200)


@given(
    st.dictionaries(header_names, header_values, max_size=6),
    st.sampled_from(["github", "gitlab", "signed", "none"]),
    st.booleans(),
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_header_makes_it_fail(
    receiver: Receiver, headers: dict[str, str], source: str, whole: bool
) -> None:
    sent = receiver.send(
        BODY, {**(receiver.github_headers() if whole else {}), **headers}, f"/webhooks/{source}"
    )
    assert sent.status in {202, 400, 401, 404, 415, 417}
