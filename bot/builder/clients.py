"""Which client speaks to BuildKit here: buildx where there is one, else a docker client before 23.

A docker client from 23 on without buildx silently takes the legacy builder: never used alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from bot.builder.budget import Budget
from bot.builder.classes import BuildClass
from bot.builder.outcome import BuildFailed
from bot.builder.processes import Command, run
from bot.builder.recipe import Recipe

_PLUGIN_FOLDERS = (
    "/usr/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
)
_LAST_BUILT_IN = 22
_OLDEST_BUILDX = (0, 22)
"""Before, it pushes once more through docker's own API, which fails where nothing is stored, and
progress as JSON is missing or incomplete."""

_WAY_OUT = (
    "SSL_CERT_FILE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
"""For the client itself: BuildKit has it, and not the daemon, fetch the tokens of registries
(https://github.com/moby/buildkit/blob/master/session/auth/authprovider/authprovider.go)."""


class Kind(Enum):
    BUILDX = "buildx"
    DOCKER = "docker"


@dataclass(frozen=True, slots=True)
class Client:
    kind: Kind
    program: str
    version: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.version}"


def choose(override: Path | None, env: Mapping[str, str], cwd: Path, budget: Budget) -> Client:
    """The first that answers. Raises BuildFailed (config) naming what to install."""
    candidates = [str(override)] if override else _candidates()
    seen = []
    for program in candidates:
        client = _identify(program, env, cwd, budget)
        if isinstance(client, Client):
            return client
        seen.append(f"{program} ({client})")
    raise BuildFailed(
        BuildClass.CONFIG,
        "no build client: install docker-buildx (or run `make tools`), or Debian 12's docker.io; "
        + (f"not usable: {', '.join(seen)}" if seen else "no docker is on PATH"),
    )


def _candidates() -> list[str]:
    path = os.environ.get("PATH", os.defpath)
    found = [shutil.which("docker-buildx", path=path), shutil.which("buildx", path=path)]
    found += [str(Path(folder, "docker-buildx")) for folder in _PLUGIN_FOLDERS]
    found += [str(Path(folder, "docker")) for folder in [*path.split(os.pathsep), "/usr/bin"]]
    usable = [program for program in found if program and os.access(program, os.X_OK)]
    return list(dict.fromkeys(usable))


def _identify(program: str, env: Mapping[str, str], cwd: Path, budget: Budget) -> Client | str:
    """A client that can drive BuildKit, else why it is none."""
    buildx = "buildx" in Path(program).name
    argv = [program, "version"] if buildx else [program, "--version"]
    try:
        answer = run(Command(argv, env, cwd), budget, silence=10)
    except OSError as error:
        return f"does not start: {error.strerror}"
    text = answer.output.decode("utf-8", "replace")
    if answer.code != 0:
        return f"ends with code {answer.code}"
    if buildx:
        return _buildx(program, text)
    found = re.search(r"Docker version (\d+)([^\s,]*)", text)
    if found and int(found[1]) <= _LAST_BUILT_IN:
        return Client(Kind.DOCKER, program, found[1] + found[2])
    return "needs buildx beside it"


def _buildx(program: str, text: str) -> Client | str:
    found = re.search(r"buildx v?(\S+)", text)
    version = found[1] if found else "unknown"
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < _OLDEST_BUILDX:
        return f"buildx {version} is older than 0.22"
    return Client(Kind.BUILDX, program, version)


def client_environment(recipe: Recipe, auths: Mapping[str, Any]) -> dict[str, str]:
    """The client's whole environment; its config.json holds `auths` and nothing else (a `proxies`
    entry would become build arguments, which the environment does not; a credential helper would
    be run)."""
    config = recipe.workdir / "docker-config"
    config.mkdir(mode=0o700)
    document = config / "config.json"
    document.touch(mode=0o600)
    document.write_text(json.dumps({"auths": auths}))
    return {name: os.environ[name] for name in _WAY_OUT if name in os.environ} | {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(recipe.workdir / "home"),
        "DOCKER_HOST": recipe.docker.host,
        "DOCKER_CONFIG": str(config),
        "DOCKER_BUILDKIT": "1",
        "BUILDX_CONFIG": str(recipe.workdir / "buildx"),
        "BUILDX_GIT_INFO": "false",
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        "BUILDX_METADATA_PROVENANCE": "disabled",
        "LC_ALL": "C",
    }
