"""A GitHub App as the source's credential, instead of a token: the words of scenarios about it."""

from __future__ import annotations

from typing import Any

from tests.fakes.githost.model import CheckRun
from tests.fakes.githost.stage import APP_PERMISSIONS
from tests.scenarios.world import SOURCE, World


def use_app(world: World, keys: tuple[str, str], reports: str = "checks") -> None:
    """`keys`: private and public, in PEM (`key_pair`). The bot starts anew with it."""
    app = world.host.create_app(keys[1], APP_PERMISSIONS)
    world.host.install(app, world.repository)
    file = world.folder / "app.pem"
    file.write_text(keys[0])
    source: dict[str, Any] = dict(world.config["sources"][SOURCE])
    del source["token-file"]
    source["app"] = {"id": str(app.id), "private-key-file": str(file)}
    world.configure(sources={SOURCE: source | {"reports": reports}})
    world.restart()


def check_runs(world: World, sha: str, context: str = "") -> list[CheckRun]:
    """Oldest first. `context`: "", "/api"."""
    name = f"pushwright{context}"
    return [run for run in world.repository.checks if (run.sha, run.name) == (sha, name)]
