"""`pushwright doctor` at a real API server: RBAC, Pod Security, quotas, nodes, policies."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from bot.clock import SystemClock
from bot.core.ids import HostKind
from bot.core.podsettings import Kubernetes, Network, SecretKey
from bot.doctor.checks import run_checks
from bot.doctor.cluster import Cluster
from bot.executors.kubernetes.api import Api
from bot.executors.kubernetes.connection import Connection
from bot.executors.kubernetes.permissions import PERMISSIONS
from tests.cluster.doctor_bench import FAIL, OK, UNKNOWN, WARN, Worker, by_check
from tests.cluster.executor_bench import with_untrusted
from tests.doctor.site import sited


def test_with_the_role_of_the_table_nothing_fails(worker: Worker) -> None:
    worker.role(worker.namespace)
    found, name = worker.doctor(), worker.namespace
    assert not [one for one in found.values() if one.result is FAIL]
    assert found["version"].found.startswith("Kubernetes v1.")
    assert found[f"permissions in {name}"].result is OK
    assert found[f"build pod in {name}"].result is OK
    # The Role gives it nothing of these, on purpose.
    for check in ("namespace", "quota of", "nodes for", "network policies of"):
        assert found[f"{check} {name}"].result is UNKNOWN, check
    assert "account" not in found
    assert worker.bench.list("pods") == []


@pytest.mark.parametrize(
    "lacking", [(one.resource, verb) for one in PERMISSIONS for verb in one.verbs]
)
def test_each_verb_that_is_missing_is_named(worker: Worker, lacking: tuple[str, str]) -> None:
    resource, verb = lacking
    worker.role(worker.namespace, without=lacking)
    found = worker.doctor()[f"permissions in {worker.namespace}"]
    assert found.result is FAIL
    assert found.found == f"this account may not: {verb} {resource}"


def test_an_account_without_any_role(worker: Worker) -> None:
    found = worker.doctor()
    assert found[f"permissions in {worker.namespace}"].result is FAIL
    pod = found[f"build pod in {worker.namespace}"]
    assert (pod.result, "lacks a permission" in pod.found) == (FAIL, True)


def test_a_namespace_that_does_not_exist(worker: Worker) -> None:
    pods = replace(worker.bench.settings.pods, namespace="not-there")
    found = worker.doctor(admin=True, settings=Kubernetes(pods))
    assert found["namespace not-there"].result is FAIL
    assert "kubectl create namespace not-there" in found["namespace not-there"].remedy
    # Without the right to read namespaces the dry run tells.
    worker.role(worker.namespace)
    found = worker.doctor(settings=Kubernetes(pods))
    assert found["namespace not-there"].result is UNKNOWN
    assert found["build pod in not-there"].result is FAIL


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_pod_security_level_that_forbids_dockerd(worker: Worker, level: str) -> None:
    admin, name = worker.bench.admin, worker.namespace
    labels = {"pod-security.kubernetes.io/enforce": level}
    admin.patch(f"/api/v1/namespaces/{name}", {"metadata": {"labels": labels}})
    worker.role(name)
    found = worker.doctor()[f"build pod in {name}"]
    assert (found.result, "forbids privileged pods" in found.found) == (FAIL, True)
    found = worker.doctor(admin=True)[f"namespace {name}"]
    assert found.result is FAIL
    assert found.remedy == (
        f"kubectl label namespace {name} pod-security.kubernetes.io/enforce=privileged --overwrite"
    )


def test_quotas_and_limit_ranges(worker: Worker) -> None:
    admin, name = worker.bench.admin, worker.namespace
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2"}}}
    admin.create(f"/api/v1/namespaces/{name}/resourcequotas", quota)
    status = {"status": {"hard": {"pods": "2"}, "used": {"pods": "1"}}}
    admin.patch(f"/api/v1/namespaces/{name}/resourcequotas/q/status", status)
    found = worker.doctor(admin=True)[f"quota of {name}"]
    assert found.result is WARN
    assert found.found == "room for 1 more builds at once (pods); limits.builds is 4"
    limit = {"type": "Container", "max": {"memory": "1Gi"}}
    spec = {"metadata": {"name": "l"}, "spec": {"limits": [limit]}}
    admin.create(f"/api/v1/namespaces/{name}/limitranges", spec)
    found = worker.doctor(admin=True)[f"build pod in {name}"]
    assert (found.result, "maximum memory usage" in found.found) == (FAIL, True), found


def test_nodes(worker: Worker) -> None:
    node = f"node-{uuid.uuid4().hex[:8]}"
    worker.bench.admin.fake_node(node, memory="2Gi")
    labels = {"metadata": {"labels": {"pool": node}}}
    worker.bench.admin.patch(f"/api/v1/nodes/{node}", labels)
    pods = replace(worker.bench.settings.pods, node_selector={"pool": node})
    found = worker.doctor(admin=True, settings=Kubernetes(pods))
    new = found[f"nodes for {worker.namespace}"]
    assert (new.result, "is free for builds" in new.found) == (FAIL, True)  # not ready yet: tainted
    worker.bench.admin.patch(f"/api/v1/nodes/{node}", {"spec": {"taints": None}})
    found = worker.doctor(admin=True, settings=Kubernetes(pods))
    small = found[f"nodes for {worker.namespace}"]
    assert (small.result, "no node has that (most: 2Gi memory)" in small.found) == (FAIL, True)
    pods = replace(pods, default=replace(pods.default, memory="256Mi"), dockerd_memory="256Mi")
    found = worker.doctor(admin=True, settings=Kubernetes(pods))
    assert found[f"nodes for {worker.namespace}"].result is OK


def test_secrets_and_config_maps_that_pods_mount(worker: Worker) -> None:
    admin, name = worker.bench.admin, worker.namespace
    worker.role(name)
    pods = replace(
        worker.bench.settings.pods,
        image_pull_secrets=("pull",),
        secrets={"npm": SecretKey("npm", "token")},
        network=Network(ca_config_map="ca"),
    )
    found = worker.doctor(settings=Kubernetes(pods))
    assert found["Secret pull"].result is FAIL
    assert found["Secret npm"].result is FAIL
    assert found["ConfigMap ca"].result is UNKNOWN
    for kind, wanted in (("secrets", "pull"), ("secrets", "npm"), ("configmaps", "ca")):
        admin.create(f"/api/v1/namespaces/{name}/{kind}", {"metadata": {"name": wanted}})
    found = worker.doctor(admin=True, settings=Kubernetes(pods))
    for check in ("Secret pull", "Secret npm", "ConfigMap ca"):
        assert found[check].result is OK


def test_network_policies_and_too_many_rights(worker: Worker) -> None:
    found, name = worker.doctor(admin=True), worker.namespace
    assert found[f"network policies of {name}"].result is WARN
    assert (found["account"].result, "every Secret" in found["account"].found) == (WARN, True)
    policy = {"metadata": {"name": "builds"}, "spec": {"podSelector": {}}}
    path = f"/apis/networking.k8s.io/v1/namespaces/{name}/networkpolicies"
    worker.bench.admin.create(path, policy)
    assert worker.doctor(admin=True)[f"network policies of {name}"].result is OK


def test_untrusted_builds_have_a_namespace_of_their_own(worker: Worker) -> None:
    strangers = with_untrusted(worker.bench)
    worker.role(worker.namespace)
    found = worker.doctor()
    assert found[f"permissions in {worker.namespace}"].result is OK
    assert found[f"permissions in {strangers}"].result is FAIL


def test_a_cluster_that_is_not_there(worker: Worker, tmp_path: Path) -> None:
    config = json.loads(worker.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "gone").write_text(json.dumps(config))
    api = Api(Connection(str(tmp_path / "gone"), SystemClock()), SystemClock())
    found = by_check(run_checks(list(Cluster(api, worker.bench.settings, 4).checks()), seconds=60))
    assert list(found) == ["version"]
    assert (found["version"].result, "does not answer" in found["version"].found) == (FAIL, True)


def test_as_a_command(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.role(worker.namespace)
    folder = tmp_path / "site"
    folder.mkdir()
    with sited(HostKind.GITHUB, folder, monkeypatch.setenv) as site:
        section = {
            "namespace": worker.namespace,
            "builder-image": "registry.example.com/pushwright:1",
            "kubeconfig": str(worker.kubeconfig),
        }
        site.write(executor="kubernetes", kubernetes=section)
        found = site.doctor()
        assert found["cluster", "connection"] == (OK, worker.bench.plane.url, "")
        assert found["cluster", f"build pod in {worker.namespace}"][0] is OK
        assert not [key for key in found if key[0] == "docker"]
        worker.kubeconfig.write_text("{}")
        result, text, _ = site.doctor()["cluster", "connection"]
        assert (result, "kubeconfig" in text) == (FAIL, True)
