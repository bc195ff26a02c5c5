from __future__ import annotations

import os

# The same daemon and registry as the builder's own tests have.
from tests.docker.conftest import (
    base,
    git_server,
    registry,
    site,
    surroundings,
)

__all__ = ["base", "git_server", "registry", "site", "surroundings"]

# Its program is minutes in the making: `make test-gitea` builds it and runs these.
if os.environ.get("PUSHWRIGHT_GITEA") != "1":
    collect_ignore_glob = ["test_*.py"]
