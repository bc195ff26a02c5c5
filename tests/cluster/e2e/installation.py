"""The chart installed on the node, as a user would: helm, Secrets, a volume or a database, a
webhook."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.chart.helm import CHART, settings
from tests.cluster.api import ApiError, Json
from tests.cluster.e2e.ground import Ground
from tests.cluster.images import BOT, DIND29
from tests.cluster.node import NAME, NODE
from tests.cluster.programs import find_program
from tests.fakes.githost.host import FakeHost
from tests.fakes.postgres_process import PASSWORD

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
WEBHOOK = "a webhook secret of this test's own"
RELEASE = "pushwright"


@dataclass(frozen=True, slots=True)
class Installation:
    """In a namespace of its own, builds in `builds`. SQLite: the pod `pushwright-0`. `database`: of
    PostgreSQL, without its password; then there are two web and two worker pods."""

    ground: Ground
    githost: FakeHost
    namespace: str
    builds: str
    database: str = ""

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
        found: Json = {
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "sqlite": {"size": "1Gi"},
            "web": {"service": {"type": "NodePort"}},
            "config": self.config(),
        }
        if self.database:
            found["database"] = {"url": self.database, "passwordSecret": {"name": "database"}}
            found["web"]["replicas"] = 2
            found["worker"] = {"replicas": 2}
        return found

    def install(self, token: str) -> str:
        """Everything that docs/install.md asks for; what helm says."""
        api = self.ground.api
        api.namespace(self.namespace, RESTRICTED)
        secrets = [("forge", "token", token), ("forge-webhook", "secret", WEBHOOK)]
        if self.database:
            secrets.append(("database", "password", PASSWORD))
        else:
            self._volume()
        for name, key, value in secrets:
            body = {"metadata": {"name": name}, "stringData": {key: value}}
            api.create(f"/api/v1/namespaces/{self.namespace}/secrets", body)
        return self._helm("install", self.values())

    def upgrade(self, changes: Json) -> str:
        """`changes`: values by their path."""
        return self._helm("upgrade", self.values(), *settings(changes))

    def begin_upgrade(self, changes: Json) -> None:
        """Hooks and all, but nobody waits for the new pods."""
        chart = (str(CHART), "--values=-", "--timeout=240s", *settings(changes))
        done = self._run("upgrade", *chart, text=json.dumps(self.values()))
        assert done.returncode == 0, done.stderr + self.told()

    def failed_upgrade(self, changes: Json, seconds: int) -> str:
        """What helm says of one that does not come through within that time."""
        chart = (str(CHART), "--values=-", "--wait", f"--timeout={seconds}s", *settings(changes))
        done = self._run("upgrade", *chart, text=json.dumps(self.values()))
        assert done.returncode != 0, done.stdout
        return done.stderr

    def rollback(self) -> None:
        """To the revision before this one."""
        done = self._run("rollback", "--wait", "--timeout=240s")
        assert done.returncode == 0, done.stderr + self.told()

    def uninstall(self) -> None:
        done = self._run("uninstall")
        assert done.returncode == 0, done.stderr

    def _helm(self, verb: str, values: Json, *more: str) -> str:
        chart = (str(CHART), "--values=-", "--wait", "--timeout=240s", *more)
        done = self._run(verb, *chart, text=json.dumps(values))
        assert done.returncode == 0, done.stderr + self.told()
        return done.stdout

    def _run(self, verb: str, *more: str, text: str = "") -> subprocess.CompletedProcess[str]:
        argv = [str(find_program("helm")), verb, RELEASE, *more, f"--namespace={self.namespace}"]
        kubeconfig = self.ground.cluster.plane.kubeconfig
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        return subprocess.run(
            argv,
            input=text,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in the worker's container, by kubectl."""
        (pod, *_) = self.workers
        argv = [
            str(find_program("kubectl")),
            f"--kubeconfig={self.ground.cluster.plane.kubeconfig}",
        ]
        argv += [f"--namespace={self.namespace}", "exec", pod["metadata"]["name"], "-c", "worker"]
        argv += ["--", *command]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=150)

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

    def pods(self, component: str) -> list[Json]:
        """Of the bot: `all` with SQLite, else `web`, `worker`, `migrate`; those on their way out
        are left out."""
        return [
            pod
            for pod in self.ground.pods(self.namespace)
            if pod["metadata"]["labels"].get("app.kubernetes.io/component") == component
            and "deletionTimestamp" not in pod["metadata"]
        ]

    @property
    def workers(self) -> list[Json]:
        return self.pods("worker" if self.database else "all")

    def restarts(self) -> int:
        pods = [*self.workers, *self.pods("web")]
        return sum(
            one["restartCount"] for pod in pods for one in pod["status"]["containerStatuses"]
        )

    def told(self) -> str:
        """The logs of the bot, for a test that fails."""
        found = ""
        for pod in self.ground.pods(self.namespace):
            name = pod["metadata"]["name"]
            for container in pod["spec"]["containers"]:
                with suppress(ApiError):  # it did not start, or is gone
                    text = self.ground.log(self.namespace, name, container["name"])
                    found += f"\n== {name} {container['name']}\n{text[-4000:]}"
        return found

    def requests(self) -> Iterator[Json]:
        """What the worker asked of the apiserver, from its audit log."""
        user = f"system:serviceaccount:{self.namespace}:{RELEASE}-worker"
        for event in self.ground.cluster.plane.audit_events():
            if event["user"].get("username", "") == user:
                yield event
