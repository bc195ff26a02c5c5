from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.ids import HostKind
from tests.cluster.e2e.attempts import Attempts
from tests.cluster.e2e.ground import Ground
from tests.cluster.images import DIND20, DIND29
from tests.cluster.node import HOST
from tests.fakes.githost.host import FakeHost


@pytest.fixture(scope="package")
def ground() -> Iterator[Ground]:
    """One node with a registry for all scenarios; its logs stay where the last line says."""
    folder = Path(tempfile.mkdtemp(prefix="pw-cluster-", dir="/tmp"))
    made = Ground(folder)
    made.start()
    yield made
    made.stop()
    print(f"logs of the node: {folder}")


@pytest.fixture(params=[DIND29, DIND20], ids=["dockerd29", "dockerd20"])
def dockerd(request: pytest.FixtureRequest) -> str:
    """The image of build pods' daemon: a test that takes it runs with both."""
    return str(request.param)


@pytest.fixture
def attempts(ground: Ground, dockerd: str) -> Attempts:
    return Attempts(ground, ground.namespace("by-hand"), dockerd)


@pytest.fixture
def githost(tmp_path: Path) -> Iterator[FakeHost]:
    """GitHub's stand-in where pods reach it."""
    with FakeHost(HostKind.GITHUB, tmp_path, address=HOST) as host:
        yield host
