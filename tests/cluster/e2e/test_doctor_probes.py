"""`pushwright doctor --deep` on a real node: probe pods that really run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.clock import SystemClock
from bot.core.findings import Result
from bot.core.podsettings import Kubernetes
from bot.doctor import probes
from bot.doctor.probes import Hosts, Reach
from bot.doctor.samples import Trial
from bot.executors.kubernetes.api import Api
from bot.executors.kubernetes.connection import Connection
from tests.cluster.e2e.attempts import Attempts
from tests.cluster.images import DIND29
from tests.cluster.node import HOST
from tests.fakes.loopback import Reply, serve

pytestmark = pytest.mark.timeout(500)
no_daemon = pytest.mark.parametrize("dockerd", [DIND29], indirect=True)
"""Its pods have none."""


@pytest.fixture
def api(attempts: Attempts) -> Iterator[Api]:
    connection = Connection(str(attempts.ground.cluster.plane.kubeconfig), SystemClock())
    yield Api(connection, SystemClock())
    connection.close()


def test_three_builds_in_a_row_hit(attempts: Attempts, api: Api) -> None:
    """With both daemons; 20.10 because the last build without a cache is offered as well."""
    registry = attempts.ground.registry.host
    name = f"{registry}/doctor-{attempts.ground.number()}"
    trial = Trial(f"{name}:pushwright-doctor", (), (registry,), {"auths": {}})
    kubernetes = Kubernetes(attempts.settings())
    found = {one.check: one for one in probes.chained(api, kubernetes, trial)}
    assert found["chained builds"].result is Result.OK, found
    told = found["dockerd"].found
    assert told.startswith("dockerd 29." if attempts.dockerd.endswith("29") else "dockerd 20.10")
    assert attempts.ground.pods(attempts.namespace) == [] or all(
        pod["metadata"].get("deletionTimestamp") for pod in attempts.ground.pods(attempts.namespace)
    )


@no_daemon
def test_what_builds_reach_where_nothing_enforces_policies(attempts: Attempts, api: Api) -> None:
    """The node's network plugin knows no policies, and doctor says so."""
    host, _, port = attempts.ground.registry.host.rpartition(":")
    hosts = {
        "registry": Reach(host, int(port), False),
        "nowhere": Reach(host, 9, True),
        "plain": Reach(host, int(port), True),
    }
    texts = _told(api, Kubernetes(attempts.settings()), hosts)
    assert texts["a build reaches the API server"] is Result.WARN, texts
    assert texts["registry can be reached"] is Result.OK
    assert texts["builds don't reach nowhere (refused)"] is Result.FAIL
    assert texts["plain answers builds without TLS"] is Result.FAIL


@no_daemon
def test_a_private_ca_is_trusted_where_the_config_says_so(attempts: Attempts, api: Api) -> None:
    ground, settings = attempts.ground, attempts.settings()
    authority = ground.cluster.plane.authority
    pair = authority.issue("private", "private", hosts=[HOST])
    body = {"metadata": {"name": "ca"}, "data": {"ca.crt": authority.certificate.read_text()}}
    ground.api.create(f"/api/v1/namespaces/{attempts.namespace}/configmaps", body)
    with serve(lambda _: Reply(), (pair.certificate, pair.key), HOST) as server:
        hosts = {"private": Reach(HOST, int(server.host.rpartition(":")[2]), True)}
        before = _told(api, Kubernetes(settings), hosts)
        trusting = replace(settings, network=replace(settings.network, ca_config_map="ca"))
        after = _told(api, Kubernetes(trusting), hosts)
    assert any("builds don't trust the certificate of private" in text for text in before), before
    assert "private can be reached" in after, after


def _told(api: Api, kubernetes: Kubernetes, hosts: Hosts) -> dict[str, Result]:
    found = probes.network(api, kubernetes, hosts, trusted=True)
    return {one.found: one.result for one in found}
