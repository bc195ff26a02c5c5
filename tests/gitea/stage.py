"""A stage of the contract tests on the real Gitea: as `tests.fakes.githost.stage`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from bot.core.centralconfig import Source
from bot.core.ids import HostKind, Sha
from bot.hosts.factory import Hosts
from tests.fakes.githost.host import PLAYED
from tests.fakes.githost.stage import SOURCE, Stage, TurnedClock, staged
from tests.fakes.openapi_documents import request_check
from tests.gitea.front import Front, fronting
from tests.gitea.host import GiteaFace
from tests.gitea.process import GiteaProcess

_GITEA = [pytest.param(HostKind.GITEA, marks=pytest.mark.xdist_group("gitea"))]
EVERY = [*PLAYED, *(_GITEA if os.environ.get("PUSHWRIGHT_GITEA") == "1" else ())]
"""Parameters of a fixture whose tests run on all kinds of host, on the real Gitea where `make
test-gitea` asks for it. Its tests share one."""


@contextmanager
def staged_gitea(
    gitea: GiteaProcess, folder: Path, path: str = "acme/shop", front: Front | None = None
) -> Iterator[Stage]:
    """As `staged`, the host emptied beforehand. `front`: what its clients talk to."""
    # It has what the tests use of the stand-in, no more.
    host: Any = GiteaFace(gitea, folder / "git", front)
    host.clear()
    fake = host.create_repository(path, private=True)
    token = host.create_token("pushwright-bot", fake)
    file = folder / "token"
    file.write_text(token + "\n")
    first = Sha(host.commit(fake, "main", {"Dockerfile": "FROM scratch\n"}, "First"))
    source = Source(SOURCE, HostKind.GITEA, host.url, host.api_url, token_file=str(file))
    hosts = Hosts({SOURCE: source}, TurnedClock())
    try:
        yield Stage(host, folder, source, hosts, fake, first, token)
    finally:
        hosts.close()


@contextmanager
def staged_on(
    request: pytest.FixtureRequest,
    folder: Path,
    path: str,
    now: Callable[[], float] = time.time,
    *,
    fronted: bool = False,
) -> Iterator[Stage]:
    """A stage on the kind of host that the fixture's parameter says. `now`: a stand-in's clock;
    `fronted`: faults can be set, and what was asked is known."""
    kind: HostKind = request.param
    if kind is HostKind.GITEA:
        gitea: GiteaProcess = request.getfixturevalue("gitea")
        with (
            fronting(gitea) if fronted else nullcontext() as front,
            staged_gitea(gitea, folder, path, front) as made,
        ):
            yield made
    else:
        with staged(kind, folder, path=path, check=request_check(kind), now=now) as made:
            yield made
