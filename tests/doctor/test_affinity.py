"""Node affinity as the scheduler reads it, and that the doctor's look at the nodes follows it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.findings import Result
from bot.core.podsettings import Kubernetes, PodSettings, Untrusted
from bot.doctor import clusterfindings
from bot.doctor.affinity import in_affinity
from bot.doctor.samples import sample

RULE = "requiredDuringSchedulingIgnoredDuringExecution"
NODE = {"metadata": {"name": "n1", "labels": {"pool": "builds", "disk": "500", "zone": "a"}}}
OURS = PodSettings("builds", "registry.example.com/pushwright:1", "docker:29-dind")


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


def affinity(*terms: Any) -> dict[str, Any]:
    return {"nodeAffinity": {RULE: {"nodeSelectorTerms": list(terms)}}}


def term(*expressions: Any) -> dict[str, Any]:
    return {"matchExpressions": list(expressions)}


def named(*names: str) -> dict[str, Any]:
    return {"matchFields": [expression("metadata.name", "In", *names)]}


@pytest.mark.parametrize(
    ("terms", "met"),
    [
        ([term(expression("pool", "In", "web", "builds"))], True),
        ([term(expression("pool", "In", "web"))], False),
        ([term(expression("pool", "NotIn", "web"))], True),
        ([term(expression("pool", "NotIn", "builds"))], False),
        ([term(expression("none", "NotIn", "x"))], True),
        ([term(expression("none", "In", "x"))], False),
        ([term(expression("pool", "Exists"))], True),
        ([term(expression("none", "Exists"))], False),
        ([term(expression("none", "DoesNotExist"))], True),
        ([term(expression("pool", "DoesNotExist"))], False),
        ([term(expression("disk", "Gt", "100"))], True),
        ([term(expression("disk", "Gt", "500"))], False),
        ([term(expression("disk", "Lt", "501"))], True),
        ([term(expression("pool", "Gt", "1"))], False),
        ([term(expression("pool", "Near", "builds"))], False),
        ([named("n1")], True),
        ([named("n2")], False),
        ([{**term(expression("pool", "Exists")), **named("n2")}], False),
        ([term(expression("pool", "Exists"), expression("zone", "In", "b"))], False),
        ([term(expression("zone", "In", "b")), term(expression("pool", "Exists"))], True),
        ([{}], False),
        ([], False),
    ],
)
def test_terms_as_the_scheduler_reads_them(terms: list[Any], met: bool) -> None:
    assert in_affinity(NODE, {"affinity": affinity(*terms)}) is met


def test_what_is_not_required_keeps_nobody_away() -> None:
    prefers: dict[str, Any] = {"preferredDuringSchedulingIgnoredDuringExecution": []}
    others: list[Any] = [None, {}, {"podAffinity": {}}, {"nodeAffinity": prefers}]
    for one in others:
        assert in_affinity(NODE, {"affinity": one})


def found(settings: PodSettings, *nodes: dict[str, str], trusted: bool = True) -> Any:
    """What the doctor says of nodes with these labels."""
    pod = sample(Kubernetes(settings), trusted=trusted).pod
    room = {"allocatable": {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1000Gi"}}
    items = [{"metadata": {"name": "n", "labels": labels}, "status": room} for labels in nodes]
    return clusterfindings.nodes("builds", {"items": items}, pod)


def test_an_override_s_affinity_counts() -> None:
    settings = PodSettings(
        OURS.namespace,
        OURS.builder_image,
        OURS.dockerd_image,
        override={"spec": {"affinity": affinity(term(expression("disk", "In", "ssd")))}},
    )
    assert found(settings, {"disk": "ssd"}).result is Result.OK
    nowhere = found(settings, {"disk": "hdd"}, {})
    assert nowhere.result is Result.FAIL
    assert "none of 2 nodes is free for builds (node affinity)" in nowhere.found


def test_nodes_of_untrusted_builds_are_none_for_the_others() -> None:
    settings = PodSettings(
        OURS.namespace,
        OURS.builder_image,
        OURS.dockerd_image,
        untrusted=Untrusted("strangers", {"pool": "strangers"}),
    )
    strangers, other = {"pool": "strangers"}, {"pool": "other"}
    assert found(settings, strangers).result is Result.FAIL
    assert "1 of 2" in found(settings, strangers, other).found
    assert found(settings, other, trusted=False).result is Result.FAIL
    assert "1 of 2" in found(settings, strangers, other, trusted=False).found


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(_JSON, _JSON)
def test_nothing_makes_it_raise(one: Any, other: Any) -> None:
    for terms in (one, [one], [{"matchExpressions": [one]}]):
        in_affinity({"metadata": other}, {"affinity": affinity(terms)})
        in_affinity({"metadata": other}, {"affinity": one})
