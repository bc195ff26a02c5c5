"""`pushwright doctor` at a real API server: RBAC, Pod Security, quotas, and probe pods whose
kubelet the test plays."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bot.clock import SystemClock
from bot.core.findings import Finding, Result
from bot.core.ids import HostKind
from bot.core.podsettings import Kubernetes, Network, SecretKey
from bot.doctor.checks import run_checks
from bot.doctor.cluster import Cluster, Deep
from bot.doctor.samples import Trial
from bot.executors.kubernetes.api import Api
from bot.executors.kubernetes.connection import Connection
from bot.executors.kubernetes.permissions import PERMISSIONS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.executor_bench import (
    Bench,
    eventually,
    make_bench,
    with_untrusted,
)
from tests.doctor.site import sited

OK, WARN, FAIL, UNKNOWN = Result.OK, Result.WARN, Result.FAIL, Result.UNKNOWN
Found = Mapping[str, Finding]


@dataclass
class Worker:
    """A namespace of builds, and the worker's own account with the Role of the table."""

    bench: Bench
    account: str
    kubeconfig: Path

    @property
    def namespace(self) -> str:
        return self.bench.namespace

    def role(self, namespace: str, without: tuple[str, str] = ("", "")) -> None:
        """Grants it all that the table has, less one (resource, verb)."""
        admin, name = self.bench.admin, self.account
        rules = [
            {
                "apiGroups": [""],
                "resources": [one.resource],
                "verbs": [verb for verb in one.verbs if (one.resource, verb) != without],
            }
            for one in PERMISSIONS
            if (one.resource, *one.verbs) != without
        ]
        base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        admin.create(f"{base}/roles", {"metadata": {"name": name}, "rules": rules})
        subject = {"kind": "ServiceAccount", "name": name, "namespace": "default"}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        binding = {"metadata": {"name": name}, "subjects": [subject], "roleRef": reference}
        admin.create(f"{base}/rolebindings", binding)

    def doctor(
        self, *, admin: bool = False, deep: Deep | None = None, settings: Kubernetes | None = None
    ) -> Found:
        """Findings by check; of several the worst."""
        kubeconfig = None if admin else self.kubeconfig
        cluster = Cluster(self.bench.api(kubeconfig), settings or self.bench.settings, 4, deep)
        return by_check(run_checks(list(cluster.checks()), seconds=120))


def by_check(findings: Iterator[Finding]) -> Found:
    order = [OK, UNKNOWN, WARN, FAIL]
    found: dict[str, Finding] = {}
    for one in findings:
        assert one.subject == "cluster"
        before = found.get(one.check)
        if before is None or order.index(one.result) > order.index(before.result):
            found[one.check] = one
    return found


@pytest.fixture
def worker(plane: ControlPlane, tmp_path: Path) -> Iterator[Worker]:
    bench = make_bench(plane)
    account = f"worker-{uuid.uuid4().hex[:8]}"
    kubeconfig = plane.write_kubeconfig(
        tmp_path / "kubeconfig", plane.token_for("default", account)
    )
    yield Worker(bench, account, kubeconfig)
    bench.close()


def test_with_the_role_of_the_table_nothing_fails(worker: Worker) -> None:
    worker.role(worker.namespace)
    found, name = worker.doctor(), worker.namespace
    assert not [one for one in found.values() if one.result is FAIL]
    assert found["version"].found.startswith("Kubernetes v1.")
    assert found[f"permissions in {name}"].result is OK
    assert found[f"build pod in {name}"].result is OK
    # The Role gives it nothing of these, on purpose.
    for check in ("namespace", "quota of", "nodes for", "network policies of"):
        assert found[f"{check} {name}"].result is UNKNOWN, check
    assert "account" not in found
    assert worker.bench.list("pods") == []


@pytest.mark.parametrize(
    "lacking", [(one.resource, verb) for one in PERMISSIONS for verb in one.verbs]
)
def test_each_verb_that_is_missing_is_named(worker: Worker, lacking: tuple[str, str]) -> None:
    resource, verb = lacking
    worker.role(worker.namespace, without=lacking)
    found = worker.doctor()[f"permissions in {worker.namespace}"]
    assert found.result is FAIL
    assert found.found == f"this account may not: {verb} {resource}"


def test_an_account_without_any_role(worker: Worker) -> None:
    found = worker.doctor()
    assert found[f"permissions in {worker.namespace}"].result is FAIL
    pod = found[f"build pod in {worker.namespace}"]
    assert (pod.result, "lacks a permission" in pod.found) == (FAIL, True)


def test_a_namespace_that_does_not_exist(worker: Worker) -> None:
    pods = replace(worker.bench.settings.pods, namespace="not-there")
    found = worker.doctor(admin=True, settings=Kubernetes(pods))
    assert found["namespace not-there"].result is FAIL
    assert "kubectl create namespace not-there" in found["namespace not-there"].remedy
    # Without the right to read namespaces the dry run tells.
    worker.role(worker.namespace)
    found = worker.doctor(settings=Kubernetes(pods))
    assert found["namespace not-there"].result is UNKNOWN
    assert found["build pod in not-there"].result is FAIL


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_pod_security_level_that_forbids_dockerd(worker: Worker, level: str) -> None:
    admin, name = worker.bench.admin, worker.namespace
    labels = {"pod-security.kubernetes.io/enforce": level}
    admin.patch(f"/api/v1/namespaces/{name}", {"metadata": {"labels": labels}})
    worker.role(name)
    found = worker.doctor()[f"build pod in {name}"]
    assert (found.result, "forbids privileged pods" in found.found) == (FAIL, True)
    found = worker.doctor(admin=True)[f"namespace {name}"]
    assert found.result is FAIL
    assert found.remedy == (
        f"kubectl label namespace {name} pod-security.kubernetes.io/enforce=privileged --overwrite"
    )


def test_quotas_and_limit_ranges(worker: Worker) -> None:
    admin, name = worker.bench.admin, worker.namespace
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2"}}}
    admin.create(f"/api/v1/namespaces/{name}/resourcequotas", quota)
    status = {"status": {"hard": {"pods": "2"}, "used": {"pods": "1"}}}
    admin.patch(f"/api/v1/namespaces/{name}/resourcequotas/q/status", status)
    found = worker.doctor(admin=True)[f"quota of {name}"]
    assert found.result is WARN
    assert found.found == "room for 1 more builds at once (pods); limits.builds is 4"
    limit = {"type": "Container", "max": {"memory": "1Gi"}}
    spec = {"metadata": {"name": "l"}, "spec": {"limits": [limit]}}
    admin.create(f"/api/v1/namespaces/{name}/limitranges", spec)
    found = worker.doctor(admin=True)[f"build pod in {name}"]
    assert (found.result, "maximum memory usage" in found.found) == (FAIL, True), found


def test_nodes(worker: Worker) -> None:
    node = f"node-{uuid.uuid4().hex[:8]}"
    worker.bench.admin.fake_node(node, memory="2Gi")
    labels = {"metadata": {"labels": {"pool": node}}}
    worker.bench.admin.patch(f"/api/v1/nodes/{node}", labels)
    pods = replace(worker.bench.settings.pods, node_selector={"pool": node})
    found = worker.doctor(admin=True, settings=Kubernetes(pods))
    new = found[f"nodes for {worker.namespace}"]
    assert (new.result, "is free for builds" in new.found) == (FAIL, True)  # not ready yet: tainted
    worker.bench.admin.patch(f"/api/v1/nodes/{node}", {"spec": {"taints": None}})
    found = worker.doctor(admin=True, settings=Kubernetes(pods))
    small = found[f"nodes for {worker.namespace}"]
    assert (small.result, "no node has that (most: 2Gi memory)" in small.found) == (FAIL, True)
    pods = replace(pods, default=replace(pods.default, memory="256Mi"), dockerd_memory="256Mi")
    found = worker.doctor(admin=True, settings=Kubernetes(pods))
    assert found[f"nodes for {worker.namespace}"].result is OK


def test_secrets_and_config_maps_that_pods_mount(worker: Worker) -> None:
    admin, name = worker.bench.admin, worker.namespace
    worker.role(name)
    pods = replace(
        worker.bench.settings.pods,
        image_pull_secrets=("pull",),
        secrets={"npm": SecretKey("npm", "token")},
        network=Network(ca_config_map="ca"),
    )
    found = worker.doctor(settings=Kubernetes(pods))
    assert found["Secret pull"].result is FAIL
    assert found["Secret npm"].result is FAIL
    assert found["ConfigMap ca"].result is UNKNOWN
    for kind, wanted in (("secrets", "pull"), ("secrets", "npm"), ("configmaps", "ca")):
        admin.create(f"/api/v1/namespaces/{name}/{kind}", {"metadata": {"name": wanted}})
    found = worker.doctor(admin=True, settings=Kubernetes(pods))
    for check in ("Secret pull", "Secret npm", "ConfigMap ca"):
        assert found[check].result is OK


def test_network_policies_and_too_many_rights(worker: Worker) -> None:
    found, name = worker.doctor(admin=True), worker.namespace
    assert found[f"network policies of {name}"].result is WARN
    assert (found["account"].result, "every Secret" in found["account"].found) == (WARN, True)
    policy = {"metadata": {"name": "builds"}, "spec": {"podSelector": {}}}
    path = f"/apis/networking.k8s.io/v1/namespaces/{name}/networkpolicies"
    worker.bench.admin.create(path, policy)
    assert worker.doctor(admin=True)[f"network policies of {name}"].result is OK


def test_untrusted_builds_have_a_namespace_of_their_own(worker: Worker) -> None:
    strangers = with_untrusted(worker.bench)
    worker.role(worker.namespace)
    found = worker.doctor()
    assert found[f"permissions in {worker.namespace}"].result is OK
    assert found[f"permissions in {strangers}"].result is FAIL


def test_a_cluster_that_is_not_there(worker: Worker, tmp_path: Path) -> None:
    config = json.loads(worker.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "gone").write_text(json.dumps(config))
    api = Api(Connection(str(tmp_path / "gone"), SystemClock()), SystemClock())
    found = by_check(run_checks(list(Cluster(api, worker.bench.settings, 4).checks()), seconds=60))
    assert list(found) == ["version"]
    assert (found["version"].result, "does not answer" in found["version"].found) == (FAIL, True)


def test_as_a_command(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.role(worker.namespace)
    folder = tmp_path / "site"
    folder.mkdir()
    with sited(HostKind.GITHUB, folder, monkeypatch.setenv) as site:
        section = {
            "namespace": worker.namespace,
            "builder-image": "registry.example.com/pushwright:1",
            "kubeconfig": str(worker.kubeconfig),
        }
        site.write(executor="kubernetes", kubernetes=section)
        found = site.doctor()
        assert found["cluster", "connection"] == (OK, worker.bench.plane.url, "")
        assert found["cluster", f"build pod in {worker.namespace}"][0] is OK
        assert not [key for key in found if key[0] == "docker"]
        worker.kubeconfig.write_text("{}")
        result, text, _ = site.doctor()["cluster", "connection"]
        assert (result, "kubeconfig" in text) == (FAIL, True)


# -- an API server that is only a script -----------------------------------------------------------


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Callable[[Callable[[str], Any]], Api]]:
    """An API server over plain HTTP whose answers a function gives by path."""
    servers = []

    def serve(answer: Callable[[str], Any]) -> Api:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = answer(self.path)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _any  # noqa: N815 - names of http.server

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        servers.append((server, thread))
        url = f"http://127.0.0.1:{server.server_address[1]}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "clusters": [{"name": "x", "cluster": {"server": url}}],
            "users": [{"name": "x", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        }
        (tmp_path / "scripted").write_text(json.dumps(config))
        return Api(Connection(str(tmp_path / "scripted"), SystemClock()), SystemClock())

    yield serve
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("old", ["v1.28.15", "v1.27.0-gke.5"])
def test_a_cluster_before_native_sidecars(
    worker: Worker, scripted: Callable[[Callable[[str], Any]], Api], old: str
) -> None:
    api = scripted(lambda path: {"gitVersion": old} if path == "/version" else {})
    found = by_check(run_checks(list(Cluster(api, worker.bench.settings, 4).checks()), seconds=60))
    assert (found["version"].result, old in found["version"].found) == (FAIL, True)
    assert found["version"].remedy == "upgrade the cluster to 1.29 or later"


@pytest.mark.parametrize(
    "body", [b"[", b"[]", b'{"items": 7}', b"<html>", b"{}" + b" " * 9_000, b""]
)
def test_hostile_answers_are_findings(
    worker: Worker, scripted: Callable[[Callable[[str], Any]], Api], body: bytes
) -> None:
    api = scripted(lambda path: {"gitVersion": "v1.33.0"} if path == "/version" else body)
    found = by_check(run_checks(list(Cluster(api, worker.bench.settings, 4).checks()), seconds=60))
    assert found["version"].result is OK
    assert not [one for one in found.values() if "this check broke" in one.found]
    assert found[f"build pod in {worker.namespace}"].result is FAIL


# -- probe pods ------------------------------------------------------------------------------------


def play(worker: Worker, answers: list[Any]) -> threading.Thread:
    """Ends each pod that appears with the next answer, as a kubelet would."""

    def kubelet() -> None:
        ended: set[str] = set()
        for answer in answers:
            fresh: list[str] = []

            def appeared(fresh: list[str] = fresh) -> bool:
                names = [pod["metadata"]["name"] for pod in worker.bench.list("pods")]
                fresh[:] = [name for name in names if name not in ended]
                return bool(fresh)

            eventually(appeared)
            ended.add(fresh[0])
            pods = worker.bench.list("pods")
            [pod] = [one for one in pods if one["metadata"]["name"] == fresh[0]]
            seen.append(pod)
            worker.bench.kubelet.end(fresh[0], answer)

    seen: list[Any] = []
    thread = threading.Thread(target=kubelet)
    thread.pods = seen  # type: ignore[attr-defined]
    thread.start()
    return thread


def test_what_builds_reach(worker: Worker) -> None:
    worker.role(worker.namespace)
    told = {"metadata service": "open", "API server": "closed", "git.test:443": "open"}
    kubelet = play(worker, [told])
    found = worker.doctor(deep=Deep({"git.test:443": ("git.test", 443)}, None))
    kubelet.join()
    network = found[f"network of {worker.namespace}"]
    assert (network.result, network.found) == (WARN, "a build reaches the metadata service")
    [pod] = kubelet.pods  # type: ignore[attr-defined]
    [container] = pod["spec"]["containers"]
    assert not container["securityContext"]["privileged"]
    assert "initContainers" not in pod["spec"]
    assert "secret" not in json.dumps(pod["spec"].get("volumes", []))
    assert pod["metadata"]["labels"]["pushwright.dev/trust"] == "trusted"
    # Not the worker's to adopt or to sweep up.
    assert pod["metadata"]["labels"]["pushwright.dev/instance"] == "main-doctor"
    gone(worker)


def result(digest: str, hits: int) -> dict[str, Any]:
    cache = {"hits": hits, "steps": 2}
    return {
        "version": 1,
        "class": "succeeded",
        "message": "built",
        "digest": "sha256:" + digest * 64,
        "cache": cache,
        "daemon": "29.1.0",
        "client": "buildx 0.30",
    }


@pytest.mark.parametrize(
    ("hits", "says", "outcome"),
    [
        ((0, 2, 2), "took every step from the cache", OK),
        ((0, 2, 0), "build 3 of 3 hit 0 of 2 steps, with dockerd 29.1.0", FAIL),
        ((0, 0), "build 2 of 3 hit 0 of 2 steps", FAIL),
    ],
)
def test_chained_builds(worker: Worker, hits: tuple[int, ...], says: str, outcome: Result) -> None:
    worker.role(worker.namespace)
    trial = Trial("reg.test/acme/shop:pushwright-doctor", (), ("reg.test",), {"auths": {}})
    kubelet = play(worker, [{}, *(result(str(n), hit) for n, hit in enumerate(hits))])
    order = run_in_order(worker, trial)
    kubelet.join()
    found = order["chained builds"]
    assert (found.result, says in found.found) == (outcome, True), found
    assert "dockerd 29.1.0, client buildx 0.30" in order["dockerd"].found
    first = kubelet.pods[1]  # type: ignore[attr-defined]
    assert first["spec"]["containers"][0]["command"][:4] == [
        "python",
        "-I",
        "-m",
        "bot.builder.trial",
    ]
    gone(worker)


def run_in_order(worker: Worker, trial: Trial) -> Found:
    """The network probe first, then the builds: pods come one after another."""
    from bot.doctor import probes

    api, settings = worker.bench.api(worker.kubeconfig), worker.bench.settings
    findings = [
        *probes.network(api, settings, {}, trusted=True),
        *probes.chained(api, settings, trial),
    ]
    return by_check(iter(findings))


def test_a_probe_pod_that_never_starts(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    from bot.doctor import probes

    worker.role(worker.namespace)
    monkeypatch.setattr(probes, "PROBE_SECONDS", 2.0)
    api = worker.bench.api(worker.kubeconfig)
    [found] = probes.network(api, worker.bench.settings, {}, trusted=True)
    assert (found.result, "not ended after 2 s" in found.found) == (FAIL, True)
    gone(worker)


def gone(worker: Worker) -> None:
    """Removed or, where only a kubelet can end it, on the way."""
    for pod in worker.bench.list("pods"):
        assert pod["metadata"].get("deletionTimestamp")
    assert worker.bench.list("secrets") == []
