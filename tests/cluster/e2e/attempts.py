"""Attempts made by hand: a recipe becomes a pod on the node, without the bot around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.core.builds import BuilderResult, Ended
from bot.core.ids import BuildId, ImageKey, RepositoryId, Sha, SourceName
from bot.core.podsettings import Network, PodSettings, Resources
from bot.executors.kubernetes.inputs import Credentials
from bot.executors.kubernetes.manifest import BUILDER, build_pod, build_secret, owner_patch
from bot.executors.kubernetes.names import identity_of
from bot.executors.kubernetes.observe import observe
from bot.ports import AttemptSpec, CloneCredential, Origin
from tests.cluster.api import Json
from tests.cluster.e2e.ground import Ground
from tests.cluster.images import BOT

SMALL = Resources(cpu="0.1", memory="512Mi", disk="2Gi", source_disk="256Mi")


@dataclass(frozen=True, slots=True)
class Finished:
    """An attempt whose builder has ended."""

    pod: Json
    output: str

    @property
    def ended(self) -> Ended:
        seen = observe(self.pod, 2e9)
        assert isinstance(seen, Ended), (seen, self.pod["status"])
        return seen

    @property
    def result(self) -> BuilderResult:
        result = self.ended.result
        assert result is not None, (self.ended, self.output[-3000:])
        return result

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.splitlines()]

    @property
    def log(self) -> str:
        return "\n".join(one["x"] for one in self.records if one["k"] == "log")


@dataclass(frozen=True, slots=True)
class Attempts:
    """Makes and follows attempts in one namespace with one kind of dockerd."""

    ground: Ground
    namespace: str
    dockerd: str

    def settings(self, **more: Any) -> PodSettings:
        made = PodSettings(
            namespace=self.namespace,
            builder_image=BOT,
            dockerd_image=self.dockerd,
            default=SMALL,
            dockerd_memory="512Mi",
            builder_memory="512Mi",
            network=Network(insecure=(self.ground.registry.host,)),
        )
        return replace(made, **more)

    def spec(
        self, url: str, sha: str, token: str | None = None, **changes: Mapping[str, Any]
    ) -> AttemptSpec:
        """`changes` are merged into the recipe's parts."""
        registry = self.ground.registry.host
        number = self.ground.number()
        recipe: dict[str, Any] = {
            "version": 1,
            "source": {"url": url, "sha": sha, "ref": "refs/heads/main"},
            "build": {"context": ".", "dockerfile": "Dockerfile"},
            "push": {"reference": f"{registry}/by-hand:git-{number}", "insecure": True},
            "cache": {"mode": "inline", "from": [], "to": None, "insecure_hosts": [registry]},
            "limits": {"timeout_seconds": 120, "silence_seconds": 100, "dockerd_seconds": 60},
            "allowed": [f"{registry}/**"],
        }
        for key, change in changes.items():
            recipe[key] = {**recipe[key], **change}
        credential = CloneCredential("x-access-token", token) if token else None
        return AttemptSpec(
            name=f"{number:032x}-1",
            recipe=recipe,
            recipe_hash=f"{number:064x}",
            trusted=True,
            origin=Origin(
                build=BuildId(f"{number:032x}"),
                attempt=1,
                source=SourceName("github"),
                repository=RepositoryId(1),
                path="acme/shop",
                image=ImageKey("shop"),
                sha=Sha(sha),
            ),
            registries=(registry,),
            credential=credential,
        )

    def start(self, spec: AttemptSpec, settings: PodSettings | None = None) -> Json:
        """Secret, pod, owner: as an executor does it. The pod."""
        api, chosen, whose = self.ground.api, settings or self.settings(), identity_of(spec, "e2e")
        here = f"/api/v1/namespaces/{self.namespace}"
        secret = api.create(f"{here}/secrets", build_secret(spec, chosen, whose, Credentials()))
        pod = api.create(f"{here}/pods", build_pod(spec, chosen, whose))
        api.patch(f"{here}/secrets/{secret['metadata']['name']}", owner_patch(pod))
        return pod

    def finish(self, pod: Json, timeout: float = 150.0) -> Finished:
        """Wait for the end of the builder; the pod is deleted once it is read."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}"
        pod = self.ground.api.wait_for(path, lambda one: terminated(one) is not None, timeout)
        output = self.ground.log(self.namespace, pod["metadata"]["name"])
        self.ground.api.delete(path)
        return Finished(pod, output)

    def run(self, spec: AttemptSpec, settings: PodSettings | None = None) -> Finished:
        return self.finish(self.start(spec, settings))


def terminated(pod: Json, container: str = BUILDER) -> Json | None:
    """How a container ended; None while it has not."""
    status = pod["status"]
    for one in status.get("containerStatuses", []) + status.get("initContainerStatuses", []):
        if one["name"] == container:
            found: Json | None = one["state"].get("terminated")
            return found
    return None
