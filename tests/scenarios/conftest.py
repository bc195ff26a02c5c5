"""Web processes for scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.web_process import (
    Receiver,
    start,
    stop,
)


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    running = start(tmp_path_factory.mktemp("receiver"))
    yield running
    stop(running)
    log = running.log.read_text()
    assert "Traceback" not in log, log


@pytest.fixture
def own_receiver(tmp_path: Path) -> Iterator[Receiver]:
    """One of the test's own, to stop and starve."""
    running = start(tmp_path)
    yield running
    if running.process.poll() is None:
        stop(running)
