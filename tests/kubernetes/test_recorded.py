"""A pod that was deleted and made again under its name is not the attempt's: neither is its end."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

import pytest

from bot.core.builds import Ended, NotThere, Pending
from bot.core.podsettings import Kubernetes
from bot.executors.kubernetes.api import Api, Conflict
from bot.executors.kubernetes.executor import KubernetesExecutor, Surroundings
from bot.executors.kubernetes.names import object_name
from bot.ports import NotFound, Permanent
from tests.fakes.clock import HandClock
from tests.kubernetes.scene import BUILD, attempt, settings
from tests.kubernetes.statuses import SUCCESS, ended

NAME = f"{BUILD}-1"


class Cluster:
    """Pods and Secrets by path, each with a uid of its own; what is gone is collected as asked."""

    ahead = 0.0

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self._made = 0

    def create(self, path: str, body: Mapping[str, Any], query: object = None) -> Mapping[str, Any]:
        self.calls.append(f"POST {path}")
        full = f"{path}/{body['metadata']['name']}"
        if full in self.objects:
            raise Conflict("there")
        return self.put(full, copy.deepcopy(dict(body)))

    def put(self, full: str, body: dict[str, Any]) -> dict[str, Any]:
        self._made += 1
        about = {"uid": f"uid-{self._made}", "resourceVersion": str(self._made)}
        self.objects[full] = body | {"metadata": body["metadata"] | about}
        return self.objects[full]

    def get(
        self, path: str, query: Mapping[str, str] | None = None, *, accept: str = ""
    ) -> Mapping[str, Any]:
        self.calls.append(f"GET {path}")
        if query is not None:
            name = query["fieldSelector"].partition("=")[2]
            found = self.objects.get(f"{path}/{name}")
            return {"items": [found] if found else []}
        if path not in self.objects:
            raise NotFound(path)
        return self.objects[path]

    def patch(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        self.objects[path]["metadata"] |= body["metadata"]
        return self.objects[path]

    def delete(self, path: str, uid: str | None = None) -> None:
        raise AssertionError(f"{path} was not ours to remove")

    # -- what a test does ----------------------------------------------------------------------

    def path(self, kind: str) -> str:
        return f"/api/v1/namespaces/{settings().namespace}/{kind}/{object_name(NAME)}"

    def end(self) -> None:
        status = {"containerStatuses": [{"name": "docker", "state": ended(message=SUCCESS)}]}
        self.objects[self.path("pods")]["status"] = {"phase": "Succeeded", **status}

    def replace_pod(self) -> None:
        """As `kubectl replace --force` does: the same pod but for its uid, and with an end."""
        self.put(self.path("pods"), self.objects.pop(self.path("pods")))
        self.end()

    def collect(self) -> None:
        """What the cluster does with the Secret of a pod that is gone."""
        del self.objects[self.path("secrets")]


def executor(cluster: Cluster) -> KubernetesExecutor:
    around = Surroundings(
        kubernetes=lambda: Kubernetes(settings()),
        auths=lambda _hosts, _trusted: {"auths": {}},
        secret_file=lambda _name: None,
    )
    return KubernetesExecutor(around, cast("Api", cluster), HandClock())


def started() -> tuple[Cluster, KubernetesExecutor]:
    cluster = Cluster()
    one = executor(cluster)
    one.start(attempt())
    return cluster, one


def test_the_end_of_the_pod_that_was_started_counts_for_one_call() -> None:
    cluster, one = started()
    assert isinstance(one.observe(NAME), Pending)
    cluster.end()
    before = len(cluster.calls)
    assert isinstance(one.observe(NAME), Ended)
    assert len(cluster.calls) == before + 1


def test_the_end_of_another_pod_of_its_name_does_not() -> None:
    cluster, one = started()
    cluster.replace_pod()
    assert isinstance(one.observe(NAME), NotThere)
    assert one.read_log(NAME, 0, 10) == ()


def test_a_restarted_bot_is_told_by_the_secret_whose_pod_it_is() -> None:
    cluster, _ = started()
    cluster.end()
    again = executor(cluster)
    assert isinstance(again.observe(NAME), Ended)
    asked = len(cluster.calls)
    assert isinstance(again.observe(NAME), Ended)
    assert len(cluster.calls) == asked + 1, "of the Secret it is asked once"


@pytest.mark.parametrize("collected", [False, True])
def test_and_whose_it_is_not(collected: bool) -> None:
    cluster, _ = started()
    cluster.replace_pod()
    if collected:
        cluster.collect()
    assert isinstance(executor(cluster).observe(NAME), NotThere)


def test_a_start_that_broke_off_before_the_owner_is_taken_up() -> None:
    cluster, _ = started()
    del cluster.objects[cluster.path("secrets")]["metadata"]["ownerReferences"]
    cluster.end()
    assert isinstance(executor(cluster).observe(NAME), Ended)


def test_another_pod_is_not_adopted_by_a_second_start() -> None:
    cluster, _ = started()
    cluster.replace_pod()
    with pytest.raises(Permanent, match="its uid is another"):
        executor(cluster).start(attempt())
