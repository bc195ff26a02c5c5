"""What tests of several folders share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import needs
from tests.gitea.process import GiteaProcess


@pytest.fixture(scope="session")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GiteaProcess]:
    """One for all tests of a process; each empties it, or takes repositories of its own."""
    with GiteaProcess(tmp_path_factory.mktemp("gitea") / "data", needs.gitea()) as running:
        yield running
