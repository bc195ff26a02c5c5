"""The evaluator itself, on cases that were worked out by hand from the API's documentation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chart.policies import Json, Peer, Port, allowed, matches

A = Peer("10.0.0.1", "a", {"app": "one"}, {"kubernetes.io/metadata.name": "a"})
A2 = Peer("10.0.0.2", "a", {"app": "two"}, {"kubernetes.io/metadata.name": "a"}, {"web": 8080})
B = Peer("10.0.1.1", "b", {"app": "one"}, {"kubernetes.io/metadata.name": "b", "team": "x"})
WORLD = Peer("203.0.113.9")
WORLD6 = Peer("2001:db8::9")
HTTP = Port(80)


def policy(namespace: str = "a", selector: Json | None = None, **spec: Any) -> Json:
    return {"metadata": {"namespace": namespace}, "spec": {"podSelector": selector or {}, **spec}}


def to(*peers: Json, ports: list[Json] | None = None, namespace: str = "a") -> Json:
    return policy(
        namespace, policyTypes=["Egress"], egress=[{"to": list(peers), "ports": ports or []}]
    )


def of(*peers: Json, ports: list[Json] | None = None) -> Json:
    return policy(policyTypes=["Ingress"], ingress=[{"from": list(peers), "ports": ports or []}])


ONE, TWO = {"matchLabels": {"app": "one"}}, {"matchLabels": {"app": "two"}}
TEAM_X, TEAM_Y = {"matchLabels": {"team": "x"}}, {"matchLabels": {"team": "y"}}
EVERYWHERE: Json = {"namespaceSelector": {}}
NINES = {"ipBlock": {"cidr": "10.9.9.9/32"}}
BLOCK = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}

CASES: list[tuple[str, list[Json], Peer, Peer, Port, bool]] = [
    ("no policy", [], A, B, HTTP, True),
    ("default deny of egress", [policy(policyTypes=["Egress"])], A, WORLD, HTTP, False),
    ("... says nothing of ingress", [policy(policyTypes=["Egress"])], B, A, HTTP, True),
    ("... of another namespace", [policy("b", policyTypes=["Egress"])], A, WORLD, HTTP, True),
    ("default deny of ingress", [policy(policyTypes=["Ingress"])], WORLD, A, HTTP, False),
    ("without types it is ingress", [policy()], B, A, HTTP, False),
    ("... and not egress", [policy()], A, B, HTTP, True),
    ("without types, with egress rules", [policy(egress=[{}])], A, B, HTTP, True),
    ("... ingress is denied with it", [policy(egress=[{}])], B, A, HTTP, False),
    ("an empty rule allows all", [policy(egress=[{}])], A, WORLD6, HTTP, True),
    ("a policy of other pods", [policy(selector=ONE, policyTypes=["Ingress"])], B, A2, HTTP, True),
    ("pods of the same namespace", [to({"podSelector": ONE})], A2, A, HTTP, True),
    ("... are not those of others", [to({"podSelector": ONE})], A, B, HTTP, False),
    ("a whole namespace", [to({"namespaceSelector": TEAM_X})], A, B, HTTP, True),
    ("... and no other", [to({"namespaceSelector": TEAM_Y})], A, B, HTTP, False),
    ("every namespace", [to(EVERYWHERE)], A, B, HTTP, True),
    ("... is not the world", [to(EVERYWHERE)], A, WORLD, HTTP, False),
    (
        "namespace and pod are one condition",
        [to({"namespaceSelector": TEAM_X, "podSelector": TWO})],
        A, B, HTTP, False,
    ),
    (
        "two peers are two conditions",
        [to({"namespaceSelector": TEAM_X}, {"podSelector": TWO})],
        A, B, HTTP, True,
    ),
    ("a block", [to(BLOCK)], A, WORLD, HTTP, True),
    ("... without its exceptions", [to(BLOCK)], A, Peer("10.9.9.9"), HTTP, False),
    ("... is of its own family", [to(BLOCK)], A, WORLD6, HTTP, False),
    ("... and may match pods", [to({"ipBlock": {"cidr": "10.0.1.0/24"}})], A, B, HTTP, True),
    ("an exception is no refusal", [to(BLOCK), to(NINES)], A, Peer("10.9.9.9"), HTTP, True),
    ("a port", [to(ports=[{"port": 80}])], A, WORLD, HTTP, True),
    ("... and no other", [to(ports=[{"port": 80}])], A, WORLD, Port(81), False),
    ("... of TCP", [to(ports=[{"port": 80}])], A, WORLD, Port(80, "UDP"), False),
    ("a protocol", [to(ports=[{"protocol": "UDP"}])], A, WORLD, Port(5, "UDP"), True),
    ("a range of ports", [to(ports=[{"port": 80, "endPort": 90}])], A, WORLD, Port(90), True),
    ("... ends", [to(ports=[{"port": 80, "endPort": 90}])], A, WORLD, Port(91), False),
    ("a port by name is the target's", [of(ports=[{"port": "web"}])], A, A2, Port(8080), True),
    ("... and not the source's", [of(ports=[{"port": "web"}])], A2, A, Port(8080), False),
    ("peers and ports go together", [to(EVERYWHERE, ports=[{"port": 80}])], A, WORLD, HTTP, False),
    ("both ends must agree", [to(EVERYWHERE), policy("b")], A, B, HTTP, False),
    ("outside there are no policies", [policy(policyTypes=["Egress"])], WORLD, B, HTTP, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("policies", "source", "target", "port", "expected"),
    [pytest.param(*case[1:], id=case[0]) for case in CASES],
)
def test_case(policies: list[Json], source: Peer, target: Peer, port: Port, expected: bool) -> None:
    assert allowed(policies, source, target, port) is expected


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("In", ["one", "x"], True),
        ("In", ["x"], False),
        ("NotIn", ["x"], True),
        ("NotIn", ["one"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
    ],
)
def test_expressions(operator: str, values: list[str], expected: bool) -> None:
    expression = {"key": "app", "operator": operator, "values": values}
    assert matches({"matchExpressions": [expression]}, A.labels) is expected
    without = operator in ("NotIn", "DoesNotExist")
    assert matches({"matchExpressions": [expression | {"key": "no"}]}, A.labels) is without


RULES = st.lists(
    st.sampled_from([case[1] for case in CASES if case[1]]).map(lambda found: found[0])
)
ENDS = st.sampled_from([A, A2, B, WORLD, WORLD6])
PORTS = st.builds(Port, st.integers(79, 92), st.sampled_from(["TCP", "UDP"]))


@given(RULES, RULES, ENDS, ENDS, PORTS)
def test_policies_add_up_and_their_order_does_not_count(
    some: list[Json], others: list[Json], source: Peer, target: Peer, port: Port
) -> None:
    both = allowed([*some, *others], source, target, port)
    assert both is allowed([*others, *some, *some], source, target, port)
    denied = [policy(name, policyTypes=["Ingress", "Egress"]) for name in ("a", "b")]
    if allowed([*denied, *some], source, target, port):
        # Where everybody is isolated already, one more policy only ever adds.
        assert allowed([*denied, *some, *others], source, target, port)
