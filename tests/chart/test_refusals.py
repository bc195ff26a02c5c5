"""What the chart refuses, and whether the text says what to do."""

from __future__ import annotations

import pytest

from tests.chart import helm

UNTRUSTED = "config.kubernetes.untrusted.namespace"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image.repository": ""}, ["make image IMAGE=registry", "docker push registry"]),
        ({"web.replicas": 2}, ["more than one replica needs PostgreSQL", "database.url"]),
        ({"worker.replicas": 3}, ["more than one replica needs PostgreSQL"]),
        (
            {"database.url": "postgresql://a@b/c", "database.urlSecret.name": "x"},
            ["exclude one another"],
        ),
        (
            {"ingress.enabled": True, "config.public-url": "https://example.com/builds/"},
            ['"https://example.com/builds/"', "a host of its own"],
        ),
        ({"config.kubernetes.namespace": "pushwright"}, ["can't share the namespace pushwright"]),
        ({UNTRUSTED: "pushwright-builds"}, ["must be another than"]),
        ({"config.executor": "docker"}, ["no docker daemon in the chart's pods"]),
        ({UNTRUSTED: "pushwright"}, ["can't share the namespace pushwright"]),
        ({UNTRUSTED: "forks"}, ["networkPolicy.untrustedAllow is empty", "could not even fetch"]),
        (
            {"config.sources.github.app.private-key-file": "secrets/key.pem"},
            ["config.sources.github.app.private-key-file", "secrets/<Secret>/<key>"],
        ),
        (
            {"config.secrets": {"npm": {"file": "../npm", "repositories": ["acme/*"]}}},
            ["config.secrets.npm.file", '"../npm"'],
        ),
        (
            {"config.sources.github.webhook-secret-files": "secrets/github-app/private-key.pem"},
            ["the web process would hold a credential"],
        ),
    ],
)  # fmt: skip
def test_what_can_not_work_is_refused_with_what_to_do(changes: helm.Json, said: list[str]) -> None:
    text = helm.refusal("sqlite", changes)
    for part in said:
        assert part in text


def test_every_mistake_is_told_at_once() -> None:
    text = helm.refusal(None, {"web.replicas": 2, "ingress.enabled": True})
    for part in ("make image", "config is missing", "docs/central-config.md", "needs PostgreSQL"):
        assert part in text


@pytest.mark.parametrize(
    ("changes", "place", "what"),
    [
        ({"web.replica": 2}, "/web", "replica"),
        ({"databse.url": "x"}, "", "databse"),
        ({"worker.serviceAccount.annotation": {}}, "/worker/serviceAccount", "annotation"),
        ({"networkPolicy.allow": [{"cidrs": "10.0.0.0/8"}]}, "/networkPolicy/allow/0", "cidrs"),
        (
            {"networkPolicy.allow": [{"cidr": "10.0.0.1"}]},
            "/networkPolicy/allow/0/cidr",
            "10.0.0.1",
        ),
        ({"networkPolicy.clusterRanges": []}, "/networkPolicy/clusterRanges", "minItems"),
        ({"logLevel": "verbose"}, "/logLevel", "'debug', 'info'"),
        ({"web.replicas": "2"}, "/web/replicas", "got string, want integer"),
        ({"database.url": "postgresql://bot:secret@db/x"}, "/database/url", "match pattern"),
        ({"config.sources.github.tokens-file": "x"}, "/config/sources/github", "tokens-file"),
        ({"config.limits.build": 4}, "/config/limits", "'build'"),
        ({"config.kubernetes.nodeSelector": {}}, "/config/kubernetes", "nodeSelector"),
    ],
)
def test_typos_are_refused_with_their_place(changes: helm.Json, place: str, what: str) -> None:
    text = helm.refusal("sqlite", changes)
    assert f"at '{place}'" in text
    assert what in text
