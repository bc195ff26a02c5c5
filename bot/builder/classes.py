"""How a build ended, as one word: the contract between the builder and whoever reads its result."""

from __future__ import annotations

from enum import StrEnum


class BuildClass(StrEnum):
    """Design section 2 says whose fault each class is and whether a new attempt may help."""

    SUCCEEDED = "succeeded"
    # theirs: the same commit will fail the same way
    CONFIG = "config"
    CONTEXT = "context"
    DOCKERFILE = "dockerfile"
    STEP = "step"
    UNKNOWN_TARGET = "unknown-target"
    BASE_NOT_FOUND = "base-not-found"
    BASE_FORBIDDEN = "base-forbidden"
    PUSH_DENIED = "push-denied"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    OUT_OF_DISK = "out-of-disk"
    # ours or the platform's: a new attempt may help
    FETCH_NETWORK = "fetch-network"
    REGISTRY_UNAVAILABLE = "registry-unavailable"
    DOCKERD_DOWN = "dockerd-down"
    INTERNAL = "internal"
    COMMIT_GONE = "commit-gone"
    # nobody's
    CANCELLED = "cancelled"


THEIRS = frozenset(
    {
        BuildClass.CONFIG,
        BuildClass.CONTEXT,
        BuildClass.DOCKERFILE,
        BuildClass.STEP,
        BuildClass.UNKNOWN_TARGET,
        BuildClass.BASE_NOT_FOUND,
        BuildClass.BASE_FORBIDDEN,
        BuildClass.PUSH_DENIED,
        BuildClass.TIMEOUT,
        BuildClass.OUT_OF_MEMORY,
        BuildClass.OUT_OF_DISK,
    }
)
OURS = frozenset(
    {
        BuildClass.FETCH_NETWORK,
        BuildClass.REGISTRY_UNAVAILABLE,
        BuildClass.DOCKERD_DOWN,
        BuildClass.INTERNAL,
        BuildClass.COMMIT_GONE,
    }
)
