"""What doctor asks a cluster, with the API server in a test's hands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from bot.core.findings import Finding, Result
from bot.core.podsettings import Kubernetes
from bot.doctor.cluster import Cluster
from bot.doctor.samples import sample
from bot.executors.kubernetes.api import Api
from bot.ports import Forbidden
from tests.kubernetes.scene import settings

TAINT = {"key": "reserved", "effect": "NoSchedule"}
ROOM = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "200Gi"}


class TwoPages:
    """Nodes that are all reserved, and behind them the one for builds."""

    def get(self, path: str, query: Mapping[str, str], *, accept: str = "") -> Mapping[str, Any]:
        assert path == "/api/v1/nodes"
        if query.get("continue") == "more":
            return {"items": [{"status": {"allocatable": ROOM}}], "metadata": {}}
        reserved = {"spec": {"taints": [TAINT]}, "status": {"allocatable": ROOM}}
        return {"items": [reserved] * 500, "metadata": {"continue": "more"}}


def test_the_node_for_builds_may_be_on_the_second_page() -> None:
    kubernetes = Kubernetes(settings())
    cluster = Cluster(cast("Api", TwoPages()), kubernetes, 4)
    (found,) = cluster._nodes("builds", sample(kubernetes, trusted=True).pod)
    assert isinstance(found, Finding)
    assert found.result is Result.OK, found
    assert "1 of 501" in found.found


class Tight:
    """Whoever asks for what no Role of ours has is refused."""

    def get(self, path: str, query: object = None, *, accept: str = "") -> Mapping[str, Any]:
        raise Forbidden(f'cannot get path "{path}"')


def test_a_version_that_this_account_may_not_read_ends_nothing() -> None:
    cluster = Cluster(cast("Api", Tight()), Kubernetes(settings()), 4)
    first, *others = cluster._version()
    assert isinstance(first, Finding)
    assert first.result is Result.UNKNOWN
    assert "/version" in first.found
    assert len(others) > 3
