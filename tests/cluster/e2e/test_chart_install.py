"""The bot itself on the node, installed by the chart: builds, waits, an upgrade in the middle of a
build, and at the end what it asked of the apiserver."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.core.ids import HostKind
from bot.executors.kubernetes.permissions import PERMISSIONS
from tests.cluster.e2e.ground import Ground
from tests.cluster.e2e.installation import WEBHOOK, Installation
from tests.cluster.node import HOST
from tests.fakes.githost.host import FakeHost
from tests.fakes.githost.model import Repository, Status

pytestmark = pytest.mark.timeout(600)
SHOP = "acme/shop"


@pytest.fixture
def installation(ground: Ground, tmp_path: Path) -> Iterator[Installation]:
    number = ground.number()
    with FakeHost(HostKind.GITHUB, tmp_path, address=HOST) as githost:
        yield Installation(ground, githost, f"bot-{number}", f"bot-builds-{number}")


def test_installed_used_and_upgraded(installation: Installation) -> None:
    githost = installation.githost
    repository = githost.create_repository(SHOP, private=True)
    token = githost.create_token("pushwright", repository, "write")
    said = installation.install(token)
    assert "http://builds.test/webhooks/forge" in said
    githost.add_hook(repository, f"{installation.url}/webhooks/forge", WEBHOOK)
    with urllib.request.urlopen(f"{installation.url}/readyz", timeout=10) as ready:
        assert ready.status == 200

    _a_push_becomes_an_image(installation, repository)
    _a_quota_is_waited_for(installation, repository)
    _a_secret_is_waited_for(installation, repository)
    _a_changed_config_restarts_nothing(installation)
    _an_upgrade_in_the_middle_of_a_build(installation, repository)
    assert installation.restarts() == 0, installation.told()
    _asked_for_what_it_may_and_all_of_it(installation)


def _a_push_becomes_an_image(installation: Installation, repository: Repository) -> None:
    sha = _push(installation, repository, "RUN echo one > /one")
    done = _ended(installation, repository, sha)
    assert done.state == "success", (done, installation.told())
    assert _tagged(installation, "main")


def _a_quota_is_waited_for(installation: Installation, repository: Repository) -> None:
    api, path = installation.ground.api, f"/api/v1/namespaces/{installation.builds}/resourcequotas"
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    api.create(path, quota)
    sha = _push(installation, repository, "RUN echo two > /two")
    _until(lambda: "quota" in _told(installation, repository, sha), installation)
    api.delete(f"{path}/none")
    assert _ended(installation, repository, sha).state == "success", installation.told()


def _a_secret_is_waited_for(installation: Installation, repository: Repository) -> None:
    """The Secret is the administrator's and late: its pod says so after a while."""
    config = "version: 1\nimages:\n  shop:\n    secrets: [{id: npm, from: npm}]\n"
    run = 'RUN --mount=type=secret,id=npm test "$(cat /run/secrets/npm)" = late'
    sha = _push(installation, repository, run, {".pushwright.yaml": config})
    _until(lambda: "npm" in _told(installation, repository, sha), installation)
    api = installation.ground.api
    secret = {"metadata": {"name": "npm"}, "stringData": {"token": "late"}}
    api.create(f"/api/v1/namespaces/{installation.builds}/secrets", secret)
    assert _ended(installation, repository, sha).state == "success", installation.told()


def _a_changed_config_restarts_nothing(installation: Installation) -> None:
    before = installation.pod["metadata"]["uid"]
    installation.upgrade({"config.limits": {"builds": 3}})
    assert installation.pod["metadata"]["uid"] == before
    assert (
        "limits"
        in installation.ground.api.get(
            f"/api/v1/namespaces/{installation.namespace}/configmaps/pushwright"
        )["data"]["pushwright.yaml"]
    )


def _an_upgrade_in_the_middle_of_a_build(
    installation: Installation, repository: Repository
) -> None:
    before = installation.pod["metadata"]["uid"]
    sha = _push(installation, repository, "RUN sleep 20 && echo three > /three")
    _until(lambda: _running(installation, sha), installation)
    (pod,) = _running(installation, sha)
    installation.upgrade({"web.threads": 8})
    assert installation.pod["metadata"]["uid"] != before
    assert _ended(installation, repository, sha).state == "success", installation.told()
    made = [
        event["objectRef"]["name"]
        for event in installation.requests()
        if event["verb"] == "create"
        and event["objectRef"]["resource"] == "pods"
        and event["responseStatus"]["code"] == 201
    ]
    assert made.count(pod) == 1
    assert made[-1] == pod


def _asked_for_what_it_may_and_all_of_it(installation: Installation) -> None:
    used = set()
    for event in installation.requests():
        assert event.get("annotations", {}).get("authorization.k8s.io/decision") == "allow", event
        about = event["objectRef"]
        resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
        if about["namespace"] == installation.builds:
            used.add((resource, event["verb"]))
    assert used == {(one.resource, verb) for one in PERMISSIONS for verb in one.verbs}


# -- what is asked over and over -------------------------------------------------------------------


def _push(
    installation: Installation,
    repository: Repository,
    run: str,
    files: dict[str, str] | None = None,
) -> str:
    dockerfile = f"FROM {installation.ground.base}\n{run}\n"
    return installation.githost.commit(
        repository, "main", {"Dockerfile": dockerfile, **(files or {})}
    )


def _statuses(installation: Installation, repository: Repository, sha: str) -> dict[str, Status]:
    return installation.githost.statuses(repository, sha)


def _told(installation: Installation, repository: Repository, sha: str) -> str:
    found = _statuses(installation, repository, sha).values()
    return " | ".join(one.description or "" for one in found)


def _ended(installation: Installation, repository: Repository, sha: str) -> Status:
    """The aggregate's last status."""

    def done() -> bool:
        found = _statuses(installation, repository, sha).get("pushwright")
        return found is not None and found.state != "pending"

    _until(done, installation)
    return _statuses(installation, repository, sha)["pushwright"]


def _until(
    condition: Callable[[], object], installation: Installation, seconds: float = 180
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, installation.told()
        time.sleep(0.2)


def _running(installation: Installation, sha: str) -> list[str]:
    """Of that commit: the pod of the build before may still be on its way out."""
    return [
        pod["metadata"]["name"]
        for pod in installation.ground.pods(installation.builds)
        if pod["status"]["phase"] == "Running"
        and pod["metadata"]["annotations"]["pushwright.dev/commit"] == sha
    ]


def _tagged(installation: Installation, tag: str) -> bool:
    url = f"{installation.ground.registry.url}/v2/{SHOP}/manifests/{tag}"
    accept = "application/vnd.oci.image.manifest.v1+json"
    asked = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return bool(answer.status == 200)
