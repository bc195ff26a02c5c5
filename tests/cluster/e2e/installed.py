"""A repository that an installed bot serves, and what becomes of pushes to it."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.cluster.api import Json
from tests.cluster.e2e.bot import pods_of
from tests.cluster.e2e.installation import WEBHOOK, Installation
from tests.fakes.githost.model import Repository, Status


@dataclass(frozen=True, slots=True)
class Served:
    installation: Installation
    repository: Repository

    def push(self, run: str, files: Mapping[str, str] | None = None) -> str:
        """A commit whose Dockerfile runs that, with its webhook; its id."""
        dockerfile = f"FROM {self.installation.ground.base}\nRUN {run}\n"
        all_files = {"Dockerfile": dockerfile, **(files or {})}
        return self.installation.githost.commit(self.repository, "main", all_files)

    def ended(self, sha: str) -> Status:
        """The aggregate's last status."""

        def done() -> bool:
            found = self._statuses(sha).get("pushwright")
            return found is not None and found.state != "pending"

        until(done, self.installation)
        return self._statuses(sha)["pushwright"]

    def green(self, sha: str) -> None:
        done = self.ended(sha)
        assert done.state == "success", (done, self.installation.told())

    def build(self, sha: str) -> str:
        """The id of the build of that commit, by the link in its status."""
        image = f"pushwright/{self.repository.path.rpartition('/')[2]}"
        return str(self._statuses(sha)[image].target_url).rpartition("/")[2]

    def pods(self, sha: str) -> list[Json]:
        """Build pods of that commit."""
        return pods_of(self.installation.ground.pods(self.installation.builds), sha)

    def has_tag(self, tag: str) -> bool:
        """Whether the registry has the image under it."""
        url = f"{self.installation.ground.registry.url}/v2/{self.repository.path}/manifests/{tag}"
        accept = "application/vnd.oci.image.manifest.v1+json"
        asked = urllib.request.Request(url, headers={"Accept": accept})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return bool(answer.status == 200)

    def _statuses(self, sha: str) -> dict[str, Status]:
        return self.installation.githost.statuses(self.repository, sha)


def serve(installation: Installation, path: str) -> Served:
    """A private repository with its webhook. The bot has to be installed."""
    repository = installation.githost.create_repository(path, private=True)
    installation.githost.set_role(repository, "pushwright", "write")
    installation.githost.add_hook(repository, f"{installation.url}/webhooks/forge", WEBHOOK)
    return Served(installation, repository)


def until(
    condition: Callable[[], object], installation: Installation, seconds: float = 180.0
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, installation.told()
        time.sleep(0.2)


def check_way_to_api_server(installation: Installation) -> None:
    """By the address of its Service, with the token of its pod: what a kubeconfig is not needed
    for."""
    ground = installation.ground
    service = ground.api.get("/api/v1/namespaces/default/services/kubernetes")["spec"]
    address = f"{service['clusterIP']}:{service['ports'][0]['port']}"
    assert "kubeconfig" not in installation.config()["kubernetes"]
    workers = installation.workers

    def all_hold_one() -> bool:
        return all(address in ground.connections(pod) for pod in workers)

    until(all_hold_one, installation)
    assert any(event["verb"] == "watch" for event in installation.requests())


def check_pods_were_made_once(installation: Installation, count: int) -> None:
    """No build was started twice, whoever looked after it."""
    made = [
        event["objectRef"]["name"]
        for event in installation.requests()
        if event["verb"] == "create"
        and event["objectRef"]["resource"] == "pods"
        and event["responseStatus"]["code"] == 201
    ]
    assert len(made) == len(set(made)) == count, made
