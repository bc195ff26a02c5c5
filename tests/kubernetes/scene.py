"""Attempts, settings and pod statuses for the tests of build pods.

`python -m tests.kubernetes.scene` writes the golden files anew: read their difference before you
keep it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.core.ids import BuildId, ImageKey, RepositoryId, Sha, SourceName, Trust
from bot.core.podsettings import Network, PodSettings, SecretKey, Untrusted
from bot.executors.kubernetes.inputs import Credentials
from bot.executors.kubernetes.manifest import build_pod, build_secret
from bot.executors.kubernetes.names import Identity, identity_of
from bot.ports import AttemptSpec, CloneCredential, Origin

GOLDEN = Path(__file__).parent.parent / "golden" / "pods"
SHA = "1234567890abcdef1234567890abcdef12345678"
BUILD = "0123456789abcdef0123456789abcdef"
CANARY = "canary-9f8e7d6c5b4a"
RECIPE: dict[str, Any] = {
    "version": 1,
    "source": {"url": "https://git.example.com/acme/shop.git", "sha": SHA},
    "build": {"context": ".", "dockerfile": "Dockerfile", "memory": "2Gi", "cpu": "2"},
    "push": {"reference": "registry.example.com/acme/shop:git-1234-1", "insecure": False},
    "cache": {"mode": "inline", "from": [], "to": None, "insecure_hosts": []},
    "limits": {"timeout_seconds": 1800},
    "allowed": ["registry.example.com/acme/**"],
}
AUTHS = {"auths": {"registry.example.com": {"username": "bot", "password": CANARY + "-push"}}}


ORIGIN = Origin(
    build=BuildId(BUILD),
    attempt=1,
    source=SourceName("github"),
    repository=RepositoryId(42),
    path="acme/shop",
    image=ImageKey("api"),
    sha=Sha(SHA),
)


def attempt(**more: Any) -> AttemptSpec:
    defaults: dict[str, Any] = {
        "name": f"{BUILD}-1",
        "recipe": RECIPE,
        "recipe_hash": "ab" * 32,
        "trusted": True,
        "origin": ORIGIN,
        "registries": ("registry.example.com",),
        "credential": CloneCredential("x-access-token", CANARY + "-clone"),
    }
    return AttemptSpec(**defaults | more)


def identity(**more: Any) -> Identity:
    return replace(identity_of(attempt(), "main"), **more)


def settings(**more: Any) -> PodSettings:
    defaults: dict[str, Any] = {
        "namespace": "builds",
        "builder_image": "registry.example.com/pushwright:1",
        "dockerd_image": "docker:29-dind",
    }
    return PodSettings(**defaults | more)


CLAIM = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "50Gi"}}}}
UNTRUSTED = Untrusted("builds-untrusted", {"pool": "strangers"}, ({"key": "strangers"},))


def everything() -> PodSettings:
    return settings(
        untrusted=UNTRUSTED,
        node_selector={"pool": "builds"},
        tolerations=({"key": "builds", "operator": "Exists"},),
        runtime_class="kata",
        priority_class="builds",
        image_pull_secrets=("pull",),
        network=Network(
            mirrors={"docker.io": ("https://mirror.example.com",), "ghcr.io": ("https://m2.test",)},
            insecure=("registry.internal:5000",),
            ca_config_map="trusted",
            proxies={"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": ".example.com,10.0.0.1"},
        ),
        secrets={"npm-token": SecretKey("npm", "token")},
        dockerd_env={"EXTRA": "$(HOME) $$ $x"},
        override={
            "metadata": {"labels": {"team": "platform"}},
            "spec": {
                "dnsPolicy": "None",
                "dnsConfig": {"nameservers": ["10.0.0.10"]},
                "tolerations": [{"key": "more"}],
                "volumes": [{"name": "docker", "ephemeral": {"volumeClaimTemplate": CLAIM}}],
                "initContainers": [{"name": "dind", "resources": {"limits": {"cpu": "4"}}}],
            },
        },
    )


def goldens() -> dict[str, dict[str, object]]:
    """File name to object."""
    rich = attempt(secrets=(("npm", "npm-token"), ("own", "own-token")))
    values = Credentials(AUTHS, {"own": CANARY + "-own"})
    stranger = attempt(trusted=False, recipe=RECIPE | {"push": None}, credential=None)
    unknown = identity(trust=Trust.UNTRUSTED)
    return {
        "plain.json": build_pod(attempt(), settings(), identity()),
        "plain-secret.json": build_secret(attempt(), settings(), identity(), Credentials(AUTHS)),
        "everything.json": build_pod(rich, everything(), identity()),
        "everything-secret.json": build_secret(rich, everything(), identity(), values),
        "untrusted.json": build_pod(stranger, settings(untrusted=UNTRUSTED), unknown),
    }


def golden_text(document: dict[str, object]) -> str:
    return json.dumps(document, indent=1) + "\n"


if __name__ == "__main__":
    for name, document in goldens().items():
        (GOLDEN / name).write_text(golden_text(document))
