"""One installation for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.ids import HostKind
from tests.doctor.site import Site, sited
from tests.fakes.githost.host import PLAYED


@pytest.fixture(params=PLAYED)
def site(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    with sited(request.param, tmp_path, monkeypatch.setenv) as made:
        yield made


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with sited(HostKind.GITHUB, tmp_path, monkeypatch.setenv) as made:
        yield made


@pytest.fixture
def gitlab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with sited(HostKind.GITLAB, tmp_path, monkeypatch.setenv) as made:
        yield made
