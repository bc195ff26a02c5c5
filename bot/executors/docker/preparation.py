"""What an attempt's folder holds before its builder starts: the recipe and the credentials."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.core.centralconfig import DockerExecutor as DockerSettings
from bot.executors.docker.folder import AttemptFolder
from bot.executors.dockerconfig import secret_values
from bot.ports import AttemptSpec, Permanent


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the executor needs of the config. The functions are asked for each attempt, so that
    changed files and settings count at once.

    `auths`: registry hosts to a Docker config document with plain credentials.
    `secret_file`: a secret's name to its file, None for an unknown one.
    """

    folder: Path
    docker: Callable[[], DockerSettings]
    auths: Callable[[Sequence[str]], Mapping[str, object]]
    secret_file: Callable[[str], str | None]


def prepare(folder: AttemptFolder, spec: AttemptSpec, around: Surroundings) -> None:
    """Write all that the builder reads; the recipe last and whole. Raises OSError, Permanent."""
    folder.clear()
    folder.work.mkdir(mode=0o700)
    redacted: list[str] = []
    recipe: dict[str, object] = dict(spec.recipe)
    recipe |= {
        "attempt": spec.name,
        "recipe_hash": spec.recipe_hash,
        "workdir": str(folder.work),
        "result": str(folder.result),
        "source": _source(folder, spec, redacted),
        "docker": _docker(folder, spec, around, redacted),
        "build": _build(spec, around, redacted),
        "redact_files": redacted,
    }
    part = folder.recipe.with_suffix(".part")
    part.write_text(json.dumps(recipe, indent=1))
    part.replace(folder.recipe)


def _source(folder: AttemptFolder, spec: AttemptSpec, redacted: list[str]) -> dict[str, object]:
    source = _section(spec.recipe, "source")
    if spec.credential is not None:
        username = folder.write_private("username", spec.credential.username)
        password = folder.write_private("password", spec.credential.password)
        source |= {"username_file": str(username), "password_file": str(password)}
        redacted.append(str(password))
    return source


def _docker(
    folder: AttemptFolder, spec: AttemptSpec, around: Surroundings, redacted: list[str]
) -> dict[str, object]:
    document = around.auths(spec.registries)
    config = folder.write_private("config.json", json.dumps(document))
    for number, value in enumerate(secret_values(document)):
        redacted.append(str(folder.write_private(f"redact-{number}", value)))
    return {"host": around.docker().host, "config_dir": str(config.parent), "client": None}


def _build(spec: AttemptSpec, around: Surroundings, redacted: list[str]) -> dict[str, object]:
    build = _section(spec.recipe, "build")
    secrets = []
    for secret_id, name in spec.secrets:
        path = around.secret_file(name)
        if path is None:
            raise Permanent(
                f"the secret {name!r} is not in the central config or has no file; "
                "ask the administrator to add it under `secrets`"
            )
        secrets.append({"id": secret_id, "file": path})
        redacted.append(path)
    build["secrets"] = secrets
    build["network"] = around.docker().network
    return build


def _section(recipe: Mapping[str, object], key: str) -> dict[str, object]:
    value = recipe.get(key)
    return dict(value) if isinstance(value, Mapping) else {}
