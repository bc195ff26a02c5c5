"""A repository at the Git host, and what becomes of pushes to it: statuses, tags, bytes."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.cluster.api import Json
from tests.cluster.e2e.bot import SECRET, Bot
from tests.fakes.githost.model import Repository, Status

FINAL = frozenset({"success", "failure", "error", "failed", "canceled"})
Files = Mapping[str, bytes | str | None]
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)


@dataclass(frozen=True, slots=True)
class Project:
    """A private repository that the bot serves. Its image is `<registry>/<path>`."""

    bot: Bot
    repository: Repository

    @property
    def path(self) -> str:
        return self.repository.path

    @property
    def context(self) -> str:
        """Of the status of its only image, whose key is the repository's name."""
        return f"pushwright/{self.repository.name}"

    def push(self, files: Files, message: str = "Change", branch: str = "main") -> str:
        """A commit on top of the branch, with its webhook; its id."""
        return self.bot.host.commit(self.repository, branch, files, message)

    def set_refs(self, refs: Mapping[str, str | None]) -> None:
        """Move or delete refs, `refs/heads/main` and so on, as one push."""
        self.bot.host.set_refs(self.repository, refs)

    # -- statuses ------------------------------------------------------------------------------

    def statuses(self, sha: str) -> dict[str, Status]:
        return self.bot.host.statuses(self.repository, sha)

    def wait(
        self, sha: str, state: str = "", context: str = "pushwright", timeout: float = 120.0
    ) -> Status:
        """The final status of that context; with `state` it must be that one, which need not be
        final. AssertionError with all that is known where it does not come."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found = self.statuses(sha).get(context)
            if found is not None and found.state == state:
                return found
            if found is not None and found.state in FINAL:
                if not state:
                    return found
                break
            time.sleep(0.1)
        said = {name: (s.state, s.description) for name, s in self.statuses(sha).items()}
        raise AssertionError(f"no {state or 'end'} of {context}: {said}\n{self.bot.told()}")

    def wait_text(self, sha: str, part: str, timeout: float = 60.0) -> Status:
        """Until a status of that commit says `part`."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for status in self.statuses(sha).values():
                if part in (status.description or ""):
                    return status
            time.sleep(0.1)
        said = {name: (s.state, s.description) for name, s in self.statuses(sha).items()}
        raise AssertionError(f"no status says {part!r}: {said}\n{self.bot.told()}")

    def wait_page(self, sha: str, part: str, timeout: float = 120.0) -> None:
        """Until the page of that commit's build says `part`: it is quicker than statuses are."""
        self.wait(sha, "pending", self.context)
        deadline = time.monotonic() + timeout
        while part not in (text := str(self.build(sha)["text"])):
            assert time.monotonic() < deadline, f"the page says {text!r}: {self.bot.told()}"
            time.sleep(0.2)

    def build(self, sha: str, image: str = "") -> Json:
        """The document of the build of that image, else of its only one, by the link in its
        status."""
        context = f"pushwright/{image}" if image else self.context
        url = self.statuses(sha)[context].target_url
        assert url is not None
        return self.bot.get(url)

    def green(self, files: Files, **more: Any) -> Json:
        """Push, wait for success; the build's document."""
        sha = self.push(files, **more)
        self.wait(sha, "success")
        self.wait(sha, "success", self.context)
        return self.build(sha)

    # -- the registry --------------------------------------------------------------------------

    @property
    def image(self) -> str:
        return f"{self.bot.ground.registry.host}/{self.path}"

    def digest(self, tag: str) -> str:
        """What the registry holds under a tag; "" for nothing."""
        request = self._asked(f"manifests/{tag}", "HEAD")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return str(answer.headers["Docker-Content-Digest"])
        except urllib.error.HTTPError as error:
            error.close()
            return ""

    def tags(self) -> dict[str, str]:
        """The tags that people asked for, with their digests."""
        try:
            with urllib.request.urlopen(self._asked("tags/list"), timeout=10) as answer:
                names = json.load(answer)["tags"] or []
        except urllib.error.HTTPError as error:
            error.close()
            return {}
        return {name: self.digest(name) for name in names if not name.startswith("git-")}

    def config(self, tag: str) -> Json:
        """The image's configuration: its history and environment."""
        with urllib.request.urlopen(self._asked(f"manifests/{tag}"), timeout=10) as answer:
            digest = json.load(answer)["config"]["digest"]
        with urllib.request.urlopen(self._asked(f"blobs/{digest}"), timeout=10) as answer:
            found: Json = json.load(answer)
        return found

    def _asked(self, path: str, method: str = "GET") -> urllib.request.Request:
        url = f"{self.bot.ground.registry.url}/v2/{self.path}/{path}"
        return urllib.request.Request(url, method=method, headers={"Accept": _MANIFESTS})


def new_project(bot: Bot, *, private: bool = True, role: str = "maintain") -> Project:
    """A repository with its webhook, in which the bot has `role`."""
    repository = bot.host.create_repository(f"acme/app{bot.ground.number()}", private=private)
    bot.host.set_role(repository, "pushwright", role)
    bot.host.add_hook(repository, f"{bot.url}/webhooks/forge", SECRET)
    return Project(bot, repository)
