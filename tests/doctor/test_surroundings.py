"""What probe pods and chained builds are given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.core.centralconfig import CentralConfig, RegistryRule, RepositoryRule
from bot.doctor.surroundings import deep_wishes
from bot.registry.credentials import Credential
from tests.fakes.clock import HandClock

PAIR = Credential("robot", "canary")


@pytest.mark.parametrize(
    ("host", "key", "pattern", "given"),
    [
        ("docker.io", "docker.io", "acme/*", "https://index.docker.io/v1/"),
        ("ghcr.io", "ghcr.io/acme", "ghcr.io/acme/*", "ghcr.io"),
    ],
)
def test_the_trial_has_the_credential_of_its_image(
    tmp_path: Path, host: str, key: str, pattern: str, given: str
) -> None:
    file = tmp_path / "pods.json"
    file.write_text(json.dumps({"auths": {key: {"auth": PAIR.basic}}}))
    config = CentralConfig(
        "https://bot.example",
        {},
        (RepositoryRule("**", (pattern,)),),
        registries={host: RegistryRule(host, pod_auth_file=str(file))},
    )
    trial = deep_wishes(config, HandClock()).trial
    assert trial is not None
    assert trial.auths == {"auths": {given: {"auth": PAIR.basic}}}
