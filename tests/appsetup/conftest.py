"""A GitHub on loopback, and the command beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.ids import HostKind
from tests.appsetup.browser import Browser
from tests.fakes.githost.host import FakeHost
from tests.fakes.openapi_documents import request_check


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeHost]:
    kind = HostKind.GITHUB
    with FakeHost(kind, tmp_path / "host", check=request_check(kind)) as made:
        yield made
        assert made.violations == []


@pytest.fixture
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()
