"""Every status of the table told to a real API server, and read back through the executor; and the
pods of the golden files before the server's own validation."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bot.executors.kubernetes.names import object_name
from tests.cluster.api import Api, ApiError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.executor_bench import PRIVILEGED, Bench, Kubelet, make_bench, spec, stamp
from tests.kubernetes.scene import goldens
from tests.kubernetes.statuses import AT, CASES, Case
from tests.kubernetes.test_observe import told


@pytest.fixture(scope="module")
def bench(plane: ControlPlane) -> Iterator[Bench]:
    made = make_bench(plane)
    yield made
    made.close()


def plain(case: Case) -> bool:
    """Deleting is the server's own, a pod that is not there has no status, events come later."""
    return (
        case.pod is not None and not case.events and "deletionTimestamp" not in case.pod["metadata"]
    )


@pytest.mark.parametrize("case", [c for c in CASES if plain(c)], ids=lambda case: case.name)
def test_a_status_means_the_same_through_the_server(bench: Bench, case: Case) -> None:
    assert case.pod is not None
    wanted, executor = spec(), bench.executor()
    executor.start(wanted)
    name = object_name(wanted.name)
    if case.pod["spec"]["nodeName"]:
        bind(bench.admin, bench.namespace, name, case.pod["spec"]["nodeName"])
    moment = stamp(time.time() - 30 - case.later)
    status: Any = json.loads(json.dumps(case.pod["status"]).replace(AT, moment))
    for one in [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]:
        one |= {"image": "x", "imageID": "", "ready": False}
    Kubelet(bench.admin, bench.namespace).say(name, status)
    kind, words = told(executor.observe(wanted.name))
    assert kind == case.expect
    assert case.words in words


def bind(admin: Api, namespace: str, name: str, node: str) -> None:
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/binding"
    admin.create(path, {"metadata": {"name": name}, "target": target})


def test_events_explain_a_wait(bench: Bench) -> None:
    wanted, executor = spec(), bench.executor()
    executor.start(wanted)
    name = object_name(wanted.name)
    bench.kubelet.bind(name)
    bench.kubelet.pull(name)
    pod = bench.pod(wanted.name)
    body = {
        "metadata": {"name": f"{name}.1"},
        "involvedObject": {
            "kind": "Pod",
            "namespace": bench.namespace,
            "name": name,
            "uid": pod["metadata"]["uid"],
        },
        "reason": "FailedMount",
        "message": 'MountVolume.SetUp failed: secret "npm" not found',
        "lastTimestamp": stamp(time.time()),
    }
    bench.admin.create(f"/api/v1/namespaces/{bench.namespace}/events", body)
    assert "images are pulled" in told(executor.observe(wanted.name))[1]
    executor._hints._after = (0.0,)
    assert 'secret "npm" not found' in told(executor.observe(wanted.name))[1]
    calls = executor._api.calls
    assert 'secret "npm" not found' in told(executor.observe(wanted.name))[1]
    assert executor._api.calls == calls + 1  # the look; events are not asked for again


def make(api: Api, path: str, body: Any) -> None:
    """Also where it is there already."""
    try:
        api.create(path, body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise


@pytest.mark.parametrize("name", sorted(goldens()))
def test_golden_objects_pass_the_server_s_validation(plane: ControlPlane, name: str) -> None:
    """Strictly: a field that the server does not know is a mistake. What is dropped shows too."""
    made: Any = goldens()[name]
    namespace = made["metadata"]["namespace"]
    make(plane.api, "/api/v1/namespaces", {"metadata": {"name": namespace, "labels": PRIVILEGED}})
    plane.api.service_account(namespace, "default")
    priority = {"metadata": {"name": "builds"}, "value": 5}
    make(plane.api, "/apis/scheduling.k8s.io/v1/priorityclasses", priority)
    runtime = {"metadata": {"name": "kata"}, "handler": "kata"}
    make(plane.api, "/apis/node.k8s.io/v1/runtimeclasses", runtime)
    collection = "pods" if made["kind"] == "Pod" else "secrets"
    path = f"/api/v1/namespaces/{namespace}/{collection}?dryRun=All&fieldValidation=Strict"
    answer = plane.api.create(path, made)
    for key in ("spec", "data"):
        if key in made:
            assert_contained(made[key], answer[key], key)


def assert_contained(wanted: Any, found: Any, path: str) -> None:
    """The server adds defaults; nothing of ours is gone or changed."""
    match wanted:
        case dict():
            for key, value in wanted.items():
                if value in (None, {}, [], False):
                    continue
                assert key in found, f"{path}.{key} was dropped"
                assert_contained(value, found[key], f"{path}.{key}")
        case list():
            assert len(found) >= len(wanted), path
            for number, value in enumerate(wanted):
                assert_contained(value, found[number], f"{path}[{number}]")
        case _ if path.rpartition(".")[2] in ("cpu", "memory", "ephemeral-storage", "sizeLimit"):
            assert found, path  # in its canonical form: 3221225472 becomes 3Gi
        case _:
            assert found == wanted, path
