"""What an API server's answers mean: tables of answers, the hostile ones included."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.core.findings import About, Finding, Result
from bot.doctor import clusterfindings as findings
from bot.doctor.clusterfindings import Hidden
from bot.doctor.probes import images, missed, network_findings
from bot.doctor.quantities import amount, pod_asks, shown

OK, WARN, FAIL, UNKNOWN = Result.OK, Result.WARN, Result.FAIL, Result.UNKNOWN
NOT_THERE, FORBIDDEN = Hidden("no", missing=True), Hidden("no", forbidden=True)


def container(name: str, cpu: str, memory: str) -> dict[str, Any]:
    resources = {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}
    return {"name": name, "resources": resources}


POD: dict[str, Any] = {
    "spec": {
        "containers": [container("docker", "100m", "256Mi")],
        "initContainers": [container("dind", "1", "5Gi")],
        "nodeSelector": {"pool": "builds"},
        "tolerations": [{"key": "builds", "operator": "Exists"}],
    }
}


@pytest.mark.parametrize(
    ("told", "result", "says"),
    [
        ({"gitVersion": "v1.33.1"}, OK, "v1.33.1"),
        ({"gitVersion": "v1.29.0-eks-a1"}, OK, "v1.29.0-eks-a1"),
        ({"gitVersion": "v1.28.15"}, FAIL, "no native sidecars"),
        ({"gitVersion": "v1.9.1"}, FAIL, "no native sidecars"),
        ({"gitVersion": "v2.0.0"}, OK, "v2.0.0"),
        ({"gitVersion": 7}, UNKNOWN, "nothing"),
        ({}, UNKNOWN, "nothing"),
    ],
)
def test_versions(told: dict[str, Any], result: Result, says: str) -> None:
    found = findings.version(told)
    assert (found.result, says in found.found) == (result, True)


def labelled(level: str | None, phase: str = "Active") -> dict[str, Any]:
    labels = {} if level is None else {"pod-security.kubernetes.io/enforce": level}
    return {"metadata": {"labels": labels}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("found", "result", "says"),
    [
        (labelled("privileged"), OK, "privileged"),
        (labelled(None), OK, "no label"),
        (labelled("baseline"), FAIL, "baseline"),
        (labelled("restricted"), FAIL, "restricted"),
        (labelled("privileged", "Terminating"), FAIL, "being removed"),
        (NOT_THERE, FAIL, "does not exist"),
        (FORBIDDEN, UNKNOWN, "may not read"),
        ({"metadata": 7, "status": []}, OK, "no label"),
    ],
)
def test_namespaces(found: Any, result: Result, says: str) -> None:
    seen = findings.namespace("builds", found)
    assert (seen.result, says in seen.found) == (result, True)


def test_missing_permissions_are_named_by_verb_and_resource() -> None:
    found = findings.permissions("builds", [("pods", "watch"), ("pods", "delete"), ("x", "y")], [])
    assert found.found == "this account may not: watch, delete pods; y x"
    assert "builds" in found.remedy
    assert findings.permissions("builds", [], ["get pods"]).result is UNKNOWN
    assert findings.permissions("builds", [], []).result is OK


def taken(**dockerd: Any) -> dict[str, Any]:
    usual = {"name": "dind", "restartPolicy": "Always", "securityContext": {"privileged": True}}
    return {"spec": {"initContainers": [{"name": "istio"}, usual | dockerd]}}


@pytest.mark.parametrize(
    ("found", "result"),
    [
        (taken(), OK),
        (taken(restartPolicy=None), FAIL),
        (taken(securityContext={}), FAIL),
        ({"spec": {}}, FAIL),
        (Hidden("the build namespace forbids privileged pods"), FAIL),
    ],
)
def test_dry_runs(found: Any, result: Result) -> None:
    assert findings.dry_run("builds", found).result is result


def quota(used: dict[str, str], **hard: str) -> dict[str, Any]:
    return {"status": {"hard": {k.replace("_", "."): v for k, v in hard.items()}, "used": used}}


@pytest.mark.parametrize(
    ("quotas", "result", "says"),
    [
        ([], OK, "none that counts"),
        ([quota({}, services="3")], OK, "none that counts"),
        ([quota({}, pods="10")], OK, "room for 10 more builds at once (pods)"),
        ([quota({"pods": "8"}, pods="10")], WARN, "room for 2 more"),
        ([quota({}, requests_memory="11Gi")], WARN, "room for 2 more builds at once (requests.mem"),
        ([quota({}, pods="9", limits_memory="6Gi")], WARN, "room for 1 more"),
        ([quota({"pods": "3"}, pods="1")], WARN, "room for 0 more"),
        ([quota({}, pods="many")], OK, "none that counts"),
    ],
)
def test_quotas(quotas: list[Any], result: Result, says: str) -> None:
    found = findings.quotas("builds", {"items": quotas}, POD, 4)
    assert (found.result, says in found.found) == (result, True), found
    assert findings.quotas("builds", FORBIDDEN, POD, 4).result is UNKNOWN


def node(memory: str, *taints: dict[str, str], pool: str = "builds", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"pool": pool}},
        "spec": {"taints": list(taints), **spec},
        "status": {"allocatable": {"cpu": "4", "memory": memory}},
    }


@pytest.mark.parametrize(
    ("nodes", "result", "says"),
    [
        ([node("8Gi")], OK, "1 of 1"),
        ([node("8Gi", {"key": "builds", "effect": "NoSchedule"})], OK, "1 of 1"),
        ([node("8Gi", {"key": "other", "effect": "PreferNoSchedule"})], OK, "1 of 1"),
        ([node("8Gi", {"key": "other", "effect": "NoSchedule"})], FAIL, "none of 1 nodes is free"),
        ([node("8Gi", pool="web")], FAIL, "pool=builds"),
        ([node("8Gi", unschedulable=True)], FAIL, "none of 1 nodes"),
        ([node("2Gi"), node("4Gi")], FAIL, "(most: 4Gi memory)"),
        ([], FAIL, "none of 0 nodes"),
    ],
)
def test_nodes(nodes: list[Any], result: Result, says: str) -> None:
    found = findings.nodes("builds", {"items": nodes}, POD)
    assert (found.result, says in found.found) == (result, True), found
    assert findings.nodes("builds", FORBIDDEN, POD).result is UNKNOWN


def test_tolerations_as_the_scheduler_reads_them() -> None:
    taint = {"key": "a", "value": "1", "effect": "NoExecute"}
    for toleration, fits in (
        ({"operator": "Exists"}, True),
        ({"key": "a", "operator": "Exists"}, True),
        ({"key": "a", "value": "1"}, True),
        ({"key": "a", "value": "1", "effect": "NoExecute"}, True),
        ({"key": "a", "value": "1", "effect": "NoSchedule"}, False),
        ({"key": "a", "value": "2"}, False),
        ({"key": "b", "operator": "Exists"}, False),
    ):
        pod = {"spec": {"tolerations": [toleration]}}
        found = findings.nodes("builds", {"items": [node("8Gi", taint)]}, pod)
        assert (found.result is OK) is fits, toleration


def test_policies_and_objects() -> None:
    named = {"items": [{"metadata": {"name": "builds"}}]}
    assert findings.policies("builds", named).result is OK
    assert findings.policies("builds", {"items": []}).result is WARN
    assert findings.policies("builds", FORBIDDEN).result is UNKNOWN
    for seen, result in ((True, OK), (False, FAIL), (NOT_THERE, FAIL), (FORBIDDEN, UNKNOWN)):
        assert findings.thing("builds", "Secret npm", seen, "why").result is result
    assert findings.more_than_needed(allowed=False) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500m", Decimal("0.5")),
        ("2", Decimal(2)),
        (2, Decimal(2)),
        ("1.5Gi", Decimal("1.5") * 1024**3),
        ("1e3", Decimal(1000)),
        ("3M", Decimal(3_000_000)),
        ("1E", Decimal(10) ** 18),
        ("4k", Decimal(4000)),
        ("", None),
        ("-1", None),
        ("1e999", None),
        (True, None),
        (None, None),
    ],
)
def test_quantities(text: object, number: Decimal | None) -> None:
    assert amount(text) == number


def test_what_a_pod_asks_for() -> None:
    asks = pod_asks(POD, "requests")
    assert asks == {"cpu": Decimal("1.1"), "memory": Decimal(5 * 1024**3 + 256 * 1024**2)}
    assert shown("cpu", asks["cpu"]) == "1.1 cpu"
    assert shown("memory", asks["memory"]) == "5.2Gi memory"


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(["items", "status", "spec", "metadata"]), json))
def test_no_answer_makes_them_raise(answer: dict[str, Any]) -> None:
    about = About("cluster", "x")
    found: list[Finding] = [
        findings.version(answer),
        findings.namespace("b", answer),
        findings.dry_run("b", answer),
        findings.quotas("b", answer, POD, 4),
        findings.nodes("b", answer, answer),
        findings.policies("b", answer),
        *network_findings(about, answer, ["a"]),
        *images(answer, answer),
    ]
    assert all(one.found for one in found)
    missed(about, 2, answer)


# -- probes --------------------------------------------------------------------------------------


def test_what_a_probe_pod_told() -> None:
    about = About("cluster", "network of builds")
    told = {
        "metadata service": "open",
        "API server": "closed",
        "git.test": "no such name",
        "ghcr.io": "open",
        "reg.test": "closed",
        "own.test": "not trusted: self-signed certificate",
        "plain.test": "no TLS",
    }
    hosts = ["git.test", "ghcr.io", "reg.test", "lost", "own.test", "plain.test"]
    found = list(network_findings(about, told, hosts))
    assert [one.result for one in found] == [WARN, OK, FAIL, OK, *[FAIL] * 4]
    assert "DNS" in found[2].remedy
    assert found[5].found == "builds don't reach lost (untold)"
    assert found[6].found.endswith("the certificate of own.test: self-signed certificate")
    assert "ca-config-map" in found[6].remedy
    assert "insecure" in found[7].remedy


def test_what_chained_builds_told() -> None:
    about = About("cluster", "chained builds")
    assert missed(about, 2, {"cache": {"hits": 2, "steps": 2}}) is None
    bad = missed(about, 3, {"cache": {"hits": 0, "steps": 2}, "daemon": "27.0.3"})
    assert bad is not None
    assert bad.found == "build 3 of 3 hit 0 of 2 steps, with dockerd 27.0.3"
    untold = missed(about, 2, {"cache": {"hits": None, "steps": 2}})
    assert untold is not None
    assert untold.result is UNKNOWN
    status = {"name": "dind", "imageID": "docker.io/library/docker@sha256:ab"}
    [found] = images(
        {"daemon": "29.1.0", "client": "buildx 0.30"},
        {"status": {"initContainerStatuses": [status]}},
    )
    assert found.found.endswith("to pin it: docker.io/library/docker@sha256:ab")
