"""etcd and kube-apiserver as child processes: the light tier, in which tests play the kubelet.

Usable outside pytest::

    with ControlPlane(Path("plane")) as plane:
        plane.api.namespace("builds")
        plane.api.set_pod_status("builds", "pod-1", {"phase": "Failed", "reason": "Evicted"})
        print(plane.kubeconfig, plane.token_for("builds", "worker"))

No controller runs here: nothing collects what has an owner, ends a namespace, or schedules.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests.cluster.api import Api, Json
from tests.cluster.pki import Authority, Pair
from tests.cluster.programs import Component, find_program
from tests.fakes.loopback import free_port

SERVICES = "10.213.0.0/16"
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


class ControlPlane:
    """One etcd and one apiserver; leaving the `with` block ends both by pid.

    address: what the apiserver listens on. audit: write `audit.log` (metadata of every request).
    keep: leave the folder; it is kept in any case when the block is left by an exception.
    """

    def __init__(
        self, folder: Path, *, address: str = "127.0.0.1", audit: bool = False, keep: bool = False
    ) -> None:
        self.folder = folder
        self.address = address
        self.keep = keep
        self.audit_path = folder / "audit.log" if audit else None
        self.port = free_port()  # of the loopback: `address` may not be up yet
        self.url = f"https://{address}:{self.port}"
        self.kubeconfig = folder / "kubeconfig"
        self.restarts: list[tuple[float, float]] = []
        """From when to when it was not ready: it answers before it has read what the Roles say."""
        self._components: dict[str, Component] = {}

    def start(self) -> Self:
        """Start both and wait until the apiserver is ready; RuntimeError with the log's end."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority(self.folder / "pki")
        self.admin = self.authority.issue("admin", "admin", ["system:masters"])
        self.write_kubeconfig(self.kubeconfig, self.admin)
        self.api = Api(self.url, self.authority.certificate, self.admin)
        try:
            etcd = self._run("etcd", self._etcd())
            etcd.wait_until(self._etcd_healthy, "it was healthy", 20)
            server = self._run("kube-apiserver", self._apiserver())
            server.wait_until(self.ready, "it was ready")
        except BaseException:
            self.stop()
            raise
        return self

    def _run(self, name: str, arguments: list[str]) -> Component:
        component = Component(name, [str(find_program(name)), *arguments], self.folder)
        self._components[name] = component
        component.start()
        return component

    def component(self, name: str) -> Component:
        """`etcd` or `kube-apiserver`, to be stopped, killed or started again by a test."""
        return self._components[name]

    def _etcd(self) -> list[str]:
        clients, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self._etcd_url = clients
        return [
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--log-level=warn",
        ]

    def _apiserver(self) -> list[str]:
        network = ipaddress.ip_network(SERVICES)
        hosts = ["localhost", "127.0.0.1", self.address, str(network[1]), "kubernetes.default.svc"]
        server = self.authority.issue("apiserver", "apiserver", hosts=sorted(set(hosts)))
        kubelet = self.authority.issue("apiserver-kubelet", "apiserver-kubelet", ["system:masters"])
        self.signing_key = self.authority.signing_key("service-accounts")
        arguments = [
            f"--etcd-servers={self._etcd_url}",
            f"--bind-address={self.address}",
            f"--secure-port={self.port}",
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            f"--client-ca-file={self.authority.certificate}",
            f"--kubelet-certificate-authority={self.authority.certificate}",
            f"--kubelet-client-certificate={kubelet.certificate}",
            f"--kubelet-client-key={kubelet.key}",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.signing_key}",
            f"--service-account-signing-key-file={self.signing_key}",
            f"--service-cluster-ip-range={SERVICES}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--profiling=false",
        ]
        if ipaddress.ip_address(self.address).is_loopback:
            # A loopback address may not stand in the endpoints of the `kubernetes` service.
            arguments += ["--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none"]
        return arguments + self._audit()

    def _audit(self) -> list[str]:
        if self.audit_path is None:
            return []
        policy = self.folder / "audit-policy.json"
        policy.write_text(json.dumps(_AUDIT))
        return [f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_path}"]

    def audit_events(self) -> Iterator[Json]:
        """Every audited request so far; RuntimeError where the log was not asked for."""
        if self.audit_path is None:
            raise RuntimeError("start ControlPlane(…, audit=True) to read its audit log")
        if self.audit_path.exists():
            written = self.audit_path.read_bytes()
            # What is not ended by a newline is still being written.
            for line in written[: written.rfind(b"\n") + 1].splitlines():
                yield json.loads(line)

    def _etcd_healthy(self) -> bool:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with suppress(OSError), direct.open(f"{self._etcd_url}/health", timeout=2) as answer:
            return b'"true"' in answer.read()
        return False

    def ready(self) -> bool:
        """Whether the apiserver says so and has made the namespaces that it makes itself."""
        with suppress(requests.RequestException, RuntimeError):
            self.api.text("/readyz")
            return bool(self.api.get("/api/v1/namespaces/default"))
        return False

    def restart_apiserver(self) -> None:
        """End it and start it again on the same port, as an upgrade does; etcd goes on."""
        server, began = self._components["kube-apiserver"], time.time()
        server.stop()
        server.start()
        server.wait_until(self.ready, "it was ready again")
        self.restarts.append((began, time.time()))

    def token_for(self, namespace: str, name: str, *, seconds: int = 3600) -> str:
        """A bearer token of a service account, which is created where it is lacking."""
        self.api.service_account(namespace, name)
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        asked = self.api.create(path, {"spec": {"expirationSeconds": seconds}})
        return str(asked["status"]["token"])

    def api_for(self, namespace: str, name: str) -> Api:
        """The same apiserver as a service account sees it."""
        return Api(self.url, self.authority.certificate, self.token_for(namespace, name))

    def write_kubeconfig(self, path: Path, identity: Pair | str) -> Path:
        """A kubeconfig with everything inside, for a certificate or a token; mode 600."""
        user: dict[str, Any] = {"token": identity}
        if isinstance(identity, Pair):
            user = {
                "client-certificate-data": _base64(identity.certificate),
                "client-key-data": _base64(identity.key),
            }
        authority = _base64(self.authority.certificate)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "pushwright",
            "clusters": [
                {
                    "name": "pushwright",
                    "cluster": {"server": self.url, "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": "pushwright", "user": user}],
            "contexts": [
                {"name": "pushwright", "context": {"cluster": "pushwright", "user": "pushwright"}}
            ],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=1))  # JSON is YAML
        return path

    def stop(self) -> None:
        """End the apiserver, then etcd. Logs stay. A second call does nothing."""
        if self._components:
            self.api.close()
        for component in reversed(self._components.values()):
            component.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if error is None and not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
