"""Why the API server did not take a pod or Secret: by its status code and its `Status` object.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from bot.executors.kubernetes.reading import line_of, mapping, number_of, text_of


class Answer(Enum):
    """What follows: look at what is there; wait and show the reason; end at once; ask again."""

    EXISTS = "exists"
    WAIT = "wait"
    DENIED = "denied"
    AGAIN = "again"


@dataclass(frozen=True, slots=True)
class Refusal:
    """`after`: seconds that the server asks to wait, where it does."""

    answer: Answer
    reason: str
    after: float | None = None


_LONGEST = 60
"""Seconds that a server may ask to wait: deadlines are looked at in between."""
_OLD = re.compile(r"may not be set for init containers|initContainers\[\d+\]\.restartPolicy")
"""A cluster before 1.29, which does not know the field at all, or not there; or an old mutating
webhook that drops it (https://github.com/actions/actions-runner-controller/issues/4144)."""
_OPEN = re.compile(r"failed quota: .*must specify ([\w./-]+(?:,[\w./-]+)*)")
"""https://kubernetes.io/docs/concepts/policy/resource-quotas/#requests-compared-to-limits"""


def read_refusal(code: int, body: Mapping[str, object]) -> Refusal:
    """`code`: the HTTP status, 400 or above. Never raises."""
    said, reason = line_of(body.get("message")), text_of(body.get("reason"))
    details = mapping(body.get("details"))
    match code:
        case 409 if reason == "AlreadyExists":
            return Refusal(Answer.EXISTS, said)
        case 403:
            return _forbidden(said)
        case 404:
            return Refusal(
                Answer.WAIT,
                f"the build namespace does not exist ({said}): create it, or mend "
                "`kubernetes.namespace` in the central config",
            )
        case 401:
            return Refusal(Answer.WAIT, "the cluster does not accept the bot's token")
        case 400 | 405 | 413 | 415 | 422:
            return Refusal(Answer.DENIED, _invalid(said))
    after = number_of(details.get("retryAfterSeconds"))
    pause = float(min(after, _LONGEST)) if after and after > 0 else None
    return Refusal(Answer.AGAIN, f"the cluster answered {code}: {said}", pause)


def lacking(said: str) -> str:
    """Of a call that the bot's role does not allow."""
    return f"the bot lacks a permission in the cluster, its Role has to allow it: {said}"


def said_of(code: int, body: Mapping[str, object]) -> str:
    """What the server said of any other call, in one line."""
    return line_of(body.get("message")) or f"the cluster answered {code}"


def _quota(said: str) -> str:
    if missing := _OPEN.search(said):
        return (
            f"the namespace's quota asks for {missing[1]}, which build pods leave open: give the "
            f"namespace a LimitRange with a default, or set it in `kubernetes.pod`: {said}"
        )
    return f"waiting for the namespace's quota: {said}"


def _forbidden(said: str) -> Refusal:
    if "exceeded quota" in said or "failed quota" in said:
        return Refusal(Answer.WAIT, _quota(said))
    if "being terminated" in said:
        return Refusal(Answer.WAIT, f"the build namespace is being removed: {said}")
    if "error looking up service account" in said:
        return Refusal(Answer.WAIT, f"the build namespace is not ready yet: {said}")
    if "cannot create resource" in said:
        return Refusal(Answer.WAIT, lacking(said))
    if "PodSecurity" in said:
        return Refusal(
            Answer.DENIED,
            "the build namespace forbids privileged pods (label it "
            f"pod-security.kubernetes.io/enforce=privileged): {said}",
        )
    return Refusal(Answer.DENIED, f"the cluster refused the pod: {said}")


def _invalid(said: str) -> str:
    if _OLD.search(said):
        return (
            "the cluster knows no native sidecars (Kubernetes ≥ 1.29), or a mutating webhook "
            f"drops them: {said}"
        )
    return f"the cluster refused the pod: {said}"
