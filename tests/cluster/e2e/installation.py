"""The chart installed on the node, as a user would: helm, Secrets, a volume, a webhook."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.chart.helm import CHART, settings
from tests.cluster.api import Json
from tests.cluster.e2e.ground import Ground
from tests.cluster.images import BOT, DIND29
from tests.cluster.node import NAME, NODE
from tests.cluster.programs import find_program
from tests.fakes.githost.host import FakeHost

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
WEBHOOK = "a webhook secret of this test's own"
RELEASE = "pushwright"


@dataclass(frozen=True, slots=True)
class Installation:
    """SQLite: the pod `pushwright-0` in a namespace of its own, builds in `builds`."""

    ground: Ground
    githost: FakeHost
    namespace: str
    builds: str

    def config(self) -> Json:
        registry = self.ground.registry.host
        small = {"cpu": "100m", "memory": "512Mi", "disk": "2Gi", "source-disk": "256Mi"}
        return {
            "version": 1,
            "public-url": "http://builds.test",
            "sources": {
                "forge": {
                    "kind": "github",
                    "url": self.githost.url,
                    "token-file": "secrets/forge/token",
                    "webhook-secret-files": "secrets/forge-webhook/secret",
                }
            },
            "repositories": [{"match": "acme/*", "images": [f"{registry}/acme/**"]}],
            "registries": {registry: {"insecure": True}},
            "defaults": {"registry": registry},
            "secrets": {"npm": {"secret": "npm", "key": "token", "repositories": ["acme/*"]}},
            "pace": "100ms",
            "kubernetes": {
                "namespace": self.builds,
                "dockerd-image": DIND29,
                "resources": {**small, "dockerd-memory": "512Mi", "builder-memory": "512Mi"},
            },
        }

    def values(self) -> Json:
        repository, _, tag = BOT.rpartition(":")
        return {
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "sqlite": {"size": "1Gi"},
            "web": {"service": {"type": "NodePort"}},
            "config": self.config(),
        }

    def install(self, token: str) -> str:
        """Everything that docs/install.md asks for; what helm says."""
        api = self.ground.api
        api.namespace(self.namespace, RESTRICTED)
        for name, key, value in (("forge", "token", token), ("forge-webhook", "secret", WEBHOOK)):
            body = {"metadata": {"name": name}, "stringData": {key: value}}
            api.create(f"/api/v1/namespaces/{self.namespace}/secrets", body)
        self._volume()
        return self._helm("install", self.values())

    def upgrade(self, changes: Json) -> str:
        """`changes`: values by their path."""
        return self._helm("upgrade", self.values(), *settings(changes))

    def _helm(self, verb: str, values: Json, *more: str) -> str:
        kubeconfig = self.ground.cluster.plane.kubeconfig
        argv = [
            str(find_program("helm")),
            verb,
            RELEASE,
            str(CHART),
            f"--namespace={self.namespace}",
        ]
        argv += ["--values=-", "--wait", "--timeout=150s", *more]
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        done = subprocess.run(
            argv,
            input=json.dumps(values),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr + self.told()
        return done.stdout

    def _volume(self) -> None:
        """What a storage driver would make for the claim."""
        folder = self.ground.folder / f"state-{self.namespace}"
        folder.mkdir()
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NAME]}
        spec: dict[str, Any] = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOncePod"],
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
            "claimRef": {"namespace": self.namespace, "name": f"state-{RELEASE}-0"},
        }
        volume = {"metadata": {"name": f"state-{self.namespace}"}, "spec": spec}
        self.ground.api.create("/api/v1/persistentvolumes", volume)

    @property
    def url(self) -> str:
        """Where the Git host, which is no pod, reaches the bot."""
        service = self.ground.api.get(f"/api/v1/namespaces/{self.namespace}/services/{RELEASE}")
        return f"http://{NODE}:{service['spec']['ports'][0]['nodePort']}"

    @property
    def pod(self) -> Json:
        return self.ground.api.pod(self.namespace, f"{RELEASE}-0")

    def restarts(self) -> int:
        return sum(one["restartCount"] for one in self.pod["status"]["containerStatuses"])

    def told(self) -> str:
        """The logs of both containers, for a test that fails."""
        found = ""
        for container in ("web", "worker"):
            argv = [
                str(find_program("kubectl")),
                "logs",
                f"{RELEASE}-0",
                f"--container={container}",
            ]
            argv += [f"--namespace={self.namespace}", "--tail=40"]
            argv += [f"--kubeconfig={self.ground.cluster.plane.kubeconfig}"]
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
            found += f"\n== {container}\n{done.stdout}{done.stderr}"
        return found

    def requests(self) -> Iterator[Json]:
        """What the worker asked of the apiserver, from its audit log."""
        user = f"system:serviceaccount:{self.namespace}:{RELEASE}-worker"
        for event in self.ground.cluster.plane.audit_events():
            if event["user"].get("username", "") == user:
                yield event
