"""The whole bot beside the node: `pushwright web` and `pushwright worker` of this checkout, with a
Git host's stand-in, a namespace for its builds, and a service account that may do there what the
chart's Role says and nothing else.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bot.core.ids import HostKind
from bot.executors.kubernetes.permissions import PERMISSIONS
from tests.cluster.api import Json
from tests.cluster.e2e.attempts import terminated
from tests.cluster.e2e.ground import Ground
from tests.cluster.images import BOT
from tests.cluster.node import HOST
from tests.cluster.programs import PATH, Component
from tests.fakes.githost.host import FakeHost
from tests.fakes.loopback import free_port

SECRET = "a secret of forty characters, more or less"
ACCOUNT = "worker"
RESOURCES = {
    "cpu": "100m",
    "memory": "512Mi",
    "disk": "2Gi",
    "source-disk": "256Mi",
    "dockerd-memory": "512Mi",
    "builder-memory": "256Mi",
}


class Bot:
    """`start()` and `stop()`; in between its processes may be stopped and killed one by one.

    kubernetes: changes to that section of the central config; config: to the whole of it.
    database: a PostgreSQL address instead of SQLite.
    """

    def __init__(
        self,
        ground: Ground,
        dockerd: str,
        folder: Path,
        *,
        kind: HostKind = HostKind.GITHUB,
        database: str = "",
        kubernetes: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.ground = ground
        self.dockerd = dockerd
        self.folder = folder
        self.host = FakeHost(kind, folder / "host", address=HOST)
        self.namespace = ground.namespace()
        self.url = f"http://127.0.0.1:{free_port()}"
        self._database = database
        self._kubernetes = dict(kubernetes or {})
        self._config = dict(config or {})
        self._processes: dict[str, Component] = {}

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.host.start()
        # One person's token; what it may do is decided per repository.
        self.token = self.host.create_token("pushwright")
        (self.folder / "token").write_text(self.token)
        (self.folder / "secret").write_text(SECRET)
        self.write_config()
        self.command("migrate")
        self.start_web()
        self.start_worker()

    def write_config(self, **kubernetes: Any) -> None:
        """Again, with `kubernetes` changed in that section: the bot reads it within 10 s."""
        self._kubernetes |= kubernetes
        path = self.folder / "pushwright.yaml"
        path.write_text(json.dumps(self.central(), indent=1))  # YAML reads JSON

    def central(self) -> dict[str, Any]:
        """The central config."""
        source = {
            "kind": str(self.host.kind),
            "url": self.host.url,
            "api-url": self.host.named_api,
            "token-file": str(self.folder / "token"),
            "webhook-secret-files": [str(self.folder / "secret")],
        }
        pods = {
            "namespace": self.namespace,
            "kubeconfig": str(self._kubeconfig()),
            "builder-image": BOT,
            "dockerd-image": self.dockerd,
            "resources": RESOURCES,
        }
        return {
            "version": 1,
            "public-url": self.url,
            "sources": {"forge": source},
            "repositories": [{"match": "acme/*"}],
            "registries": {self.ground.registry.host: {"insecure": True}},
            "defaults": {"registry": self.ground.registry.host},
            "executor": "kubernetes",
            "kubernetes": {**pods, **self._kubernetes},
            "pace": "50ms",
            **self._config,
        }

    def _kubeconfig(self) -> Path:
        """A service account with the verbs of the chart's Role, made when first asked for."""
        path = self.folder / "kubeconfig"
        if not path.exists():
            plane = self.ground.cluster.plane
            token = plane.token_for(self.namespace, ACCOUNT)
            strangers = self._kubernetes.get("untrusted", {}).get("namespace")
            for namespace in filter(None, (self.namespace, strangers)):
                here = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
                self.ground.api.create(f"{here}/roles", _role())
                self.ground.api.create(f"{here}/rolebindings", _binding(self.namespace))
            plane.write_kubeconfig(path, token)
        return path

    # -- processes -----------------------------------------------------------------------------

    def start_web(self) -> None:
        self._run("web", "web").wait_until(self._web_ready, "it was ready")

    def start_worker(self, name: str = "worker") -> Component:
        """Another name is another worker beside the first: PostgreSQL only."""
        return self._run(name, "worker")

    def worker(self, name: str = "worker") -> Component:
        return self._processes[name]

    def kill_worker(self, name: str = "worker") -> None:
        """SIGKILL: nothing is handed over."""
        self._processes[name].signal(signal.SIGKILL)
        self._processes[name].stop()

    def _run(self, name: str, command: str) -> Component:
        if name not in self._processes:
            argv = [sys.executable, "-m", "bot.cli", command]
            self._processes[name] = Component(name, argv, self.folder, self._environment())
        self._processes[name].start()
        return self._processes[name]

    def _environment(self) -> dict[str, str]:
        found = {
            "PATH": f"{Path(sys.executable).parent}:{PATH}",
            "PUSHWRIGHT_CONFIG": str(self.folder / "pushwright.yaml"),
            "PUSHWRIGHT_STATE": str(self.folder),
            "PUSHWRIGHT_LISTEN": self.url.removeprefix("http://"),
        }
        return found | ({"PUSHWRIGHT_DATABASE_URL": self._database} if self._database else {})

    def _web_ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=2):
            return True
        return False

    def stop(self) -> None:
        """End the processes, then what is left of the builds."""
        for process in self._processes.values():
            process.stop()
        self.host.stop()
        # In one request, which takes those that go meanwhile as gone.
        self.ground.api.delete(
            f"/api/v1/namespaces/{self.namespace}/pods", {"gracePeriodSeconds": 0}
        )

    def command(self, *arguments: str) -> str:
        """The output of a `pushwright` command on this bot's database; it must succeed."""
        argv = [sys.executable, "-m", "bot.cli", *arguments]
        env = self._environment()
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    # -- looking -------------------------------------------------------------------------------

    def pods(self) -> list[Json]:
        """The build pods that there are now."""
        return self.ground.pods(self.namespace)

    def wait_for_pod(self, sha: str, namespace: str = "", timeout: float = 120.0) -> Json:
        """The pod of that commit, once its builder is known to run: a step may be quicker than
        what the kubelet tells. In its own namespace unless told otherwise."""
        return self._wait_for_pod(sha, _runs, namespace, timeout)

    def wait_for_any_pod(self, sha: str, timeout: float = 120.0) -> Json:
        """The pod of that commit, once it is made."""
        return self._wait_for_pod(sha, bool, "", timeout)

    def _wait_for_pod(
        self, sha: str, wanted: Callable[[Json], bool], namespace: str, timeout: float
    ) -> Json:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for pod in pods_of(self.ground.pods(namespace or self.namespace), sha):
                if wanted(pod):
                    return pod
            time.sleep(0.1)
        raise TimeoutError(f"no such pod of {sha} after {timeout:.0f} s: {self.told()}")

    def wait_for_end(self, pod: Json, timeout: float = 120.0) -> Json:
        """Until that pod's builder has ended; the pod. For a bot that is stopped."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}"
        return self.ground.api.wait_for(path, lambda one: terminated(one) is not None, timeout)

    def wait_for_no_pod(self, timeout: float = 120.0) -> None:
        """Until the last build pod is gone."""
        deadline = time.monotonic() + timeout
        while self.pods():
            if time.monotonic() > deadline:
                raise TimeoutError(f"pods after {timeout:.0f} s: {self.told()}")
            time.sleep(0.2)

    def pods_made(self, namespace: str = "") -> list[str]:
        """Names of all build pods that were ever created there, by the apiserver's audit log: of
        its own namespace unless told otherwise."""
        return [
            event["objectRef"].get("name") or ""
            for event in self.ground.cluster.plane.audit_events()
            if event["verb"] == "create"
            and event.get("objectRef", {}).get("namespace") == (namespace or self.namespace)
            and event["objectRef"]["resource"] == "pods"
            and "subresource" not in event["objectRef"]
            and event["responseStatus"]["code"] == 201
        ]

    def get(self, path: str) -> Json:
        """A page of the bot as JSON; `path` may be its whole address."""
        address = path if path.startswith("http") else self.url + path
        with urllib.request.urlopen(f"{address}.json", timeout=10) as answer:
            found: Json = json.load(answer)
        return found

    def told(self) -> str:
        """What one wants to see when a scenario fails."""
        states = [(pod["metadata"]["name"], pod["status"]) for pod in self.pods()]
        logs = [f"{name}: {each.log_text()[-2000:]}" for name, each in self._processes.items()]
        return "\n".join([json.dumps(states, indent=1)[-3000:], *logs])


def _runs(pod: Json) -> bool:
    return any("running" in one["state"] for one in pod["status"].get("containerStatuses", []))


def pods_of(pods: Iterable[Json], sha: str) -> list[Json]:
    """Those of that commit: the pod of a build before may still be on its way out."""
    return [p for p in pods if p["metadata"]["annotations"]["pushwright.dev/commit"] == sha]


def _role() -> Json:
    rules = [
        {"apiGroups": [""], "resources": [one.resource], "verbs": list(one.verbs)}
        for one in PERMISSIONS
    ]
    return {"metadata": {"name": ACCOUNT}, "rules": rules}


def _binding(namespace: str) -> Json:
    return {
        "metadata": {"name": ACCOUNT},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
    }
