"""What probe pods and chained builds are given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.core.centralconfig import CentralConfig, RegistryRule, RepositoryRule, Source
from bot.core.ids import HostKind, SourceName
from bot.doctor.probes import Reach
from bot.doctor.surroundings import deep_wishes, hosts
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


def test_certificates_are_looked_at_where_builds_need_them() -> None:
    """Not of plain HTTP, nor of a Git host whose own CA goes with each build."""
    ours, own = SourceName("ours"), SourceName("own")
    address, port = "https://git.test", "https://own.test:8443"
    sources = {
        ours: Source(ours, HostKind.GITHUB, address, address),
        own: Source(own, HostKind.GITLAB, port, port, ca_file="/ca.pem"),
    }
    registries = {
        "reg.test": RegistryRule("reg.test"),
        "plain.test:5000": RegistryRule("plain.test:5000", insecure=True),
    }
    config = CentralConfig("https://bot.example", sources, (), registries=registries)
    assert hosts(config) == {
        "git.test:443": Reach("git.test", 443, True),
        "own.test:8443": Reach("own.test", 8443, False),
        "reg.test:443": Reach("reg.test", 443, True),
        "plain.test:5000": Reach("plain.test", 5000, False),
    }
