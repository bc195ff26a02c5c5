"""Fixtures: each test of the store runs on SQLite and on PostgreSQL, each of the Git host port
on all kinds of host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.ids import HostKind
from bot.store import SqlStore
from tests.contract.databases import Address, Bench, new_address, postgres_server
from tests.fakes.githost.host import PLAYED
from tests.fakes.githost.stage import Stage, staged
from tests.fakes.postgres_process import PostgresProcess
from tests.gitea.stage import EVERY, staged_on

# The real Gitea is minutes in the making: `make test-gitea` builds it and asks for these.
if os.environ.get("PUSHWRIGHT_GITEA") != "1":
    collect_ignore_glob = ["*_gitea.py"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresProcess]:
    yield from postgres_server()


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest) -> Address:
    return new_address(request.param, request)


@pytest.fixture
def store(address: Address) -> Iterator[SqlStore]:
    opened = address.open()
    yield opened
    opened.close()


@pytest.fixture
def bench(store: SqlStore) -> Bench:
    return Bench(store)


@pytest.fixture(params=EVERY)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with staged_on(request, tmp_path, "acme/shop", fronted=True) as made:
        yield made


@pytest.fixture(params=PLAYED)
def played(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """For limits that Gitea has none of, and where thousands of things are needed."""
    with staged_on(request, tmp_path, "acme/shop") as made:
        yield made


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Stage]:
    """Another host."""
    with staged(HostKind.GITHUB, tmp_path / "other") as made:
        yield made
