from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests import needs
from tests.gitea.process import GiteaProcess

# Its program is minutes in the making: `make test-gitea` builds it and runs these.
if os.environ.get("PUSHWRIGHT_GITEA") != "1":
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GiteaProcess]:
    """One for all tests, which take repositories of their own."""
    with GiteaProcess(tmp_path_factory.mktemp("gitea") / "data", needs.gitea()) as running:
        yield running
