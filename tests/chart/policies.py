"""What a set of NetworkPolicies allows, by the words of the API: no policy that selects a pod for a
direction, everything is allowed in it; else what any rule of any of them allows, and nothing else.
https://kubernetes.io/docs/concepts/services-networking/network-policies/

Two points where the API leaves room are decided for the worse: an `ipBlock` matches pods by their
address too, and a Service is reached at the address of a pod behind it as well as at its own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = Mapping[str, Any]
Direction = Literal["Ingress", "Egress"]


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of a connection. `namespace` is None outside of the cluster's pods (nodes, the world,
    addresses of Services), and such an end has no labels."""

    address: str
    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    named_ports: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Port:
    number: int
    protocol: str = "TCP"


def allowed(policies: Iterable[Json], source: Peer, target: Peer, port: Port) -> bool:
    """Whether both ends agree: the source's egress and the target's ingress."""
    listed = list(policies)
    return _one_end(listed, "Egress", source, target, port, target) and _one_end(
        listed, "Ingress", target, source, port, target
    )


def _one_end(
    policies: list[Json], direction: Direction, own: Peer, other: Peer, port: Port, target: Peer
) -> bool:
    chosen = [one for one in policies if _selects(one, own) and direction in _types(one["spec"])]
    if not chosen:
        return True
    key = direction.lower()
    return any(
        _rule_matches(rule, one, direction, other, port, target)
        for one in chosen
        for rule in one["spec"].get(key) or ()
    )


def _selects(policy: Json, pod: Peer) -> bool:
    return policy["metadata"]["namespace"] == pod.namespace and matches(
        policy["spec"]["podSelector"], pod.labels
    )


def _types(spec: Json) -> list[str]:
    """Without policyTypes: Ingress always, Egress where there are egress rules."""
    return spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def _rule_matches(
    rule: Json, policy: Json, direction: Direction, other: Peer, port: Port, target: Peer
) -> bool:
    peers = rule.get("from" if direction == "Ingress" else "to")
    namespace = policy["metadata"]["namespace"]
    return (not peers or any(_is_peer(one, other, namespace) for one in peers)) and (
        not rule.get("ports") or any(_is_port(one, port, target) for one in rule["ports"])
    )


def _is_peer(peer: Json, other: Peer, namespace: str) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return _in(other.address, block["cidr"]) and not any(
            _in(other.address, one) for one in block.get("except") or ()
        )
    if other.namespace is None:
        return False
    if "namespaceSelector" in peer:
        if not matches(peer["namespaceSelector"], other.namespace_labels):
            return False
    elif other.namespace != namespace:
        return False
    return matches(peer.get("podSelector", {}), other.labels)


def _in(address: str, network: str) -> bool:
    parsed, block = ipaddress.ip_address(address), ipaddress.ip_network(network)
    return parsed.version == block.version and parsed in block


def _is_port(wanted: Json, port: Port, target: Peer) -> bool:
    if wanted.get("protocol", "TCP") != port.protocol:
        return False
    number = wanted.get("port")
    if number is None:
        return True
    if isinstance(number, str):
        return target.named_ports.get(number) == port.number
    return bool(number <= port.number <= wanted.get("endPort", number))


def matches(selector: Json, labels: Mapping[str, str]) -> bool:
    """An empty selector matches everything."""
    return all(
        labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()
    ) and all(_expression(one, labels) for one in selector.get("matchExpressions") or ())


def _expression(one: Json, labels: Mapping[str, str]) -> bool:
    key, values = one["key"], one.get("values") or ()
    match one["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise ValueError(f"no such operator: {other}")
