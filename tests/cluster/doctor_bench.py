"""`pushwright doctor` at a real API server: a worker's account, and what is found with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.core.findings import Finding, Result
from bot.core.podsettings import Kubernetes
from bot.doctor.checks import run_checks
from bot.doctor.cluster import Cluster, Deep
from bot.executors.kubernetes.permissions import PERMISSIONS
from tests.cluster.executor_bench import Bench

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
