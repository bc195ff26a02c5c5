"""What the API server refuses, and what is made of it: waiting with a reason, or an end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bot.executors.kubernetes.api import NotNow
from bot.executors.kubernetes.executor import KubernetesExecutor
from bot.executors.kubernetes.names import object_name
from bot.ports import AdmissionDenied, AttemptSpec, Permanent, Temporary
from tests.cluster.control_plane import ControlPlane
from tests.cluster.executor_bench import (
    PRIVILEGED,
    Bench,
    eventually,
    make_bench,
    spec,
    stranger,
)


@pytest.fixture
def bench(plane: ControlPlane) -> Iterator[Bench]:
    made = make_bench(plane)
    yield made
    made.close()


def label(bench: Bench, **labels: str) -> None:
    changed = {f"pod-security.kubernetes.io/{key}": value for key, value in labels.items()}
    bench.admin.patch(f"/api/v1/namespaces/{bench.namespace}", {"metadata": {"labels": changed}})


def nothing_is_left(bench: Bench) -> bool:
    return bench.list("pods") == bench.list("secrets") == []


def refused(executor: KubernetesExecutor, wanted: AttemptSpec, kind: type[Exception]) -> str:
    with pytest.raises(kind) as error:
        executor.start(wanted)
    return str(error.value)


def test_a_namespace_that_forbids_privileged_pods_is_named_with_its_mending(bench: Bench) -> None:
    label(bench, enforce="baseline")
    said = refused(bench.executor(), spec(), AdmissionDenied)
    assert "pod-security.kubernetes.io/enforce=privileged" in said
    assert "privileged" in said.partition("): ")[2]
    assert nothing_is_left(bench)


def test_a_quota_is_waited_for(bench: Bench) -> None:
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}}
    path = f"/api/v1/namespaces/{bench.namespace}/resourcequotas"
    bench.admin.create(path, quota)
    status = {"status": {"hard": {"pods": "1"}, "used": {"pods": "0"}}}
    bench.admin.patch(f"{path}/few/status", status)  # a controller counts on a whole cluster
    executor, first, second = bench.executor(), spec(), spec()
    executor.start(first)
    said = refused(executor, second, NotNow)
    assert said.startswith("waiting for the namespace's quota: ")
    assert "used: pods=1, limited: pods=1" in said
    assert len(bench.list("secrets")) == 1  # the second one's is gone
    bench.admin.patch(f"{path}/few/status", {"status": {"used": {"pods": "0"}}})
    executor.start(second)
    assert len(bench.list("pods")) == len(bench.list("secrets")) == 2


def test_a_quota_of_what_build_pods_leave_open_says_what_would_help(bench: Bench) -> None:
    quota = {"metadata": {"name": "processors"}, "spec": {"hard": {"limits.cpu": "8"}}}
    path = f"/api/v1/namespaces/{bench.namespace}/resourcequotas"
    bench.admin.create(path, quota)
    status = {"status": {"hard": {"limits.cpu": "8"}, "used": {"limits.cpu": "0"}}}
    bench.admin.patch(f"{path}/processors/status", status)
    executor, wanted = bench.executor(), spec()
    said = refused(executor, wanted, NotNow)
    assert said.startswith("the namespace's quota asks for limits.cpu, which build pods leave open")
    assert nothing_is_left(bench)
    default = {"type": "Container", "default": {"cpu": "2"}}
    body = {"metadata": {"name": "default"}, "spec": {"limits": [default]}}
    bench.admin.create(f"/api/v1/namespaces/{bench.namespace}/limitranges", body)
    eventually(lambda: started(executor, wanted))


def started(executor: KubernetesExecutor, wanted: AttemptSpec) -> bool:
    """The API server learns of a LimitRange by a watch of its own."""
    try:
        executor.start(wanted)
    except NotNow:
        return False
    return True


def test_a_namespace_whose_account_is_not_made_yet_is_waited_for(bench: Bench) -> None:
    young = f"{bench.namespace}-young"
    body = {"metadata": {"name": young, "labels": PRIVILEGED}}
    bench.admin.create("/api/v1/namespaces", body)
    bench.settings = replace(bench.settings, pods=replace(bench.settings.pods, namespace=young))
    said = refused(bench.executor(), spec(), NotNow)
    assert said.startswith("the build namespace is not ready yet: ")
    assert bench.admin.get(f"/api/v1/namespaces/{young}/secrets")["items"] == []


def test_a_namespace_that_is_missing(bench: Bench) -> None:
    bench.settings = replace(
        bench.settings, pods=replace(bench.settings.pods, namespace="nowhere-to-build")
    )
    said = refused(bench.executor(), spec(), NotNow)
    assert said.startswith("the build namespace does not exist")
    assert "`kubernetes.namespace`" in said


def test_a_role_that_is_missing(bench: Bench, plane: ControlPlane) -> None:
    config = plane.folder / f"nobody-{bench.namespace}"
    plane.write_kubeconfig(config, plane.token_for(bench.namespace, "nobody"))
    said = refused(bench.executor(config), spec(), NotNow)
    assert said.startswith("the bot lacks a permission in the cluster, its Role has to allow it")
    assert 'cannot create resource "secrets"' in said


def test_a_token_that_nobody_knows(bench: Bench, plane: ControlPlane) -> None:
    config = plane.folder / f"unknown-{bench.namespace}"
    plane.write_kubeconfig(config, "no-such-token")
    said = refused(bench.executor(config), spec(), Temporary)
    assert said == "the cluster does not accept the bot's token"


def test_a_token_that_was_renewed_is_read_again(bench: Bench, plane: ControlPlane) -> None:
    config = plane.folder / f"renewed-{bench.namespace}"
    plane.write_kubeconfig(config, "no-such-token")
    executor = bench.executor(config)
    plane.write_kubeconfig(config, plane.admin)
    bench.made[-1]._read_at -= 60  # a while ago
    executor.start(spec())
    assert len(bench.list("pods")) == 1


def test_an_override_that_the_cluster_does_not_know_is_refused_whole(bench: Bench) -> None:
    override: dict[str, object] = {"spec": {"affinity": {"nodeAfinity": {}}}}
    bench.settings = replace(bench.settings, pods=replace(bench.settings.pods, override=override))
    said = refused(bench.executor(), spec(), AdmissionDenied)
    assert 'unknown field "spec.affinity.nodeAfinity"' in said
    assert nothing_is_left(bench)


class Mutating:
    """A webhook of another cluster in between: what it drops is dropped from the answer."""

    def __init__(self, executor: KubernetesExecutor) -> None:
        self._create = executor._api.create
        executor._api.create = self.create  # type: ignore[method-assign]

    def create(self, path: str, body: Any, query: Any = None) -> Any:
        if body["kind"] == "Pod":
            for one in body["spec"]["initContainers"]:
                del one["restartPolicy"]
        return self._create(path, body, query)


def test_sidecars_that_are_dropped_silently_end_the_attempt(bench: Bench) -> None:
    executor = bench.executor()
    Mutating(executor)
    said = refused(executor, spec(), AdmissionDenied)
    assert "older than Kubernetes 1.29" in said
    assert nothing_is_left(bench)


def foreign_pod(bench: Bench, name: str) -> None:
    body = {"metadata": {"name": name}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    bench.admin.create(f"/api/v1/namespaces/{bench.namespace}/pods", body)


def test_a_foreign_pod_of_that_name_is_never_ours(bench: Bench) -> None:
    wanted, executor = spec(), bench.executor()
    foreign_pod(bench, object_name(wanted.name))
    said = refused(executor, wanted, Permanent)
    assert "is not labelled as pushwright's; remove it and build again" in said
    assert str(executor.observe(wanted.name)) == "NotThere()"
    assert executor.running() == []
    executor.cancel(wanted.name)
    executor.forget(wanted.name)
    assert len(bench.list("pods")) == 1


def test_another_installation_s_pod_is_left_alone(bench: Bench) -> None:
    wanted = spec()
    bench.executor().start(wanted)
    bench.settings = replace(bench.settings, instance="other")
    other = bench.executor()
    assert "its instance is another" in refused(other, wanted, Permanent)
    assert other.running() == []
    other.forget(wanted.name)
    assert len(bench.list("pods")) == 1


def test_a_foreign_secret_of_that_name(bench: Bench) -> None:
    wanted = spec()
    body = {"metadata": {"name": object_name(wanted.name)}, "stringData": {"a": "b"}}
    bench.admin.create(f"/api/v1/namespaces/{bench.namespace}/secrets", body)
    said = refused(bench.executor(), wanted, Permanent)
    assert f"a Secret {object_name(wanted.name)}" in said
    assert [one["data"] for one in bench.list("secrets")] == [{"a": "Yg=="}]


def test_strangers_go_nowhere_without_a_place_of_their_own(bench: Bench) -> None:
    executor = bench.executor()
    assert "kubernetes.untrusted.namespace" in str(executor.refuses(trusted=False))
    assert executor.refuses(trusted=True) is None
    assert "kubernetes.untrusted.namespace" in refused(executor, stranger(), Permanent)
    assert nothing_is_left(bench)
