"""Who may reach whom: a table of connections, held against the rendered policies by the evaluator.

That a policy is rendered does not mean that a cluster enforces it: that is its network plugin's.
"""

from __future__ import annotations

import pytest

from bot.core.ids import Trust
from bot.executors.kubernetes import names
from tests.chart import helm
from tests.chart.policies import Peer, Port, allowed
from tests.kubernetes.scene import identity

BOT = {"app.kubernetes.io/name": "pushwright", "app.kubernetes.io/instance": "pushwright"}


def pod(address: str, namespace: str, labels: dict[str, str]) -> Peer:
    return Peer(address, namespace, labels, {"kubernetes.io/metadata.name": namespace})


def bot(component: str, address: str) -> Peer:
    return pod(address, "pushwright", {**BOT, "app.kubernetes.io/component": component})


def build(namespace: str, address: str, trust: Trust = Trust.TRUSTED) -> Peer:
    """With the labels that the executor gives it."""
    return pod(address, namespace, names.labels(identity(trust=trust)))


# Addresses within the ranges of tests/chart/values/everything.yaml: pods 10.0/16, services 10.1/16,
# nodes 10.2.0/24, the API server's public address.
PLACES = {
    "web": bot("web", "10.0.0.10"),
    "worker": bot("worker", "10.0.0.11"),
    "bot": bot("all", "10.0.0.12"),
    "web service": Peer("10.1.0.80"),
    "apiserver service": Peer("10.1.0.1"),
    "apiserver": Peer("203.0.113.7"),
    "node": Peer("10.2.0.5"),
    "dns": pod("10.0.0.53", "kube-system", {"k8s-app": "kube-dns"}),
    "kube-system": pod("10.0.0.54", "kube-system", {"k8s-app": "metrics-server"}),
    "registry": pod("10.0.0.60", "registry", {"app": "registry"}),
    "another's pod": pod("10.0.0.61", "default", {}),
    "ingress": pod("10.0.0.62", "ingress-nginx", {}),
    "metadata": Peer("169.254.169.254"),
    "metadata of AWS by IPv6": Peer("fd00:ec2::254"),
    "metadata of GCP by IPv6": Peer("fd20:ce::254"),
    "metadata of Alibaba": Peer("100.100.100.200"),
    "wire server of Azure": Peer("168.63.129.16"),
    "link-local by IPv6": Peer("fe80::a9fe:a9fe"),
    "pod by IPv6": Peer("fd00:10::7"),
    "world": Peer("198.51.99.7"),
    "world by IPv6": Peer("2001:db8::7"),
    "Git host of forks": Peer("198.51.100.7"),
    "office": Peer("10.77.0.7"),
    "proxy": Peer("10.2.0.200"),
    "mirror": pod("10.0.0.70", "mirrors", {}),
    "node-local DNS": Peer("169.254.20.10"),
    "database": Peer("10.20.0.5"),
}
for namespace in ("pushwright-builds", "builds"):
    PLACES[f"build in {namespace}"] = build(namespace, "10.0.5.1")
    PLACES[f"probe in {namespace}"] = pod("10.0.5.9", namespace, {})
PLACES["fork's build"] = build("builds-of-forks", "10.0.6.1", Trust.UNTRUSTED)
PLACES["fork in pushwright-forks"] = build("pushwright-forks", "10.0.6.1", Trust.UNTRUSTED)

NEVER = (
    "metadata", "metadata of AWS by IPv6", "metadata of GCP by IPv6", "metadata of Alibaba",
    "wire server of Azure", "link-local by IPv6", "pod by IPv6", "apiserver service", "node",
    "web service", "bot", "web", "worker", "kube-system", "another's pod", "ingress",
)  # fmt: skip

# values · from · to · port · may it
TABLE = [
    # -- every default: builds reach the world, and nothing in private ranges
    *[("sqlite", "build in pushwright-builds", never, 443, False) for never in NEVER],
    *[("sqlite", "build in pushwright-builds", never, 8080, False) for never in NEVER],
    ("sqlite", "build in pushwright-builds", "world", 443, True),
    ("sqlite", "build in pushwright-builds", "world", 22, True),
    ("sqlite", "build in pushwright-builds", "world by IPv6", 443, True),
    ("sqlite", "build in pushwright-builds", "dns", 53, True),
    ("sqlite", "build in pushwright-builds", "dns", 9153, False),
    ("sqlite", "build in pushwright-builds", "office", 443, False),
    ("sqlite", "build in pushwright-builds", "registry", 5000, False),
    ("sqlite", "probe in pushwright-builds", "metadata", 80, False),
    ("sqlite", "probe in pushwright-builds", "world", 443, True),
    # -- nothing comes to a build
    ("sqlite", "build in builds", "build in pushwright-builds", 2375, False),
    ("sqlite", "probe in pushwright-builds", "build in pushwright-builds", 2375, False),
    ("sqlite", "bot", "build in pushwright-builds", 8080, False),
    ("sqlite", "world", "build in pushwright-builds", 22, False),
    # -- SQLite's one pod
    ("sqlite", "world", "bot", 8080, True),
    ("sqlite", "ingress", "bot", 8080, True),
    ("sqlite", "ingress", "bot", 22, False),
    ("sqlite", "bot", "world", 443, True),
    ("sqlite", "bot", "apiserver service", 443, True),
    # -- PostgreSQL: the web process asks names and the database
    ("postgresql", "ingress", "web", 8080, True),
    ("postgresql", "world", "web", 8080, False),
    ("postgresql", "another's pod", "web", 8080, False),
    ("postgresql", "web", "database", 5432, True),
    ("postgresql", "web", "database", 22, False),
    ("postgresql", "web", "dns", 53, True),
    *[("postgresql", "web", one, 443, False) for one in ("world", "world by IPv6", *NEVER[:10])],
    ("postgresql", "web", "build in pushwright-builds", 443, False),
    ("postgresql", "web", "worker", 8080, False),
    ("postgresql", "ingress", "worker", 8080, False),
    ("postgresql", "world", "worker", 8080, False),
    ("postgresql", "worker", "database", 5432, True),
    ("postgresql", "worker", "world", 443, True),
    ("postgresql", "worker", "apiserver service", 443, True),
    # -- ranges named one by one: the rest of the network is open to builds
    *[("everything", "build in builds", never, 443, False) for never in (*NEVER, "apiserver")],
    ("everything", "build in builds", "office", 443, True),
    ("everything", "build in builds", "world", 443, True),
    ("everything", "build in builds", "registry", 5000, True),
    ("everything", "build in builds", "registry", 22, False),
    ("everything", "build in builds", "proxy", 3128, True),
    ("everything", "build in builds", "proxy", 22, False),
    ("everything", "build in builds", "node-local DNS", 53, True),
    ("everything", "build in builds", "node-local DNS", 80, False),
    ("everything", "build in builds", "fork's build", 8080, False),
    ("everything", "world", "web", 8080, True),
    ("everything", "web", "world", 5432, True),
    ("everything", "web", "world", 443, False),
    # -- forks: what is listed
    *[("everything", "fork's build", one, 443, False) for one in (*NEVER, "apiserver", "world")],
    *[("everything", "fork's build", one, 443, False) for one in ("world by IPv6", "office")],
    ("everything", "fork's build", "Git host of forks", 443, True),
    ("everything", "fork's build", "Git host of forks", 22, False),
    ("everything", "fork's build", "mirror", 5000, True),
    ("everything", "fork's build", "registry", 5000, False),
    ("everything", "fork's build", "dns", 53, True),
    ("everything", "fork's build", "build in builds", 22, False),
    ("everything", "build in builds", "fork's build", 22, False),
    # -- "everything" of the values is never the cluster, nor what it runs on
    ("forks", "fork in pushwright-forks", "world", 443, True),
    ("forks", "fork in pushwright-forks", "world by IPv6", 443, True),
    ("forks", "fork in pushwright-forks", "world", 22, False),
    *[("forks", "fork in pushwright-forks", never, 443, False) for never in NEVER],
    # -- without policies
    ("open", "build in pushwright-builds", "metadata", 80, True),
]  # fmt: skip


@pytest.fixture(scope="module")
def policies() -> dict[str, list[helm.Json]]:
    return {
        values: [one for one in helm.render(values) if one["kind"] == "NetworkPolicy"]
        for values in {row[0] for row in TABLE}
    }


@pytest.mark.parametrize(("values", "source", "target", "port", "may"), TABLE)
def test_connection(
    values: str,
    source: str,
    target: str,
    port: int,
    may: bool,
    policies: dict[str, list[helm.Json]],
) -> None:
    protocols = ["UDP", "TCP"] if port == 53 else ["TCP"]
    found = {
        allowed(policies[values], PLACES[source], PLACES[target], Port(port, protocol))
        for protocol in protocols
    }
    assert found == {may}


def test_no_peers_for_names_open_no_port_to_everybody() -> None:
    rendered = helm.render("everything", {"networkPolicy.dns": []})
    found = [one for one in rendered if one["kind"] == "NetworkPolicy"]
    for source in ("build in builds", "fork's build", "web"):
        for target in ("metadata", "another's pod", "node"):
            assert not allowed(found, PLACES[source], PLACES[target], Port(53, "UDP")), source


@pytest.mark.parametrize(("address", "port"), [("db.example.com:6432", 6432), ("[fd00::7]", 5432)])
def test_web_reaches_the_port_of_its_database(address: str, port: int) -> None:
    url = f"postgresql://pushwright@{address}/pushwright?sslmode=require"
    changes = {"database.url": url, "networkPolicy.databaseTo": []}
    found = [one for one in helm.render("postgresql", changes) if one["kind"] == "NetworkPolicy"]
    reached = {
        number
        for number in (22, 443, 5432, 6432)
        if allowed(found, PLACES["web"], PLACES["database"], Port(number))
    }
    assert reached == {port}


def test_every_pod_of_a_namespace_of_builds_is_isolated_whatever_its_labels(
    policies: dict[str, list[helm.Json]],
) -> None:
    for values in ("sqlite", "everything", "forks"):
        isolated = {
            one["metadata"]["namespace"]
            for one in policies[values]
            if one["spec"]["podSelector"] == {}
            and one["spec"]["policyTypes"] == ["Ingress", "Egress"]
        }
        namespaces = {
            one["metadata"]["namespace"] for one in helm.render(values) if one["kind"] == "Role"
        }
        assert isolated == namespaces
