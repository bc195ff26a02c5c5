"""`pushwright doctor --deep` on a real node: probe pods that really run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.clock import SystemClock
from bot.core.findings import Result
from bot.core.podsettings import Kubernetes
from bot.doctor import probes
from bot.doctor.samples import Trial
from bot.executors.kubernetes.api import Api
from bot.executors.kubernetes.connection import Connection
from tests.cluster.e2e.attempts import Attempts

pytestmark = pytest.mark.timeout(500)


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


def test_what_builds_reach_where_nothing_enforces_policies(attempts: Attempts, api: Api) -> None:
    """The node's network plugin knows no policies, and doctor says so."""
    host, _, port = attempts.ground.registry.host.rpartition(":")
    hosts = {"registry": (host, int(port)), "nowhere": (host, 9)}
    kubernetes = Kubernetes(attempts.settings())
    found = list(probes.network(api, kubernetes, hosts, trusted=True))
    texts = {one.found: one.result for one in found}
    assert texts["a build reaches the API server"] is Result.WARN, texts
    assert texts["registry can be reached"] is Result.OK
    assert texts["builds don't reach nowhere (refused)"] is Result.FAIL
