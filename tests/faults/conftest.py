from __future__ import annotations

# The same daemons, registry and base image as the builder's own tests have.
from tests.docker.conftest import (
    base,
    git_server,
    registry,
    site,
    surroundings,
)

__all__ = ["base", "git_server", "registry", "site", "surroundings"]
