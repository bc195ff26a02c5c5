from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.doctor_bench import Worker
from tests.cluster.executor_bench import make_bench
from tests.cluster.programs import tools_folder

# These take root and programs that are minutes in the making: `make test-cluster` runs them.
if os.environ.get("PUSHWRIGHT_CLUSTER") != "1":
    collect_ignore_glob = ["test_*.py", "e2e/test_*.py"]
elif not (tools_folder() / "kube-apiserver").exists():
    raise pytest.UsageError("PUSHWRIGHT_CLUSTER=1 needs the cluster's programs: make cluster-tools")


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An apiserver and etcd with an audit log; a test takes a namespace of its own."""
    folder: Path = tmp_path_factory.mktemp("plane")
    with ControlPlane(folder, audit=True, keep=True) as running:
        yield running


@pytest.fixture
def worker(plane: ControlPlane, tmp_path: Path) -> Iterator[Worker]:
    """Its account has no Role yet."""
    bench = make_bench(plane)
    account = f"worker-{uuid.uuid4().hex[:8]}"
    kubeconfig = plane.write_kubeconfig(
        tmp_path / "kubeconfig", plane.token_for("default", account)
    )
    yield Worker(bench, account, kubeconfig)
    bench.close()
