"""Runs last of this folder: what the workers did at the API server, by its audit log."""

from __future__ import annotations

from datetime import datetime

import pytest

from bot.executors.kubernetes.permissions import PERMISSIONS
from tests.cluster.e2e.bot import ACCOUNT
from tests.cluster.e2e.ground import Ground

Used = set[tuple[str, str]]


def _used(ground: Ground) -> tuple[Used, Used]:
    """(resource, verb) of all requests of workers: those that were let through, and refused."""
    allowed: Used = set()
    refused: Used = set()
    for event in ground.cluster.plane.audit_events():
        user = event["user"].get("username", "")
        if not (user.startswith("system:serviceaccount:") and user.endswith(f":{ACCOUNT}")):
            continue
        about = event.get("objectRef", {})
        resource = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
        # A full quota and Pod Security answer 403 too, which is admission and not the Role.
        denied = event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
        if not (denied and _not_ready(ground, event["requestReceivedTimestamp"])):
            (refused if denied else allowed).add((resource, event["verb"]))
    return allowed, refused


def _not_ready(ground: Ground, stamp: str) -> bool:
    """Whether the API server was starting then."""
    at = datetime.fromisoformat(stamp).timestamp()
    return any(began <= at <= ended for began, ended in ground.cluster.plane.restarts)


def test_the_role_is_what_workers_use(ground: Ground, request: pytest.FixtureRequest) -> None:
    allowed, refused = _used(ground)
    assert refused == set()
    granted = {(one.resource, verb) for one in PERMISSIONS for verb in one.verbs}
    assert allowed - {("", "get")} <= granted
    ran = {item.path.name for item in request.session.items}
    if {"test_failures.py", "test_pushes.py", "test_restarts.py"} <= ran:
        assert granted <= allowed, "granted, and used by no scenario"
