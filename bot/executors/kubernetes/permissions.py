"""What the worker may do in a namespace of builds, and why: the chart's Role and the docs are held
against this table, and so is the API server's audit log of a whole run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Permission:
    """Verbs on one resource of the core API group, in every namespace that builds run in. There is
    no permission outside of those namespaces."""

    resource: str
    verbs: tuple[str, ...]
    why: str


PERMISSIONS = (
    Permission(
        "pods",
        ("create", "delete", "get", "list", "watch"),
        "one pod is one attempt: started, followed, looked at before it is called ended, removed",
    ),
    Permission("pods/log", ("get",), "the build's log"),
    Permission("events", ("list",), "why a pod waits for a volume or its node's network"),
    Permission(
        "secrets",
        ("create", "delete", "list", "patch"),
        "the attempt's own Secret: made before its pod, given to the pod, swept up by label",
    ),
)
"""Kubernetes knows no list by label in a Role: `list` shows every Secret of the namespace."""
