"""What every scenario stands on: a node with the images of build pods, a registry, a base image.

They live as long as the test session; a scenario takes a namespace and repositories of its own.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.cluster.api import Api, Json
from tests.cluster.e2e.gates import Gate, Gates
from tests.cluster.images import build_archives
from tests.cluster.node import HOST, Cluster
from tests.cluster.programs import DIES_WITH_US
from tests.fakes.base_image import push_base
from tests.fakes.registry_process import RegistryProcess

_ESTABLISHED = "01"
PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}


class Ground:
    """`start()` takes about half a minute, images imported. All of it is ended by `stop()`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = Cluster(folder / "node", audit=True, keep=True)
        self.registry = RegistryProcess(folder / "registry", address=HOST, in_front=DIES_WITH_US)
        self.gates = Gates(HOST)
        self.base = ""
        self._numbers = itertools.count(1)

    def start(self) -> None:
        archives = build_archives()
        self.cluster.start()
        try:
            self.gates.start()
            self.registry.start()
            self.base = push_base(self.registry.url, "base", "1")
            for archive in archives:
                self.cluster.load(archive)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.gates.stop()
        self.registry.stop()
        self.cluster.stop()

    @property
    def api(self) -> Api:
        return self.cluster.api

    def gate(self) -> Gate:
        """A new one, for a step that is to wait."""
        return self.gates.new()

    def number(self) -> int:
        """Another one each time, for names that must not meet."""
        return next(self._numbers)

    def namespace(self, prefix: str = "builds") -> str:
        """A namespace in which privileged pods may run."""
        return self.api.namespace(f"{prefix}-{self.number()}", PRIVILEGED)

    def base_layer(self) -> Json:
        """The descriptor of the base image's only layer."""
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        asked = urllib.request.Request(f"{self.registry.url}/v2/base/manifests/1", headers=accept)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            (layer,) = json.load(answer)["layers"]
        found: Json = layer
        return found

    def pods(self, namespace: str) -> list[Json]:
        found: list[Json] = self.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
        return found

    def log(self, namespace: str, pod: str, container: str = "docker") -> str:
        """What a container printed."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}"
        return self.api.text(path)

    def connections(self, pod: Json) -> set[str]:
        """`address:port` of what a pod holds connections to, as the pod itself sees it: behind the
        address of a Service is another one."""
        found = set()
        for process in self.processes(pod):
            with suppress(OSError):
                for line in (process / "net" / "tcp").read_text().splitlines()[1:]:
                    _, _, remote, state = line.split()[:4]
                    if state == _ESTABLISHED:
                        found.add(_address(remote))
        return found

    def processes(self, pod: Json, part: str = "") -> list[Path]:
        """`/proc` folders of what runs in a pod, nested containers included, whose command line
        holds `part`."""
        uid, found = pod["metadata"]["uid"], []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                inside = f"pod{uid}" in (entry / "cgroup").read_text()
                if inside and part in (entry / "cmdline").read_bytes().decode("utf-8", "replace"):
                    found.append(entry)
        return found


def memory_limit(process: Path) -> int:
    """Bytes that the kernel lets it have, whichever of the cgroups above it says so. `process` is
    its folder below /proc."""
    lines = [line.split(":", 2) for line in (process / "cgroup").read_text().splitlines()]
    (name,) = [path for _, controllers, path in lines if controllers == "memory"] or [lines[-1][2]]
    top, file = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
    if not top.exists():
        top, file = top.parent, "memory.max"
    found = [top / name.lstrip("/"), *(top / name.lstrip("/")).parents]
    told = [(folder / file).read_text().strip() for folder in found if (folder / file).exists()]
    return min(int(one) for one in told if one != "max")


def _address(told: str) -> str:
    """`0100D50A:01BB` of /proc/net/tcp is 10.213.0.1:443 on a little-endian machine."""
    address, _, port = told.partition(":")
    number = int(address, 16).to_bytes(4, sys.byteorder)
    return f"{ipaddress.IPv4Address(number)}:{int(port, 16)}"
