"""A GitHub App as the source's credential, instead of a token: the words of scenarios about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bot.core.ids import HostKind
from tests.appsetup.browser import Browser
from tests.appsetup.running import code_by_hand, converted
from tests.fakes.githost.model import App, CheckRun
from tests.fakes.githost.stage import APP_PERMISSIONS
from tests.scenarios.world import SOURCE, World, opened


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


def set_up(world: World) -> App:
    """`pushwright setup github`, its lines pasted into the config, the App installed. Webhooks stay
    those of the repository."""
    browser = Browser()
    code = code_by_hand(world.host, browser, world.folder)
    browser.close()
    ended = converted(world.host, code, world.folder / "secrets", "--source", SOURCE)
    assert (ended.code, ended.err) == (0, "")
    (app,) = world.host.world.apps.values()
    world.host.install(app, world.repository)
    written = yaml.safe_load((world.folder / "secrets" / f"{SOURCE}.source.yaml").read_text())
    hooks = {"webhook-secret-files": [str(world.folder / "secret")]}
    world.configure(sources={SOURCE: written["sources"][SOURCE] | hooks})
    world.restart()
    return app


@contextmanager
def opened_with_app(folder: Path, keys: tuple[str, str]) -> Iterator[World]:
    """As `opened`, on the stand-in for GitHub; all is reported by check runs."""
    with opened(HostKind.GITHUB, folder) as world:
        use_app(world, keys)
        yield world
        assert world.repository.statuses == [], "by check runs alone"


def send(world: World, event: str, payload: dict[str, Any]) -> None:
    """One of GitHub's events that the stand-in does not send by itself. Hooks are sent it from now
    on; what it tells of repository and sender is put in."""
    repository = world.repository
    for hook in repository.hooks:
        hook.events = (*hook.events, event)
    owner, _, name = repository.path.partition("/")
    about = {
        "repository": {
            "id": repository.id,
            "name": name,
            "full_name": repository.path,
            "owner": {"login": owner, "id": 1},
            "default_branch": "main",
            "clone_url": world.host.clone_url(repository),
            "html_url": f"{world.host.url}/{repository.path}",
            "private": True,
        },
        "sender": {"id": 7, "login": "ada", "type": "User"},
    }
    world.host.hooks.send(repository, event, payload | about)


def check_runs(world: World, sha: str, context: str = "") -> list[CheckRun]:
    """Oldest first. `context`: "", "/api"."""
    name = f"pushwright{context}"
    return [run for run in world.repository.checks if (run.sha, run.name) == (sha, name)]
