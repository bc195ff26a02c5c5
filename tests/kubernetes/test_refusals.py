"""What follows from each way in which an API server refuses a pod."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bot.executors.kubernetes.refusals import Answer, read_refusal

QUOTA = 'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'
LEVEL = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": privileged'
RBAC = 'pods is forbidden: User "system:serviceaccount:a:b" cannot create resource "pods"'
GONE = "unable to create new content in namespace b because it is being terminated"
OPEN = 'pods "x" is forbidden: failed quota: q: must specify limits.cpu for: dind,docker'
ACCOUNT = 'pods "x" is forbidden: error looking up service account b/default: not found'
UNKNOWN = 'strict decoding error: unknown field "spec.initContainers[0].restartPolicy"'
VALUE = 'spec.containers[0].imagePullPolicy: Unsupported value: "always"'
SIDECAR = "spec.initContainers[0].startupProbe: Forbidden: may not be set for init containers"
WEBHOOK = 'admission webhook "validate.kyverno.svc-fail" denied the request: no'


no_deadline = hypothesis_settings(deadline=None)  # a busy machine is no mistake


@pytest.mark.parametrize(
    ("code", "reason", "message", "answer", "words"),
    [
        (403, "Forbidden", QUOTA, Answer.WAIT, "quota"),
        (403, "Forbidden", OPEN, Answer.WAIT, "quota asks for limits.cpu, which"),
        (403, "Forbidden", ACCOUNT, Answer.WAIT, "not ready yet"),
        (403, "Forbidden", LEVEL, Answer.DENIED, "forbids privileged pods"),
        (403, "Forbidden", RBAC, Answer.WAIT, "lacks a permission"),
        (403, "Forbidden", GONE, Answer.WAIT, "being removed"),
        (403, "Forbidden", WEBHOOK, Answer.DENIED, "kyverno"),
        (400, "BadRequest", WEBHOOK, Answer.DENIED, "kyverno"),
        (422, "Invalid", SIDECAR, Answer.DENIED, "1.29"),
        (400, "BadRequest", UNKNOWN, Answer.DENIED, "1.29"),
        (422, "Invalid", VALUE, Answer.DENIED, "refused the pod: spec.containers"),
        (404, "NotFound", 'namespaces "b" not found', Answer.WAIT, "does not exist"),
        (401, "Unauthorized", "Unauthorized", Answer.WAIT, "token"),
        (409, "AlreadyExists", 'pods "x" already exists', Answer.EXISTS, ""),
        (409, "Conflict", "Operation cannot be fulfilled on resourcequotas", Answer.AGAIN, ""),
        (500, "InternalError", 'failed calling webhook "x": timeout', Answer.AGAIN, "webhook"),
        (504, "Timeout", "", Answer.AGAIN, "504"),
    ],
)
def test_a_refusal_means(code: int, reason: str, message: str, answer: Answer, words: str) -> None:
    found = read_refusal(code, {"kind": "Status", "reason": reason, "message": message})
    assert found.answer is answer
    assert words in found.reason


def test_a_server_may_say_when_to_ask_again() -> None:
    body = {"reason": "TooManyRequests", "details": {"retryAfterSeconds": 3}}
    assert read_refusal(429, body).after == 3.0


@pytest.mark.parametrize(("said", "after"), [(10**9, 60.0), (0, None), (-1, None), ("3", None)])
def test_no_server_holds_a_build_up_past_its_deadlines(said: object, after: float | None) -> None:
    body = {"reason": "TooManyRequests", "details": {"retryAfterSeconds": said}}
    assert read_refusal(429, body).after == after


@no_deadline
@given(
    st.integers(400, 599),
    st.dictionaries(
        st.sampled_from(["reason", "message", "details"]), st.none() | st.text() | st.integers()
    ),
)
def test_any_answer_is_understood(code: int, body: dict[str, object]) -> None:
    assert read_refusal(code, body).reason.isprintable()
