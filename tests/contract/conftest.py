"""Fixtures: each test of the store runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from bot.store import SqlStore
from tests.contract.databases import Address, Bench, new_address, postgres_server
from tests.fakes.postgres_process import PostgresProcess

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
