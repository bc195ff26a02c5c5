"""What an administrator's override may add to a pod, and what it may not touch."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.podsettings import PodMistake
from bot.executors.kubernetes.manifest import build_pod
from tests.kubernetes.scene import attempt, identity, settings


def made(override: dict[str, Any], **more: Any) -> Any:
    return build_pod(attempt(), settings(override=override, **more), identity())


def docker(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "docker", **fields}]}}


def dind(**fields: Any) -> dict[str, Any]:
    return {"spec": {"initContainers": [{"name": "dind", **fields}]}}


REFUSED: list[dict[str, Any]] = [
    {"kind": "Job"},
    {"apiVersion": "v2"},
    {"status": {}},
    {"metadata": {"name": "x"}},
    {"metadata": {"namespace": "kube-system"}},
    {"metadata": {"finalizers": ["a/b"]}},
    {"metadata": {"ownerReferences": []}},
    {"metadata": {"labels": {"pushwright.dev/build": "x"}}},
    {"metadata": {"labels": {"pushwright.dev/new": "x"}}},
    {"metadata": {"labels": {"app.kubernetes.io/managed-by": "x"}}},
    {"metadata": {"annotations": {"pushwright.dev/recipe": "x"}}},
    {"metadata": {"labels": []}},
    {"metadata": "x"},
    {"spec": []},
    *(
        {"spec": {key: value}}
        for key, value in {
            "restartPolicy": "Always",
            "activeDeadlineSeconds": 9,
            "automountServiceAccountToken": True,
            "serviceAccountName": "admin",
            "serviceAccount": "admin",
            "hostNetwork": True,
            "hostPID": True,
            "hostIPC": True,
            "shareProcessNamespace": True,
            "enableServiceLinks": True,
            "securityContext": {"fsGroup": 1},
            "ephemeralContainers": [],
            "nodeName": "n",
            "hostname": "x",
            "someLaterField": 1,
        }.items()
    ),
    docker(image="evil"),
    docker(command=["sh"]),
    docker(args=["x"]),
    docker(workingDir="/work"),
    docker(securityContext={"privileged": True}),
    docker(lifecycle={}),
    docker(terminationMessagePath="/x"),
    docker(terminationMessagePolicy="FallbackToLogsOnError"),
    docker(envFrom=[]),
    docker(ports=[]),
    docker(stdin=True),
    docker(resources="x"),
    docker(env=[{"name": "LD_PRELOAD", "value": "x"}]),
    docker(env=[{"name": "PYTHONPATH", "value": "x"}]),
    docker(env=[{"name": "PATH", "value": "x"}]),
    docker(env=[{"name": "X", "valueFrom": {"secretKeyRef": {}}}]),
    docker(env=[{"name": "docker_config", "value": "x"}]),
    docker(volumeMounts=[{"name": "v", "mountPath": "/"}]),
    docker(volumeMounts=[{"name": "v", "mountPath": "/run/pushwright/"}]),
    docker(volumeMounts=[{"name": "v", "mountPath": "/cache/../run"}]),
    docker(volumeMounts=[{"name": "v", "mountPath": "//opt//pushwright"}]),
    docker(volumeMounts=[{"name": "v", "mountPath": "relative"}]),
    docker(volumeMounts=[{"name": "v"}]),
    dind(env=[{"name": "DOCKER_DRIVER", "value": "overlay2"}]),
    dind(env=[{"name": "PUSHWRIGHT_BUILD_MEMORY", "value": "1"}]),
    dind(restartPolicy="Never"),
    dind(startupProbe={}),
    dind(securityContext={}),
    {"spec": {"containers": [{"name": "mine", "image": "x"}]}},
    {"spec": {"initContainers": [{"name": "docker"}]}},
    {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}},
    {"spec": {"volumes": [{"name": "v", "secret": {"secretName": "x"}}]}},
    {"spec": {"volumes": [{"name": "v", "projected": {}}]}},
    {"spec": {"volumes": [{"name": "input", "emptyDir": {}}]}},
    {"spec": {"volumes": [{"name": "socket", "emptyDir": {}}]}},
    {"spec": {"volumes": [{"name": "docker", "persistentVolumeClaim": {"claimName": "x"}}]}},
    {"spec": {"volumes": [{"emptyDir": {}}]}},
    {"spec": {"nodeSelector": ["x"]}},
    {"spec": {"tolerations": {}}},
    # What is no list would be dropped without a word, what is no text refused with every pod.
    {"spec": {"containers": {"docker": {"env": []}}}},
    {"spec": {"initContainers": None}},
    {"spec": {"volumes": {"cache": {"emptyDir": {}}}}},
    docker(env={"EXTRA": "1"}),
    docker(volumeMounts={"cache": "/mnt/cache"}),
    docker(env=[{"name": "EXTRA", "value": 1}]),
    {"metadata": {"annotations": {"sidecar.istio.io/inject": False}}},
    {"metadata": {"labels": {"cost-center": 1234}}},
    {"spec": {"nodeSelector": {"builds": True}}},
]


@pytest.mark.parametrize("override", REFUSED, ids=str)
def test_refused_with_the_key_that_is_wrong(override: dict[str, Any]) -> None:
    with pytest.raises(PodMistake, match="override"):
        made(override)


def test_what_is_allowed_is_merged_and_nothing_else_changes() -> None:
    plain = made({})
    pod = made(
        {
            "metadata": {"labels": {"team": "a"}, "annotations": {"x/y": "z"}},
            "spec": {
                "affinity": {"nodeAffinity": {}},
                "volumes": [{"name": "cache", "emptyDir": {}}],
                "containers": [
                    {
                        "name": "docker",
                        "env": [{"name": "EXTRA", "value": "1"}],
                        "volumeMounts": [{"name": "cache", "mountPath": "/mnt/cache"}],
                        "resources": {"limits": {"memory": "2Gi"}},
                    }
                ],
            },
        }
    )
    assert pod["metadata"]["labels"] == plain["metadata"]["labels"] | {"team": "a"}
    (builder,), (before,) = pod["spec"]["containers"], plain["spec"]["containers"]
    changed = {key for key in builder if builder[key] != before[key]}
    assert changed == {"env", "volumeMounts", "resources"}
    assert builder["resources"]["limits"]["memory"] == "2Gi"
    assert builder["resources"]["requests"] == before["resources"]["requests"]
    assert builder["env"][:-1] == before["env"]
    assert pod["spec"]["initContainers"] == plain["spec"]["initContainers"]


def test_an_override_does_not_move_a_pod_to_another_kind_of_node() -> None:
    override = {"spec": {"nodeSelector": {"pool": "other", "zone": "b"}}}
    pod = made(override, node_selector={"pool": "builds"})
    assert pod["spec"]["nodeSelector"] == {"pool": "builds", "zone": "b"}


def test_extra_environment_obeys_the_same_rules() -> None:
    with pytest.raises(PodMistake, match="DOCKER_DRIVER"):
        made({}, dockerd_env={"DOCKER_DRIVER": "vfs"})
    with pytest.raises(PodMistake, match="LD_PRELOAD"):
        made({}, builder_env={"LD_PRELOAD": "x"})
