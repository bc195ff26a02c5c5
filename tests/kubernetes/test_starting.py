"""What a start that came to nothing takes away again: the Secret that it made itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from bot.executors.kubernetes.api import Api, Conflict, NotNow
from bot.executors.kubernetes.starting import Wanted, start
from bot.ports import AdmissionDenied, NotFound

NAMED = {"metadata": {"name": "p", "namespace": "n"}}
SECRET = "/api/v1/namespaces/n/secrets/p"
POD = "/api/v1/namespaces/n/pods/p"


class Cluster:
    """Answers what it was given to each POST, in order; has no pod and no Secret to show."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.deleted: list[tuple[str, str | None]] = []

    def create(self, path: str, body: object, query: object = None) -> Mapping[str, object]:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast("Mapping[str, object]", answer)

    def get(self, path: str, query: object = None, **more: object) -> Mapping[str, object]:
        if query is None:
            raise NotFound("no such pod")
        return {"items": []}

    def delete(self, path: str, uid: str | None = None) -> None:
        self.deleted.append((path, uid))


def made(uid: str) -> dict[str, Any]:
    return {"metadata": {"uid": uid}}


@pytest.mark.parametrize(
    ("answers", "deleted"),
    [
        ([made("mine"), NotNow("quota")], [(SECRET, "mine")]),
        ([Conflict("there"), made("again"), NotNow("quota")], [(SECRET, "again")]),
        ([Conflict("there"), Conflict("another worker"), NotNow("quota")], []),
    ],
)
def test_a_refused_start_removes_no_other_s_secret(
    answers: list[object], deleted: list[tuple[str, str]]
) -> None:
    cluster = Cluster(*answers)
    with pytest.raises(NotNow):
        start(cast("Api", cluster), Wanted(NAMED, NAMED))
    assert cluster.deleted == deleted


def test_a_pod_without_its_sidecar_goes_with_its_secret() -> None:
    cluster = Cluster(made("secret"), made("pod"))
    with pytest.raises(AdmissionDenied, match=r"1\.29"):
        start(cast("Api", cluster), Wanted(NAMED, NAMED))
    assert cluster.deleted == [(POD, "pod"), (SECRET, "secret")]
