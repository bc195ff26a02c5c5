"""Nothing is stood in for: a real Gitea, `pushwright web` and `worker` as an administrator runs
them, a real daemon, and a real registry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from bot.core.reports_comment import MARKER
from bot.registry.manifests import DOCKER_MANIFEST, OCI_MANIFEST
from tests.commands.running import pushwright
from tests.docker.site import DOCKER29, Site, on
from tests.faults.bot_processes import LOOPBACK, BotProcesses
from tests.gitea.host import GiteaFace, Repository
from tests.gitea.process import GiteaProcess

pytestmark = pytest.mark.xdist_group("gitea")
DIGEST = "Docker-Content-Digest"


@dataclass(frozen=True)
class Shop:
    """A private repository on Gitea, and the bot that serves it."""

    host: GiteaFace
    repository: Repository
    bot: BotProcesses
    site: Site

    def until(self, done: Callable[[], Any], what: str) -> Any:
        """What `done` gives, as soon as it gives something."""
        limit = time.monotonic() + 90
        while not (found := done()):
            if time.monotonic() > limit:
                raise AssertionError(f"{what} did not come: {self.bot.log.read_text()[-3000:]}")
            time.sleep(0.1)
        return found

    def page(self, sha: str) -> dict[str, Any]:
        """Of the build that the green status of a commit links to."""

        def green() -> str | None:
            found = self.host.statuses(self.repository, sha)
            assert all(one.state in ("pending", "success") for one in found.values()), found
            # The aggregate may be told first.
            ended = "pushwright/shop" in found and all(
                one.state == "success" for one in found.values()
            )
            return found["pushwright/shop"].target_url if ended else None

        document: dict[str, Any] = _get(f"{self.until(green, 'a green status')}.json").json()
        return document

    def told(self, number: int) -> list[str]:
        """Comments on a request that tell of its builds."""
        found = self.host.comments(self.repository, number)
        return [one.body for one in found if one.body.startswith(MARKER)]

    def pushed(self, tag: str) -> str:
        """The digest that the registry has under a tag."""
        url = f"{self.site.registry.url}/v2/acme/shop/manifests/{tag}"
        return _get(url, Accept=f"{OCI_MANIFEST}, {DOCKER_MANIFEST}").headers[DIGEST]


def _get(url: str, **headers: str) -> requests.Response:
    session = requests.Session()
    session.trust_env = False
    answer = session.get(url, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer


@pytest.fixture
def shop(gitea: GiteaProcess, site: Site, tmp_path: Path) -> Iterator[Shop]:
    host: Any = GiteaFace(gitea, tmp_path / "host")
    host.clear()
    repository = host.create_repository("acme/shop", private=True)
    config = {
        "registries": {site.registry.host: {"insecure": True}},
        "defaults": {"registry": site.registry.host},
        "docker": {"host": site.daemon.host, "dedicated": True, "network": "none"},
    }
    with BotProcesses(tmp_path, host, config, path=str(site.client.parent)) as bot:
        host.set_role(repository, "pushwright", "admin")
        proxy = {"NO_PROXY": LOOPBACK, "no_proxy": LOOPBACK}
        synced = pushwright(tmp_path, "hooks", "sync", settings=proxy)
        assert synced.returncode == 0, synced.stderr
        assert synced.stdout.startswith("created")
        bot.start_all()
        yield Shop(host, repository, bot, site)


@on(DOCKER29)
def test_a_push_to_a_private_repository_becomes_an_image_in_the_registry(shop: Shop) -> None:
    lines = (f"FROM {shop.site.base}", "COPY . /src", "RUN ls -a /src && env", "")
    files = {"Dockerfile": "\n".join(lines), "hello.txt": "hello\n"}
    sha = shop.host.commit(shop.repository, "main", files)
    page = shop.page(sha)
    assert page["digest"] == shop.pushed("main") == shop.pushed(f"sha-{sha[:7]}")
    log = _get(f"{shop.bot.url}/builds/{page['id']}/log").text
    assert "hello.txt" in log
    assert ".git" not in log.split()
    # A request tells the digest in its comment.
    head = shop.host.commit(shop.repository, "topic", {"hello.txt": "bye\n"})
    request: Any = shop.host.open_request(shop.repository, "topic")
    digest = shop.page(head)["digest"]
    assert digest == shop.pushed(f"pr-{request.number}") != page["digest"]
    (told,) = shop.until(lambda: shop.told(request.number), "the comment")
    assert digest in told
    # The token that cloned it is nowhere.
    token = (shop.bot.folder / "token").read_bytes().strip()
    assert len(token) == 40
    seen = [log.encode(), str(page).encode(), told.encode(), shop.bot.log.read_bytes()]
    kept = [one.read_bytes() for one in shop.bot.state_folder.rglob("*") if one.is_file()]
    assert kept
    assert not any(token in each for each in (*seen, *kept))
