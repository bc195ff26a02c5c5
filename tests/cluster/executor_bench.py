"""What the tests of the Kubernetes executor share: executors at one apiserver, attempts in a
namespace of their own, and a kubelet that does what a test says."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.clock import SystemClock
from bot.core.ids import BuildId
from bot.core.podsettings import Kubernetes, PodSettings, Untrusted
from bot.executors.kubernetes.api import Api
from bot.executors.kubernetes.connection import Connection
from bot.executors.kubernetes.executor import KubernetesExecutor, Surroundings
from bot.executors.kubernetes.names import object_name
from bot.executors.kubernetes.watch import USUAL, PodWatch, Rhythm
from bot.ports import AttemptSpec, Clock, Temporary
from tests.cluster.api import Api as AdminApi
from tests.cluster.api import Json
from tests.cluster.control_plane import ControlPlane
from tests.fakes.registry_memory import nothing
from tests.kubernetes.scene import ORIGIN, RECIPE, attempt

NODE = "node1"
PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}
SUCCESS = {"version": 1, "class": "succeeded", "message": "built", "digest": "sha256:" + "a" * 64}


def eventually(check: Callable[[], object], seconds: float = 60.0, pause: float = 0.02) -> None:
    """Until `check` holds."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to pass")
        time.sleep(pause)


@dataclass
class Kubelet:
    """Tells of pods what a kubelet would."""

    admin: AdminApi
    namespace: str

    def bind(self, name: str, node: str = NODE) -> None:
        """What the scheduler does."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/binding"
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        self.admin.create(path, {"metadata": {"name": name}, "target": target})

    def pull(self, name: str) -> None:
        waiting = {"waiting": {"reason": "ContainerCreating"}}
        self.say(name, {"phase": "Pending"}, dind=waiting, docker=waiting)

    def run(self, name: str, started: float | None = None) -> None:
        at = stamp(time.time() if started is None else started)
        running = {"running": {"startedAt": at}}
        self.say(name, {"phase": "Running", "startTime": at}, dind=running, docker=running)

    def end(self, name: str, message: object = SUCCESS, *, code: int = 0, **more: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        ended = {"terminated": {"exitCode": code, "reason": "Completed", "message": text}}
        self.say(name, {"phase": "Running", **more}, docker=ended)

    def say(self, name: str, status: Mapping[str, Any], **states: Mapping[str, Any]) -> Json:
        full: Json = dict(status)
        for key, container in (("initContainerStatuses", "dind"), ("containerStatuses", "docker")):
            if container in states:
                state = states[container]
                full[key] = [
                    {
                        "name": container,
                        "image": "x",
                        "imageID": "",
                        "ready": False,
                        "restartCount": 0,
                        "state": state,
                    }
                ]
        return self.admin.set_pod_status(self.namespace, name, full)

    def remove(self, name: str) -> None:
        """The object goes, as when the kubelet confirms the end."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}"
        self.admin.delete(path, {"gracePeriodSeconds": 0})


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@dataclass
class Bench:
    """One namespace. `executor()` makes a new one, as a restarted bot does."""

    plane: ControlPlane
    namespace: str
    settings: Kubernetes
    auths: Mapping[str, object] = field(default_factory=lambda: {"auths": {}})
    secrets: Mapping[str, str] = field(default_factory=dict)
    made: list[Connection] = field(default_factory=list)

    @property
    def admin(self) -> AdminApi:
        return self.plane.api

    @property
    def kubelet(self) -> Kubelet:
        return Kubelet(self.admin, self.namespace)

    def api(self, kubeconfig: Path | None = None) -> Api:
        clock = SystemClock()
        self.made.append(Connection(str(kubeconfig or self.plane.kubeconfig), clock))
        return Api(self.made[-1], clock)

    def executor(
        self,
        kubeconfig: Path | None = None,
        rhythm: Rhythm = USUAL,
        clock: Clock = SystemClock(),  # noqa: B008  it has no state
        *,
        watched: bool = False,
    ) -> KubernetesExecutor:
        around = Surroundings(
            kubernetes=lambda: self.settings,
            auths=lambda hosts, trusted: self.auths,
            secret_file=self.secrets.get,
        )
        wake = nothing if watched else None
        return KubernetesExecutor(around, self.api(kubeconfig), clock, rhythm, wake=wake)

    def pod(self, name: str) -> Json:
        return self.admin.pod(self.namespace, object_name(name))

    def list(self, kind: str) -> list[Json]:
        items: list[Json] = self.admin.get(f"/api/v1/namespaces/{self.namespace}/{kind}")["items"]
        return items

    def close(self) -> None:
        for connection in self.made:
            connection.close()


def make_bench(plane: ControlPlane, **pods: Any) -> Bench:
    namespace = f"builds-{uuid.uuid4().hex[:10]}"
    plane.api.namespace(namespace, PRIVILEGED)
    settings = PodSettings(namespace, "registry.example.com/pushwright:1", "docker:29-dind", **pods)
    return Bench(plane, namespace, Kubernetes(settings))


def with_untrusted(bench: Bench) -> str:
    """A second namespace, for strangers."""
    name = bench.namespace + "-untrusted"
    bench.admin.namespace(name, PRIVILEGED)
    pods = replace(bench.settings.pods, untrusted=Untrusted(name, {"pool": "strangers"}))
    bench.settings = replace(bench.settings, pods=pods)
    return name


def spec(name: str | None = None, **more: Any) -> AttemptSpec:
    """An attempt with a build id of its own."""
    build = (name or f"{uuid.uuid4().hex}-1").rpartition("-")[0]
    number = int((name or "x-1").rpartition("-")[2])
    origin = replace(ORIGIN, build=BuildId(build), attempt=number)
    return attempt(**{"name": f"{build}-{number}", "origin": origin, "credential": None, **more})


def stranger(**more: Any) -> AttemptSpec:
    return spec(trusted=False, recipe=RECIPE | {"push": None}, **more)


class Later:
    """Our clock a while from now; the server's stays."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return time.time() + self._seconds

    def monotonic(self) -> float:
        return time.monotonic()


@contextmanager
def watching(*watches: PodWatch) -> Iterator[None]:
    """Their loops, as the worker runs them."""
    stop = threading.Event()

    def loop(watch: PodWatch) -> None:
        while not stop.is_set():
            try:
                if not watch.step():
                    stop.wait(0.2)
            except Temporary as error:
                stop.wait(error.after or 1.0)

    for watch in watches:
        threading.Thread(target=loop, args=(watch,), daemon=True).start()
    try:
        yield
    finally:
        stop.set()
