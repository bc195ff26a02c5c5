"""The chart before a real apiserver: its schemas, admission, RBAC, helm's own way in and out."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.executors.kubernetes.manifest import build_pod
from bot.executors.kubernetes.permissions import PERMISSIONS
from tests.chart import helm
from tests.chart.schemas import LOCATION, write_schemas
from tests.cluster.api import ApiError, Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.programs import find_program
from tests.kubernetes import scene

EVERY = pytest.mark.parametrize("values", helm.NAMES)


@pytest.fixture(scope="module")
def schemas(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    assert write_schemas(plane.api.get("/openapi/v2"), folder) > 100
    return folder


def kubeconform(schemas: Path, text: str) -> subprocess.CompletedProcess[str]:
    argv = [
        str(find_program("kubeconform")), "-strict", "-output=json", "-skip=ServiceMonitor",
        f"-schema-location={schemas}/{LOCATION}", "-summary",
    ]  # fmt: skip
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False, timeout=60)


@EVERY
def test_kubeconform(values: str, schemas: Path) -> None:
    done = kubeconform(schemas, helm.text(values))
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout)["summary"]
    kinds = [one["kind"] for one in helm.render(values)]
    assert summary["valid"] == len(kinds) - kinds.count("ServiceMonitor")
    assert summary["skipped"] == kinds.count("ServiceMonitor")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("enableServiceLinks: false", "enableServiceLink: false"),
        ("replicas: 1", "replicas: one"),
        ("drop: [ALL]", "drop: ALL"),
    ],
)
def test_kubeconform_finds_mistakes(before: str, after: str, schemas: Path) -> None:
    text = helm.text("sqlite")
    assert before in text
    assert kubeconform(schemas, text.replace(before, after)).returncode == 1


@pytest.fixture(scope="module")
def installed(plane: ControlPlane) -> None:
    """Namespaces of every set of values, the bot's with the strictest Pod Security level."""
    plane.api.namespace("pushwright", {"pod-security.kubernetes.io/enforce": "restricted"})
    for values in helm.NAMES:
        for one in helm.render(values):
            if one["kind"] == "Namespace":
                _ensure(plane, one)
    plane.api.service_account("pushwright", "pushwright-web")
    plane.api.service_account("pushwright", "pushwright-worker")


def _ensure(plane: ControlPlane, namespace: Json) -> None:
    try:
        plane.api.namespace(namespace["metadata"]["name"], namespace["metadata"]["labels"])
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise


@EVERY
@pytest.mark.usefixtures("installed")
def test_the_apiserver_takes_every_object(values: str, plane: ControlPlane) -> None:
    for one in helm.render(values):
        if one["kind"] not in ("Namespace", "ServiceMonitor"):
            path = _path(plane, one) + _STRICT + "&fieldManager=helm&force=true"
            answer = plane.api.call("PATCH", path, one, "application/apply-patch+yaml")
            assert answer["metadata"]["name"] == one["metadata"]["name"]


_STRICT = "?dryRun=All&fieldValidation=Strict"


def _path(plane: ControlPlane, found: Json) -> str:
    """Of the object, as discovery has it."""
    group, about = found["apiVersion"], found["metadata"]
    root = f"/apis/{group}" if "/" in group else f"/api/{group}"
    of_kind = (r for r in plane.api.get(root)["resources"] if r["kind"] == found["kind"])
    plural = next(one["name"] for one in of_kind if "/" not in one["name"])
    return f"{root}/namespaces/{about['namespace']}/{plural}/{about['name']}"


@EVERY
@pytest.mark.usefixtures("installed")
def test_the_bots_pods_pass_the_restricted_level(values: str, plane: ControlPlane) -> None:
    for name, spec in helm.pods(helm.render(values)).items():
        state = {"name": "state", "emptyDir": {}}  # a StatefulSet would put its claim there
        volumes = [*spec["volumes"], state] if name.startswith("StatefulSet") else spec["volumes"]
        pod = {"metadata": {"name": "pod"}, "spec": {**spec, "volumes": _once(volumes)}}
        for container in helm.containers(pod["spec"]):
            # What an administrator adds has to look after itself.
            container.setdefault("securityContext", _CONFINED)
        plane.api.create(f"/api/v1/namespaces/pushwright/pods{_STRICT}", pod)


_CONFINED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _once(volumes: list[Json]) -> list[Json]:
    return list({one["name"]: one for one in volumes}.values())


@pytest.mark.usefixtures("installed")
def test_build_pods_are_admitted_where_they_run_and_not_beside_the_bot(
    plane: ControlPlane,
) -> None:
    pod = build_pod(
        scene.attempt(), scene.settings(namespace="pushwright-builds"), scene.identity()
    )
    plane.api.create(f"/api/v1/namespaces/pushwright-builds/pods{_STRICT}", pod)
    pod = build_pod(scene.attempt(), scene.settings(namespace="pushwright"), scene.identity())
    with pytest.raises(ApiError) as refused:
        plane.api.create(f"/api/v1/namespaces/pushwright/pods{_STRICT}", pod)
    assert refused.value.code == 403
    assert "violates PodSecurity" in str(refused.value)


def run_helm(plane: ControlPlane, *arguments: str) -> str:
    argv = [str(find_program("helm")), *arguments, "--namespace=chart"]
    environment = {**os.environ, "KUBECONFIG": str(plane.kubeconfig), "HELM_DRIVER": "configmap"}
    done = subprocess.run(
        argv, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


CHANGED = "--set=config.limits.builds=9"


def test_installed_upgraded_and_uninstalled(plane: ControlPlane) -> None:
    """Without controllers: objects only. tests/cluster/e2e runs them."""
    chart, values = str(helm.CHART), f"--values={helm.VALUES / 'sqlite'}.yaml"
    plane.api.namespace("chart")
    own = "--set=config.public-url=https://b.test", "--set=config.kubernetes.namespace=chart-builds"
    said = run_helm(plane, "install", "bot", chart, values, *own)
    for told in ("https://b.test/webhooks/github", "namespace chart-builds", "bot-pushwright-0"):
        assert told in said
    stateful = "/apis/apps/v1/namespaces/chart/statefulsets/bot-pushwright"
    before = plane.api.get(stateful)["metadata"]["generation"]
    run_helm(plane, "upgrade", "bot", chart, values, *own, CHANGED)
    config = plane.api.get("/api/v1/namespaces/chart/configmaps/bot-pushwright")["data"]
    assert yaml.safe_load(config["pushwright.yaml"])["limits"] == {"builds": 9}
    assert plane.api.get(stateful)["metadata"]["generation"] == before
    _may_what_the_table_says(plane)
    run_helm(plane, "uninstall", "bot")
    with pytest.raises(ApiError) as gone:
        plane.api.get(stateful)
    assert gone.value.code == 404
    assert plane.api.get("/api/v1/namespaces/chart-builds")["status"]["phase"] == "Active"


def _may_what_the_table_says(plane: ControlPlane) -> None:
    worker = "system:serviceaccount:chart:bot-pushwright-worker"
    granted = {(one.resource, verb) for one in PERMISSIONS for verb in one.verbs}
    resources = plane.api.get("/api/v1")["resources"]
    asked = {(one["name"], verb) for one in resources for verb in one["verbs"]}
    assert granted <= asked
    assert {one for one in asked if _may(plane, worker, "chart-builds", *one)} == granted
    for namespace in ("chart", "default", "kube-system"):
        assert not [one for one in granted if _may(plane, worker, namespace, *one)]


def _may(plane: ControlPlane, user: str, namespace: str, resource: str, verb: str) -> bool:
    name, _, part = resource.partition("/")
    about = {"namespace": namespace, "verb": verb, "resource": name, "subresource": part}
    groups = ["system:serviceaccounts", "system:authenticated"]
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": about},
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    answer: dict[str, Any] = plane.api.create(path, review)
    return bool(answer["status"]["allowed"])
