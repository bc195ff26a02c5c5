"""The registries of the central config: who is contacted, and with what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from bot.core.centralconfig import CentralConfig, RegistryRule
from bot.registry.configured import ConfiguredRegistries
from bot.registry.credentials import Credential
from tests.registry.conftest import Time

BOT, POD = Credential("bot", "canary-bot"), Credential("pod", "canary-pod")


def written(path: Path, credential: Credential) -> str:
    both = {"auth": credential.basic}
    path.write_text(json.dumps({"auths": {"a.io": both, "other.io": both}}))
    return str(path)


def test_the_config_in_force_decides(tmp_path: Path, clock: Time) -> None:
    rule = RegistryRule(
        "a.io",
        bot_auth_file=written(tmp_path / "bot.json", BOT),
        pod_auth_file=written(tmp_path / "pod.json", POD),
    )
    config = CentralConfig("https://bot.example", {}, (), registries={"a.io": rule})
    configs = [config]
    registries = ConfiguredRegistries(lambda: configs[-1], clock)
    endpoint = registries.endpoint("a.io")
    assert endpoint is not None
    assert not endpoint.insecure
    assert endpoint.credentials is not None
    assert endpoint.credentials.find("a.io") == BOT
    assert registries.endpoint("other.io") is None
    # Builders get the pods' credential, and of the registries of the config only.
    assert registries.plain_auths(["a.io", "other.io"]) == {"auths": {"a.io": {"auth": POD.basic}}}
    configs.append(replace(config, registries={"a.io": RegistryRule("a.io", insecure=True)}))
    assert registries.plain_auths(["a.io"]) == {"auths": {}}
    changed = registries.endpoint("a.io")
    assert changed is not None
    assert changed.insecure
    assert changed.credentials is None


def test_docker_hub_under_any_name(clock: Time) -> None:
    rule = RegistryRule("index.docker.io")
    config = CentralConfig("https://bot.example", {}, (), registries={"index.docker.io": rule})
    endpoint = ConfiguredRegistries(lambda: config, clock).endpoint("docker.io")
    assert endpoint is not None
    assert endpoint.base == "https://registry-1.docker.io"
