from __future__ import annotations

import json
import subprocess

import pytest

from tests.cluster.api import ApiError, Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.programs import find_program


def pod(name: str, node: str | None = None) -> Json:
    spec: Json = {"containers": [{"name": "docker", "image": "none"}]}
    if node:
        spec["nodeName"] = node
    return {"metadata": {"name": name, "labels": {"group": "many"}}, "spec": spec}


def test_reports_the_pinned_version(plane: ControlPlane) -> None:
    assert plane.api.get("/version")["gitVersion"] == "v1.33.13"


def test_a_test_plays_the_kubelet(plane: ControlPlane) -> None:
    api, namespace = plane.api, plane.api.namespace("evicted")
    api.fake_node("node-evicted")
    api.create_pods(namespace, [pod("one", "node-evicted")])
    evicted = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}
    api.set_pod_status(namespace, "one", evicted)
    status = api.pod(namespace, "one")["status"]
    assert {key: status[key] for key in evicted} == evicted


def test_five_hundred_pods_at_once(plane: ControlPlane) -> None:
    namespace = plane.api.namespace("many")
    plane.api.create_pods(namespace, [pod(f"pod-{n:03}") for n in range(500)])
    path = f"/api/v1/namespaces/{namespace}/pods?labelSelector=group%3Dmany"
    assert len(plane.api.get(path)["items"]) == 500


def test_a_service_account_may_do_what_its_role_says_and_the_audit_log_tells(
    plane: ControlPlane,
) -> None:
    namespace = plane.api.namespace("limited")
    worker = plane.api_for(namespace, "worker")
    path = f"/api/v1/namespaces/{namespace}/pods"
    with pytest.raises(ApiError) as refused:
        worker.get(path)
    assert refused.value.code == 403
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    plane.api.create(f"{rbac}/roles", {"metadata": {"name": "read"}, "rules": rules})
    binding = {
        "metadata": {"name": "read"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "read"},
        "subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": namespace}],
    }
    plane.api.create(f"{rbac}/rolebindings", binding)
    plane.api.wait_for(f"{rbac}/rolebindings/read", lambda _: _may(worker.get, path))
    worker.close()
    user = f"system:serviceaccount:{namespace}:worker"
    codes = [
        e["responseStatus"]["code"]
        for e in plane.audit_events()
        if e["user"].get("username", "") == user
    ]
    assert codes[0] == 403
    assert codes[-1] == 200


def _may(call: object, path: str) -> bool:
    assert callable(call)
    try:
        call(path)
    except ApiError:
        return False
    return True


def test_kubectl_works_with_the_kubeconfig(plane: ControlPlane) -> None:
    argv = [str(find_program("kubectl")), f"--kubeconfig={plane.kubeconfig}"]
    argv += ["get", "namespaces", "-o", "json"]
    asked = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
    names = {item["metadata"]["name"] for item in json.loads(asked.stdout)["items"]}
    assert "kube-system" in names


def test_an_apiserver_that_restarts_keeps_what_it_knew(plane: ControlPlane) -> None:
    namespace = plane.api.namespace("kept")
    plane.api.create_pods(namespace, [pod("kept")])
    plane.restart_apiserver()
    assert plane.api.pod(namespace, "kept")["metadata"]["name"] == "kept"
