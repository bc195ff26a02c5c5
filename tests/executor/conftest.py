from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executor.bench import Bench

# The same daemons, registry and Git server as the builder's own tests have.
from tests.docker.conftest import (  # isort: skip
    base,
    git_server,
    registry,
    site,
    surroundings,
)

__all__ = ["base", "bench", "git_server", "registry", "site", "surroundings"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Whatever a test leaves running is ended."""
    made = Bench(tmp_path)
    yield made
    made.close()
