"""The lines with which a report says how to make a build again, run as a person runs them: in a
clone, by a shell. What comes out is what the bot's builder pushed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.builder.manifests import ACCEPT
from bot.core.ids import Digest, HostKind
from bot.registry.client import RegistryClient
from bot.registry.configured import ConfiguredRegistries
from tests.docker.site import DOCKER29, NO_PROXY, Site, on
from tests.scenarios.world import World, opened

CONFIG = """\
version: 1
comment: always
images:
  base: {context: base}
  api:
    context: services/api
    dockerfile: build/Dockerfile
    target: final
    args: {WORD: "a 'quoted' $(word)"}
    labels: {org.example.note: "one, two=3"}
    needs: [base]
"""
DOCKERFILE = """\
FROM base AS first
ARG WORD=none
RUN echo "$WORD $(cat /of-base)" > /word && head -c 8 /dev/urandom > /random
FROM first AS final
COPY app.txt /app.txt
FROM first AS last
RUN echo never
"""
MADE = re.compile(r"exporting manifest(?: list)? (sha256:[0-9a-f]{64})")


def build(site: Site, world: World, reference: str) -> Digest:
    """What the bot started, with the real builder."""
    recipes: list[Any] = [run.spec.recipe for run in world.runs()]
    (recipe,) = (one for one in recipes if one["push"]["reference"] == reference)
    folder = site.folder / reference.rpartition(":")[2]
    folder.mkdir()
    local = {
        "attempt": folder.name,
        "workdir": str(folder),
        "docker": {"host": site.daemon.host, "client": str(site.client)},
        "redact_files": [],
        "allowed": [f"{site.registry.host}/**"],
        "result": str(site.folder / f"{folder.name}.json"),
    }
    ended = site.run({**recipe, **local})
    assert ended.kind == "succeeded", ended.result
    return Digest(ended.result["digest"])


@pytest.fixture
def world(site: Site, tmp_path: Path) -> Iterator[World]:
    with opened(HostKind.GITHUB, tmp_path) as made:
        made.repository.private = False
        configured = ConfiguredRegistries(lambda: made.central, made.clock)
        client = RegistryClient(configured.endpoint, made.clock, sleep=lambda _: None)
        made.registry = client
        made.configure(
            registries={site.registry.host: {"insecure": True}},
            defaults={"registry": site.registry.host},
            repositories=[{"match": "acme/*"}],
            docker={"dedicated": True, "host": site.daemon.host, "network": "none"},
        )
        made.restart()
        made.executor.push = lambda name, tag, _: build(site, made, f"{name}:{tag}")
        yield made
        client.close()


def block(world: World) -> list[str]:
    """The lines of the report's block on how to pull and build, by image."""
    (comment,) = world.host.all_comments(world.repository)
    found = re.search(r"build the same</summary>\s+(`{3,})sh\n(.*?)\n\1", comment.body, re.DOTALL)
    assert found, comment.body
    return found[2].splitlines()


def lines_of(image: str, lines: list[str]) -> list[str]:
    start = lines.index(f"# {image}") + 1
    rest = lines[start:]
    end = next((n for n, line in enumerate(rest) if line.startswith("# ")), len(rest))
    return [line for line in rest[:end] if not line.startswith("docker pull")]


def by_hand(site: Site, clone: Path, lines: list[str]) -> Any:
    """What the daemon says of the image that the lines made."""
    plugins = site.folder / "docker" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").symlink_to(site.client)
    env = {"PATH": os.environ["PATH"], "HOME": str(site.folder), "NO_PROXY": NO_PROXY}
    env |= {"DOCKER_HOST": site.daemon.host, "DOCKER_CONFIG": str(plugins.parent)}
    script = "\n".join(["set -e", "export BUILDKIT_PROGRESS=plain", *lines])
    shell = ["bash", "-c", script]
    ran = subprocess.run(shell, cwd=clone, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, script + ran.stderr
    made = MADE.findall(ran.stderr)[-1]
    inspect = ["docker", "image", "inspect", made]
    shown = subprocess.run(inspect, env=env, capture_output=True, check=True)
    return json.loads(shown.stdout)[0]


def pushed(site: Site, image: str, digest: str) -> Any:
    """The config of what the bot pushed."""
    name = f"{site.registry.url}/v2/acme/shop/{image}"
    ask = urllib.request.Request(f"{name}/manifests/{digest}", headers={"Accept": ACCEPT})
    with urllib.request.urlopen(ask) as answer:
        config = json.load(answer)["config"]["digest"]
    with urllib.request.urlopen(f"{name}/blobs/{config}") as answer:
        return json.load(answer)


@on(DOCKER29)  # dockerd 20.10 knows no named contexts, by which needed images are given
def test_the_same_image_comes_out(site: Site, world: World) -> None:
    files = {
        ".pushwright.yaml": CONFIG,
        "base/Dockerfile": f"FROM {site.base}\nRUN echo {site.name} > /of-base\n",
        "services/api/build/Dockerfile": DOCKERFILE,
        "services/api/app.txt": "app\n",
    }
    world.push({"README.md": "A shop\n"})
    world.run(10)
    sha = world.push(files, "topic")
    world.request("topic")
    world.run()
    assert world.state(sha) == "success"
    clone = site.folder / "clone"
    address = world.host.clone_url(world.repository)
    subprocess.run(["git", "clone", "--quiet", address, str(clone)], check=True)
    made = by_hand(site, clone, lines_of("api", block(world)))
    config = pushed(site, "api", world.built("api", sha))
    # A layer holds random bytes: it is the same one only where nothing of its step differs.
    assert made["RootFS"]["Layers"] == config["rootfs"]["diff_ids"]
    assert made["Config"]["Labels"] == config["config"]["Labels"]
    assert made["Config"]["Labels"]["org.example.note"] == "one, two=3"
    assert made["Config"]["Env"] == config["config"]["Env"]
