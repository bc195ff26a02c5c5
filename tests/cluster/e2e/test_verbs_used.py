"""Runs last of this folder: what was done at the API server, by its audit log."""

from __future__ import annotations

from datetime import datetime
from itertools import accumulate

import pytest

from bot.executors.kubernetes.permissions import PERMISSIONS
from tests.cluster.e2e.bot import ACCOUNT
from tests.cluster.e2e.ground import Ground

Used = set[tuple[str, str]]
MOST_PODS = 12
"""What this machine is to bear at once."""


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


def test_never_were_there_more_pods_than_the_machine_bears(ground: Ground) -> None:
    """Of all that came to the node, the bot's own ones too; each counts until it is deleted."""
    came: dict[tuple[str, str], str] = {}
    went: dict[tuple[str, str], str] = {}
    for event in ground.cluster.plane.audit_events():
        about, stamp = event.get("objectRef", {}), event["stageTimestamp"]
        if about.get("resource") != "pods" or event["responseStatus"]["code"] >= 300:
            continue
        pod = (about.get("namespace", ""), about.get("name", ""))
        if (event["verb"], about.get("subresource")) == ("create", "binding"):
            came.setdefault(pod, stamp)
        elif (event["verb"], about.get("subresource")) == ("delete", None):
            went[pod] = stamp  # the last one is the kubelet's, when nothing of it runs any more
    assert came, "the scheduler's bindings are not in the log"
    changes = [(at, 1) for at in came.values()]
    changes += [(went[pod], -1) for pod in came if pod in went]
    assert max(accumulate(step for _, step in sorted(changes))) <= MOST_PODS
