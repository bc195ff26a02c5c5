"""Raw JSON over HTTPS to an apiserver, and what tests do with it most."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from tests.cluster.pki import Pair

Json = dict[str, Any]
_AT_ONCE = 8


class ApiError(RuntimeError):
    """The apiserver's refusal: `code` is the HTTP status, `reason` the word of its Status."""

    def __init__(self, method: str, path: str, answer: requests.Response) -> None:
        try:
            status = answer.json()
        except ValueError:
            status = {}
        self.code = answer.status_code
        self.reason = str(status.get("reason", ""))
        message = status.get("message", answer.text[:500])
        super().__init__(f"{method} {path}: {self.code} {self.reason}: {message}")


class Api:
    """One identity at one apiserver: a client certificate, or a bearer token."""

    def __init__(
        self, url: str, authority: Path, identity: Pair | str, *, timeout: float = 30.0
    ) -> None:
        self.url = url
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(authority)
        self._session.mount("https://", HTTPAdapter(pool_maxsize=_AT_ONCE))
        if isinstance(identity, Pair):
            self._session.cert = (str(identity.certificate), str(identity.key))
        else:
            self._session.headers["Authorization"] = f"Bearer {identity}"

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def text(self, path: str) -> str:
        """The body of a GET, as it is (a log); ApiError for any refusal."""
        answer = self._session.get(self.url + path, timeout=self._timeout)
        if not answer.ok:
            raise ApiError("GET", path, answer)
        return answer.text

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, kind: str = ""
    ) -> Json:
        """One request; `kind` is the content type where it is not plain JSON."""
        headers = {"Content-Type": kind or "application/json"}
        answer = self._session.request(
            method, self.url + path, json=body, headers=headers, timeout=self._timeout
        )
        if not answer.ok:
            raise ApiError(method, path, answer)
        decoded: Json = answer.json()
        return decoded

    def get(self, path: str) -> Json:
        return self.call("GET", path)

    def create(self, path: str, body: Mapping[str, Any]) -> Json:
        return self.call("POST", path, body)

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> Json:
        return self.call("DELETE", path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Json:
        """A merge patch (RFC 7386): lists are replaced as a whole."""
        return self.call("PATCH", path, body, "application/merge-patch+json")

    def namespace(self, name: str, labels: Mapping[str, str] | None = None) -> str:
        """A namespace with its `default` service account, which admission wants for every pod.

        A controller makes the account on a whole cluster; the light tier has none.
        """
        metadata = {"name": name, "labels": dict(labels or {})}
        self.create("/api/v1/namespaces", {"metadata": metadata})
        self.service_account(name, "default")
        return name

    def service_account(self, namespace: str, name: str) -> None:
        """Create it; one that is there already (the controller was faster) will do."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        try:
            self.create(path, {"metadata": {"name": name}})
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    def fake_node(self, name: str, *, cpu: str = "64", memory: str = "256Gi") -> Json:
        """A Ready node that nobody runs: pods are put on it by `spec.nodeName`."""
        node = self.create("/api/v1/nodes", {"metadata": {"name": name}})
        room = {"cpu": cpu, "memory": memory, "pods": "1000"}
        condition = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        status = {"capacity": room, "allocatable": room, "conditions": [condition]}
        return self.patch(f"/api/v1/nodes/{node['metadata']['name']}/status", {"status": status})

    def pod(self, namespace: str, name: str) -> Json:
        return self.get(f"/api/v1/namespaces/{namespace}/pods/{name}")

    def create_pods(self, namespace: str, pods: Iterable[Mapping[str, Any]]) -> list[Json]:
        """Create many, eight requests at a time; the answers in the order of `pods`."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda pod: self.create(path, pod), pods))

    def set_pod_status(self, namespace: str, name: str, status: Mapping[str, Any]) -> Json:
        """What a kubelet would say of a pod: merged into its status by the subresource."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
        return self.patch(path, {"status": dict(status)})

    def wait_for(self, path: str, wanted: Callable[[Json], bool], timeout: float = 60.0) -> Json:
        """GET until `wanted` holds; TimeoutError with the object's last status."""
        deadline = time.monotonic() + timeout
        while not wanted(found := self.get(path)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} after {timeout:.0f} s: {found.get('status')}")
            time.sleep(0.1)
        return found
