"""Webhooks over real HTTP to a real gunicorn: what is taken, and how often."""

from __future__ import annotations

import http.client
import json
import random
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from urllib.parse import urlencode

import pytest

from tests.payloads.catalogue import recorded
from tests.scenarios.web_process import (
    BODY,
    FORM,
    JSON,
    MIB,
    NEW_SECRET,
    SECRET,
    TOKEN,
    Receiver,
    answer,
    gitea_headers,
    gitlab_headers,
)

# -- what is taken ---------------------------------------------------------------------------------


def test_a_signed_delivery_is_kept_byte_for_byte(receiver: Receiver) -> None:
    body = json.dumps({"message": "ä\u2028\x00 \\u0000"}).encode() + b"\n \xff"
    delivery = receiver.github(body).delivery()
    assert receiver.stored(delivery) == body
    assert [row[:3] for row in receiver.rows(delivery)] == [("github", "push", JSON)]


@pytest.mark.parametrize("secret", [SECRET, NEW_SECRET])
def test_each_secret_of_a_source_will_do(receiver: Receiver, secret: bytes) -> None:
    assert receiver.github(secret=secret).status == 202


def test_every_recorded_delivery_is_taken(receiver: Receiver) -> None:
    for one in recorded():
        body = one.body()
        if one.host == "github":
            sent = receiver.github(body, X_GitHub_Event=one.event)
        elif one.host == "gitea":
            headers = gitea_headers(body, one.event)
            sent = receiver.send(body, headers, "/webhooks/gitea")
        else:
            headers = {"Content-Type": JSON, "X-Gitlab-Event": one.event, "X-Gitlab-Token": TOKEN}
            sent = receiver.send(body, headers, "/webhooks/gitlab")
        assert receiver.stored(sent.delivery()) == body


def test_a_gitea_is_known_by_headers_of_its_own(receiver: Receiver) -> None:
    headers = gitea_headers(event="pull_request_sync")
    delivery = receiver.send(BODY, headers, "/webhooks/gitea").delivery()
    assert delivery == headers["X-Gitea-Delivery"]
    assert [row[:2] for row in receiver.rows(delivery)] == [("gitea", "pull_request_sync")]


def test_the_form_encoding_is_kept_as_it_came(receiver: Receiver) -> None:
    body = urlencode({"payload": BODY.decode()}).encode()
    delivery = receiver.github(body, Content_Type=f"{FORM}; charset=utf-8").delivery()
    assert receiver.stored(delivery) == body
    assert receiver.rows(delivery)[0][2] == FORM


@pytest.mark.parametrize("body", [b"", b"not json", b"[" * 100_000, b"\x00" * 10])
def test_what_is_signed_is_kept_whatever_it_is(receiver: Receiver, body: bytes) -> None:
    assert receiver.stored(receiver.github(body).delivery()) == body


def test_an_event_nobody_knows_is_taken_too(receiver: Receiver) -> None:
    delivery = receiver.github(X_GitHub_Event="of the future").delivery()
    assert receiver.rows(delivery)[0][1] == "of the future"


def test_a_chunked_body_is_taken(receiver: Receiver) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=20)
    chunks = (BODY[i : i + 3] for i in range(0, len(BODY), 3))
    headers = receiver.github_headers()
    connection.request("POST", "/webhooks/github", chunks, headers, encode_chunked=True)
    sent = answer(connection.getresponse())
    connection.close()
    assert receiver.stored(sent.delivery()) == BODY


def test_a_delivery_of_the_largest_size_is_taken(receiver: Receiver) -> None:
    body = random.Random(1).randbytes(25 * MIB)
    assert receiver.stored(receiver.github(body).delivery()) == body


def test_many_large_deliveries_at_once_are_all_taken_or_told_to_come_again(
    receiver: Receiver,
) -> None:
    body = random.Random(2).randbytes(8 * MIB)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: receiver.github(body), range(10)))
    for sent in answers:
        if sent.status == 503:
            assert sent.headers["retry-after"]
        else:
            assert len(receiver.stored(sent.delivery())) == len(body)
    assert any(sent.status == 202 for sent in answers)


def test_requests_on_one_connection_do_not_mix(receiver: Receiver) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=20)
    for number in range(20):
        body = json.dumps({"number": number}).encode() * (1 + 997 * (number % 3))
        connection.request("POST", "/webhooks/github", body, receiver.github_headers(body))
        assert receiver.stored(answer(connection.getresponse()).delivery()) == body
    connection.close()


def test_concurrent_deliveries_do_not_mix(receiver: Receiver) -> None:
    def send(number: int) -> None:
        body = b"%d," % number * 500
        assert receiver.stored(receiver.github(body).delivery()) == body

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(send, range(300)))


# -- the same delivery again -----------------------------------------------------------------------


def test_a_hundred_equal_requests_at_once_are_one_row(receiver: Receiver) -> None:
    headers = receiver.github_headers()
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: receiver.send(BODY, headers), range(100)))
    assert {sent.status for sent in answers} == {202}
    assert len(receiver.rows(headers["X-GitHub-Delivery"])) == 1


def test_redelivering_queues_the_same_row_again(receiver: Receiver) -> None:
    headers = receiver.github_headers()
    for _ in range(2):
        assert receiver.send(BODY, headers).delivery() == headers["X-GitHub-Delivery"]
    [row] = receiver.rows(headers["X-GitHub-Delivery"])
    assert row[-1] == 2


def test_gitlabs_idempotency_key_names_a_delivery(receiver: Receiver) -> None:
    headers = gitlab_headers(Idempotency_Key="key-1", X_Gitlab_Event_UUID="shared")
    assert receiver.send(BODY, headers, "/webhooks/gitlab").delivery() == "key-1"


def test_an_old_gitlab_is_known_by_hook_and_body(receiver: Receiver) -> None:
    def name(body: bytes, hook: str) -> str:
        headers = gitlab_headers(X_Gitlab_Webhook_UUID=hook)
        return receiver.send(body, headers, "/webhooks/gitlab").delivery()

    one = name(BODY, "hook-1")
    assert one == "sha256:" + sha256(b"hook-1" + BODY).hexdigest()
    assert name(BODY, "hook-1") == one
    assert len({one, name(BODY, "hook-2"), name(BODY + b" ", "hook-1")}) == 3
