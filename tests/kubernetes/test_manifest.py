"""Build pods: golden files, and what holds for every pod whatever its texts are."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bot.builder.recipe import parse
from bot.core.ids import BuildId, ImageKey, SourceName, Trust
from bot.core.podsettings import PodMistake, Untrusted, refusal
from bot.executors.kubernetes import names
from bot.executors.kubernetes.dockerd import literal
from bot.executors.kubernetes.inputs import Credentials
from bot.executors.kubernetes.manifest import build_pod, build_secret, owner_patch
from tests.kubernetes.scene import (
    AUTHS,
    CANARY,
    GOLDEN,
    RECIPE,
    UNTRUSTED,
    attempt,
    everything,
    golden_text,
    goldens,
    identity,
    settings,
)

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"

no_deadline = hypothesis_settings(deadline=None)  # a busy machine is no mistake
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)


@pytest.mark.parametrize("name", sorted(goldens()))
def test_the_object_is_its_golden_file(name: str) -> None:
    assert golden_text(goldens()[name]) == (GOLDEN / name).read_text()


def test_every_golden_file_is_checked() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == sorted(goldens())


def expand(text: str, env: dict[str, str]) -> str:
    """What the kubelet makes of a text: $$ is $, $(NAME) is the variable where there is one."""

    def one(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return env.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^()]*)\)", one, text)


@no_deadline
@given(st.text("$()AB", max_size=30))
def test_the_kubelet_expands_nothing_of_a_literal(text: str) -> None:
    assert expand(literal(text), {"A": "a", "B": "b", "": "x"}) == text


@no_deadline
@given(path=TEXT, image=TEXT, source=TEXT, instance=TEXT, build=TEXT, url=TEXT)
def test_texts_of_others_reach_nothing_but_labels_and_annotations(
    path: str, image: str, source: str, instance: str, build: str, url: str
) -> None:
    recipe = RECIPE | {"source": {"url": url, "sha": "$(x)"}, "cache": {"to": url}}
    who = identity(
        path=path,
        image=ImageKey(image),
        source=SourceName(source),
        instance=instance,
        build=BuildId(build),
    )
    pod: Any = build_pod(attempt(recipe=recipe), settings(), who)
    plain: Any = build_pod(attempt(), settings(), identity())
    assert pod["spec"] == plain["spec"]
    assert names.read_identity(pod) == who
    for value in pod["metadata"]["labels"].values():
        assert re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", value)
    for part in ("labels", "annotations"):
        assert pod["metadata"][part].keys() == plain["metadata"][part].keys()
    assert {key for key in pod["metadata"] if pod["metadata"][key] != plain["metadata"][key]} <= {
        "labels",
        "annotations",
    }


@no_deadline
@given(TEXT, TEXT)
def test_different_texts_have_different_labels(one: str, other: str) -> None:
    assert (names.label_value(one) == names.label_value(other)) is (one == other)


@no_deadline
@given(TEXT)
def test_the_name_of_a_pod_is_one_that_kubernetes_takes(text: str) -> None:
    name = names.object_name(text)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])", name)
    assert name == names.object_name(text)


def texts(document: object) -> Iterator[str]:
    match document:
        case dict():
            for key, value in document.items():
                yield from (str(key), *texts(value))
        case list():
            for value in document:
                yield from texts(value)
        case str():
            yield document


def test_no_secret_value_is_in_a_pod_and_all_are_in_its_secret() -> None:
    for name, document in goldens().items():
        found = [text for text in texts(document) if CANARY in text]
        assert not found, (name, found)
    secret: Any = goldens()["everything-secret.json"]
    plain = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert plain["password"] == CANARY + "-clone"
    assert CANARY + "-push" in plain["config.json"]
    assert plain["build-secret-1"] == CANARY + "-own"
    assert CANARY not in plain["recipe.json"]
    recipe = parse(plain["recipe.json"].encode())
    hidden = {path.name for path in recipe.redact_files}
    assert hidden == {"password", "redact-0", "build-secret-1", "outside-secret-0"}
    assert (recipe.source.proxy, recipe.build.memory) == (None, None)  # git.example.com: NO_PROXY


def test_the_security_of_both_containers() -> None:
    pod: Any = build_pod(attempt(), everything(), identity())
    (builder,), (dockerd,) = pod["spec"]["containers"], pod["spec"]["initContainers"]
    inside = builder["securityContext"]
    assert inside["capabilities"] == {"drop": ["ALL"]}
    assert inside["runAsNonRoot"]
    assert inside["readOnlyRootFilesystem"]
    assert not inside["privileged"]
    assert not inside["allowPrivilegeEscalation"]
    assert "fsGroup" not in pod["spec"]["securityContext"]
    assert "DOCKER_DRIVER" not in {one["name"] for one in dockerd["env"]}
    assert not {m["name"] for m in dockerd["volumeMounts"]} & {"input", "work"}
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["input"]["projected"]["defaultMode"] & 0o007 == 0
    kept = {item["key"] for item in volumes["registries"]["secret"]["items"]}
    assert kept == {"hosts-docker.io", "hosts-ghcr.io"}  # dockerd sees no credential


def test_untrusted_builds_meet_no_credential_and_no_trusted_node() -> None:
    recipe = RECIPE | {"push": None}
    who = identity(trust=Trust.UNTRUSTED)
    spec = attempt(trusted=False, recipe=recipe)
    around = settings(untrusted=UNTRUSTED, node_selector={"pool": "builds"})
    pod: Any = build_pod(spec, around, who)
    secret: Any = build_secret(spec, around, who, Credentials())
    assert pod["spec"]["nodeSelector"] == {"pool": "strangers"}
    assert pod["metadata"]["namespace"] == secret["metadata"]["namespace"] == "builds-untrusted"
    assert secret["data"].keys() == {"config.json", "recipe.json"}
    for wrong in (
        attempt(trusted=False),  # it pushes
        attempt(trusted=False, recipe=recipe, secrets=(("a", "a"),)),
        attempt(trusted=False, recipe=recipe | {"cache": {"to": "registry.example.com/x:y"}}),
        attempt(trusted=True, recipe=recipe),  # says another thing than its identity
    ):
        with pytest.raises(PodMistake):
            build_pod(wrong, around, who)
    with pytest.raises(PodMistake, match="namespace of their own"):
        build_pod(spec, settings(), who)
    assert refusal(around, trusted=False) is None
    assert "node-selector" in str(refusal(settings(untrusted=type(UNTRUSTED)("x")), trusted=False))


def takes(pod: Any, labels: dict[str, str]) -> bool:
    """Whether the scheduler would let the pod onto a node with these labels."""
    spec = pod["spec"]
    if not spec.get("nodeSelector", {}).items() <= labels.items():
        return False
    rule = spec.get("affinity", {}).get("nodeAffinity", {}).get(REQUIRED)
    return rule is None or any(
        all(
            (labels.get(one["key"]) in one["values"]) is (one["operator"] == "In")
            for one in term["matchExpressions"]
        )
        for term in rule["nodeSelectorTerms"]
    )


def test_trusted_builds_keep_off_the_nodes_of_strangers() -> None:
    """Who breaks out of a stranger's build is root there, beside whatever comes to that node."""
    strangers = {"pool": "strangers", "arch": "amd64"}
    zone = {"key": "zone", "operator": "In", "values": ["a", "b"]}
    chosen = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [zone]}]}}}
    around = settings(untrusted=Untrusted("x", strangers))
    for override in ({}, {"spec": {"affinity": chosen}}):
        pod = build_pod(attempt(), replace(around, override=override), identity())
        assert takes(pod, {"zone": "a"})
        assert takes(pod, {"zone": "b", "arch": "amd64"})
        assert takes(pod, {"zone": "c"}) is not bool(override)
        assert not takes(pod, {"zone": "a", **strangers})
    shared = replace(around, untrusted=Untrusted("x", strangers, shared_nodes=True))
    for apart in (shared, replace(around, node_selector={"pool": "builds"})):
        assert "affinity" not in build_pod(attempt(), apart, identity())["spec"]  # type: ignore[operator]


def test_strangers_get_no_nodes_that_trusted_builds_are_bound_to() -> None:
    both = settings(untrusted=UNTRUSTED, node_selector={"pool": "strangers", "disk": "fast"})
    assert "trusted builds" in str(refusal(both, trusted=False))
    signed = replace(both, untrusted=replace(UNTRUSTED, shared_nodes=True))
    assert refusal(signed, trusted=False) is None
    assert "affinity" not in build_pod(attempt(), both, identity())["spec"]  # type: ignore[operator]


def test_a_repository_gets_no_more_than_the_administrator_allows() -> None:
    build = {"memory": "900Gi", "cpu": "64"}
    pod: Any = build_pod(attempt(recipe=RECIPE | {"build": build}), settings(), identity())
    resources = pod["spec"]["initContainers"][0]["resources"]
    assert resources["requests"]["cpu"] == "8"
    assert resources["limits"]["memory"] == str(17 * 2**30)  # 16 of the build, 1 of dockerd


def test_an_object_of_somebody_else_is_not_adopted() -> None:
    ours = build_pod(attempt(), settings(), identity())
    other = build_pod(attempt(recipe_hash="cd" * 32), settings(), identity(recipe_hash="cd" * 32))
    assert names.foreign(json.loads(json.dumps(ours)), ours) is None
    assert names.foreign(other, ours) == "its recipe hash is another"
    assert names.foreign({}, ours) is not None
    assert names.attempt_name(ours) == attempt().name


def test_the_secret_goes_with_its_pod() -> None:
    patch: Any = owner_patch({"metadata": {"name": "p", "uid": "u"}})
    assert patch["metadata"]["ownerReferences"][0]["uid"] == "u"


def test_an_unknown_build_secret_is_a_mistake() -> None:
    with pytest.raises(PodMistake, match="npm-token"):
        build_secret(
            attempt(secrets=(("npm", "npm-token"),)), settings(), identity(), Credentials(AUTHS)
        )
